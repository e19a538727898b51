"""Errors, exits and groups of all strategies in one untimed pass over a corpus, a batch of documents at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd

from engine.data.corpora import NAMED, Corpus, load_corpus
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from engine.text.documents import Document
from eval import schema
from eval.analysis.cases import Cases
from eval.analysis.comparison import Compared
from eval.analysis.errors import Errors
from eval.analysis.exits import Exits
from eval.analysis.subgroups import Subgroups, training_mentions

BATCH = 32
FILES = ("errors.csv", "confusion.csv", "exits.csv", "subgroups.csv", "gaps.csv", "cases.json")


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
    """Writes ``FILES`` to a folder.

    Args:
        engine: tags the documents.
        corpus: with gold; only its types count.
        strategies: compared with dense, which runs in any case; of ``random`` the first seed.
        out: the folder, which exists.
        training: documents whose mentions are those seen in training, see `training_documents`; without them the
            groups that need them are left out.
        seed: of the bootstrap.
        progress: called after each batch of each strategy, see `number_of_calls`.
    """
    errors, exits, cases = Errors(), Exits(), Cases()
    groups = Subgroups(engine.encoder.num_layers, None if training is None else training_mentions(training))
    dense = engine.strategy("dense")
    for start in range(0, len(corpus.documents), BATCH):
        documents = corpus.documents[start : start + BATCH]
        texts = [document.text for document in documents]
        reference = engine.tag_batch(texts, dense, batch_size=BATCH)
        for strategy in _with_dense(strategies, dense):
            results = reference if strategy == dense else engine.tag_batch(texts, strategy, batch_size=BATCH)
            for document, result, by_dense in zip(documents, results, reference, strict=True):
                compared = Compared(document, corpus.types, result, by_dense)
                for collector in (errors, exits, cases, groups):
                    collector.add(compared)
            progress()
    subgroup_rows, gap_rows = groups.rows(seed)
    tables = {
        "errors": (errors.rows(), schema.ErrorCount),
        "confusion": (errors.confusion_rows(corpus.types), schema.Confusion),
        "exits": (exits.rows(), schema.Exit),
        "subgroups": (subgroup_rows, schema.Group),
        "gaps": (gap_rows, schema.Gap),
    }
    for name, (rows, row) in tables.items():
        pd.DataFrame(list(rows), columns=schema.columns(row)).to_csv(out / f"{name}.csv", index=False)
    (out / "cases.json").write_text(json.dumps(cases.record()))


def number_of_calls(corpus: Corpus, strategies: Sequence[Strategy]) -> int:
    """How often `analyse` calls its ``progress``."""
    return -(-len(corpus.documents) // BATCH) * len(_with_dense(strategies, Strategy("dense")))


def _with_dense(strategies: Sequence[Strategy], dense: Strategy) -> list[Strategy]:
    return [dense, *(strategy for strategy in strategies if strategy != dense)]
