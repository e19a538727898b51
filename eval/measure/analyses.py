"""Runs all strategies once more, untimed, and writes the analyses of what they find, each in a file with all dtypes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from engine.data.corpora import NAMED, Corpus, load_corpus
from engine.tagger import Engine, Result
from engine.text.documents import Document
from eval.analysis import DocumentComparison
from eval.analysis.errors import Errors
from eval.analysis.exits import Exits
from eval.analysis.subgroups import Subgroups, count_mentions
from eval.measure.variants import Variant
from eval.schema import DENSE, MORE_DIGITS, columns

BATCH = 32  # documents per call


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
    """Writes errors, exits and groups of mentions as CSV files, and ``cases.json``, to an existing folder.

    Variants that an engine runs are compared with its own dense, ``random`` with its first seed. Mentions in
    ``training`` count as seen; without it, groups by them are left out.
    """
    by_engine: dict[Engine, list[Variant]] = {}
    for variant in sorted(variants, key=lambda one: one.kind != DENSE):  # dense first
        if variant.engine is not None:
            by_engine.setdefault(variant.engine, []).append(variant)
    tables: dict[str, list[pd.DataFrame]] = {}
    cases = []
    for engine, own in by_engine.items():
        errors, exits = Errors(), Exits()
        subgroups = Subgroups(engine.sizes.layers, None if training is None else count_mentions(training))
        for comparison in _comparisons(own, corpus):
            for collector in (errors, exits, subgroups):
                collector.add(comparison)
        groups, gaps = subgroups.rows(seed)
        rows: dict[str, Iterable[object]] = {
            "errors": errors.rows(),
            "confusion": errors.confusion_rows(corpus.types),
            "exits": exits.rows(),
            "subgroups": groups,
            "gaps": gaps,
        }
        for name, of_engine in rows.items():
            table = pd.DataFrame(list(of_engine), columns=columns(name))
            table.insert(0, "dtype", engine.dtype)
            tables.setdefault(name, []).append(table)
        cases += [{"dtype": engine.dtype, **one} for one in errors.cases()]
    for name, parts in tables.items():
        table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
        table.to_csv(out / f"{name}.csv", index=False, float_format=MORE_DIGITS)
    (out / "cases.json").write_text(json.dumps(cases))


def _comparisons(variants: Sequence[Variant], corpus: Corpus) -> Iterator[DocumentComparison]:
    """Yields each document under each of an engine's variants, of which dense is the first."""
    starts = range(0, len(corpus.documents), BATCH)
    for start in tqdm(starts, desc=f"analyses in {variants[0].dtype}", disable=None):
        documents = corpus.documents[start : start + BATCH]
        texts = [document.text for document in documents]
        dense: Sequence[Result] = []
        for variant in variants:
            results = variant.tag(texts).results
            dense = dense or results
            for document, own, by_dense in zip(documents, results, dense, strict=True):
                strategy = own.strategy
                yield DocumentComparison(
                    document,
                    corpus.types,
                    strategy.name,
                    strategy.gates,
                    strategy.recovery is not None,
                    own.trace.words,
                    own.entities,
                    by_dense.entities,
                )
