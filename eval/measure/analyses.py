"""Runs all strategies once more, untimed, for the analyses of what they found: a batch of documents at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from engine.data.corpora import NAMED, Corpus, load_corpus
from engine.pruning.strategy import Strategy
from engine.tagger import Engine, Result
from engine.text.documents import Document
from eval.analysis.comparison import Compared, Run, Word
from eval.analysis.tables import Analyses
from eval.schema import DENSE

BATCH = 32


def training_documents(corpus: Corpus, data_dir: str | Path | None = None) -> Sequence[Document] | None:
    """The training split of a named corpus that shares no document with the corpus' split; ``None``: there is none."""
    splits = NAMED[corpus.name].splits if corpus.name in NAMED else ()
    wanted = "fit" if "fit" in splits and corpus.split in ("calib", "test") else "train"
    if wanted not in splits or corpus.split in ("train", "fit"):
        return None
    return load_corpus(corpus.name, wanted, data_dir).documents


def analyse(
    engine: Engine,
    corpus: Corpus,
    strategies: Sequence[Strategy],
    out: Path,
    training: Iterable[Document] | None = None,
    seed: int = 0,
    progress: Callable[[], object] = lambda: None,
) -> None:
    """Writes the files of `eval.analysis.tables` to a folder.

    Args:
        engine: tags the documents.
        corpus: with gold; only its types count.
        strategies: compared with dense, which runs in any case; of ``random`` the first seed.
        out: the folder, which exists.
        training: documents whose mentions are those seen in training, see `training_documents`.
        seed: of the bootstrap.
        progress: called after each batch of each strategy, see `number_of_calls`.
    """
    analyses, dense = Analyses(engine.encoder.num_layers, training), engine.strategy(DENSE)
    for start in range(0, len(corpus.documents), BATCH):
        documents = corpus.documents[start : start + BATCH]
        texts = [document.text for document in documents]
        reference: list[Run] = []
        for strategy in _with_dense(strategies, dense):
            runs = [run_of(result) for result in engine.tag_batch(texts, strategy, batch_size=BATCH)]
            reference = reference or runs  # dense comes first
            for document, run, by_dense in zip(documents, runs, reference, strict=True):
                analyses.add(Compared(document, corpus.types, run, by_dense))
            progress()
    analyses.write(out, corpus.types, seed)


def number_of_calls(corpus: Corpus, strategies: Sequence[Strategy]) -> int:
    """How often `analyse` calls its ``progress``."""
    return -(-len(corpus.documents) // BATCH) * len(_with_dense(strategies, Strategy(DENSE)))


def _with_dense(strategies: Sequence[Strategy], dense: Strategy) -> list[Strategy]:
    return [dense, *(strategy for strategy in strategies if strategy != dense)]


def run_of(result: Result) -> Run:
    """What the analyses need of a result."""
    strategy, words = result.strategy, []
    for word in result.trace.words:
        gates = tuple((gate.layer, gate.label, gate.probability) for gate in word.gates)
        words.append(Word(word.start, word.end, word.text, word.pieces, word.layer, word.state, gates))
    return Run(strategy.name, strategy.gates, strategy.recovery is not None, result.entities, tuple(words))
