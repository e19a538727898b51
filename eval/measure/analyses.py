"""Runs all strategies again, untimed, to analyse what they find, a batch of documents at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from engine.data.corpora import NAMED, Corpus, load_corpus
from engine.tagger import Engine, Result
from engine.text.documents import Document
from eval.analysis import Analyses, write
from eval.analysis.comparison import Compared, Findings, Word
from eval.measure.variants import Variant
from eval.schema import DENSE

BATCH = 32


def training_documents(corpus: Corpus, data_dir: str | Path | None = None) -> Sequence[Document] | None:
    """A named corpus' training split that shares no document with the evaluated split; ``None`` if there is none."""
    splits = NAMED[corpus.name].splits if corpus.name in NAMED else ()
    wanted = "train" if "fit" not in splits or (corpus.split == "dev" and "train" in splits) else "fit"
    if wanted not in splits or corpus.split in ("train", "fit"):
        return None
    return load_corpus(corpus.name, wanted, data_dir).documents


def analyse(
    variants: Sequence[Variant],
    corpus: Corpus,
    out: Path,
    training: Sequence[Document] | None = None,
    seed: int = 0,
) -> None:
    """Writes the files of `eval.analysis` to a folder.

    Args:
        variants: those that an engine runs are compared with its own dense; ``random`` with its first seed.
        corpus: with gold; only its types count.
        out: an existing folder.
        training: documents whose mentions count as seen in training, see `training_documents`.
        seed: of the bootstrap.
    """
    found = {}
    for engine, of_engine in _analysed(variants).items():
        found[engine.dtype] = analyses = Analyses(engine.encoder.num_layers, training)
        starts = range(0, len(corpus.documents), BATCH)
        for start in tqdm(starts, desc=f"analyses in {engine.dtype}", disable=None):
            documents = corpus.documents[start : start + BATCH]
            texts = [document.text for document in documents]
            reference: list[Findings] = []
            for results in of_engine:
                runs = [run_of(result) for result in results(texts)]
                reference = reference or runs  # dense comes first
                for document, run, by_dense in zip(documents, runs, reference, strict=True):
                    analyses.add(Compared(document, corpus.types, run, by_dense))
    write(out, found, corpus.types, seed)


def _analysed(variants: Sequence[Variant]) -> dict[Engine, list[Callable[[Sequence[str]], list[Result]]]]:
    """The variants of each engine, dense first."""
    found: dict[Engine, list[Callable[[Sequence[str]], list[Result]]]] = {}
    for variant in sorted(variants, key=lambda one: one.kind != DENSE):
        if variant.engine is not None and variant.results is not None:
            found.setdefault(variant.engine, []).append(variant.results)
    return found


def run_of(result: Result) -> Findings:
    """Extracts what the analyses need from a result."""
    strategy, words = result.strategy, []
    for word in result.trace.words:
        gates = tuple((gate.layer, gate.label, gate.probability) for gate in word.gates)
        words.append(Word(word.start, word.end, word.text, word.pieces, word.layer, word.state, gates))
    return Findings(strategy.name, strategy.gates, strategy.recovery is not None, result.entities, tuple(words))
