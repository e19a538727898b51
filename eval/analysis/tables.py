"""Writes all tables of a report, from the record of its run and the corpus alone.

F1, times and costs of every variant are computed here: ``results.csv``, ``intervals.csv``, ``times.csv`` and
``cost.csv``, which has rows for each strategy and control at the first batch size: ``token_layers``, the share of the
dense rows that a layer computed, rows recovered included (in a cascade, the small model's layers come first), and
``held_mib``, the memory that a process with this variant alone occupies after a call. `eval.analysis.errors` and
`eval.analysis.groups` make the rows of the others.

Besides the files of `eval.schema`, ``documents.csv`` has a row for each document: its id, the number of its gold
mentions, and for each run of a variant a column ``STRATEGY DTYPE BATCH_SIZE RUN`` with matches and predictions as
``10/12``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from seqeval.scheme import IOB2, Entities

from engine.formats.corpora import Corpus
from engine.latency import speedup
from engine.text.documents import Document, Entity
from engine.text.labels import LabelSet
from engine.text.scoring import Counts, count_matches
from engine.text.words import split_words
from eval import schema
from eval.analysis import compare
from eval.analysis.errors import confusion_rows, error_rows, exit_rows
from eval.analysis.groups import group_rows
from eval.record import Measured, Record, Row, dense_of
from eval.schema import DIGITS, MORE_DIGITS, Interval, columns
from eval.statistics import SEED, compare_f1, compare_speed

Key = tuple[str, str, int]  # strategy, dtype, batch size


def write_tables(
    folder: Path,
    corpus: Corpus,
    record: Record,
    memory: Mapping[str, int],
    facts: Mapping[str, Any],
    training: Sequence[Document] | None = None,
) -> None:
    """Writes the CSV files to an existing folder.

    Args:
        folder: folder of the report.
        corpus: the documents with gold; its types are scored.
        record: what was found.
        memory: bytes that a process with one variant alone occupies, by `eval.record.Variant.key`.
        facts: further cells of all rows of ``results.csv``.
        training: documents whose mentions count as seen; without them, groups by them are left out.
    """
    by_size = list(record.values())
    every = [(one, others) for others in by_size for one in others.values()]
    results: list[object] = [{**result_row(*pair, corpus), "seed": SEED, **facts} for pair in every]
    _write(folder, "results", results, DIGITS)
    _write(folder, "intervals", (row for of in by_size for row in interval_rows(of, corpus)), DIGITS)
    _write(folder, "times", (row for one, _ in every for row in time_rows(one)), DIGITS)
    first = by_size[0]
    _write(folder, "cost", cost_rows(first, memory), DIGITS)
    counted = [count(one, corpus) for one, _ in every]
    _document_table(corpus.documents, counted).to_csv(folder / "documents.csv", index=False)

    comparisons = compare(first, corpus)
    _write(folder, "errors", (row for one in comparisons for row in error_rows(one)))
    _write(folder, "confusion", (row for one in comparisons for row in confusion_rows(one)))
    _write(folder, "exits", (row for one in comparisons for row in exit_rows(one)))
    _write(folder, "subgroups", group_rows(comparisons, training))


def _write(folder: Path, name: str, rows: Iterable[object], digits: str = MORE_DIGITS) -> None:
    found: list[Any] = list(rows)
    table = pd.DataFrame(found, columns=columns(name))
    table.to_csv(folder / f"{name}.csv", index=False, float_format=digits)


def _document_table(documents: Sequence[Document], counted: Iterable[Counted]) -> pd.DataFrame:
    table: dict[str, Sequence[object]] = {"document": [document.id for document in documents]}
    for one in counted:
        for number, run in enumerate(one.runs):
            table.setdefault("gold", [counts.gold for counts in run])
            table[" ".join(map(str, (*one.key, number)))] = [f"{c.correct}/{c.predicted}" for c in run]
    return pd.DataFrame(table)


@dataclass(frozen=True, eq=False)
class Counted:
    """What intervals are computed from: a variant's counts of each document and times of each batch."""

    key: Key
    runs: Sequence[Sequence[Counts]]  # of each document; several runs for ``random``
    times: np.ndarray  # milliseconds of each batch, ``(batches,)``, medians over passes


def count(one: Measured, corpus: Corpus) -> Counted:
    """Counts the matches, predictions and gold mentions of the scored types in each document."""
    runs = [
        [
            count_matches(document.entities, row.entities, corpus.types)
            for document, row in zip(corpus.documents, run, strict=True)
        ]
        for run in one.runs
    ]
    return Counted((one.variant.name, one.variant.dtype, one.batch_size), runs, one.times.batches)


def seqeval_f1(corpus: Corpus, run: Sequence[Row]) -> float:
    """Strict IOB2 F1 on words, 0–1, as papers report it."""
    labels, counts = LabelSet(corpus.types), Counts()

    def spans(document: Document, entities: Sequence[Entity]) -> set[tuple[int, int, str]]:
        names = [labels.names[label] for label in labels.encode(split_words(document.text), entities)]
        return {(entity.start, entity.end, entity.tag) for entity in Entities([names], scheme=IOB2).entities[0]}

    for document, row in zip(corpus.documents, run, strict=True):
        gold, predicted = spans(document, document.entities), spans(document, row.entities)
        counts += Counts(len(gold & predicted), len(predicted), len(gold))
    return counts.f1


def result_row(one: Measured, others: Mapping[str, Measured], corpus: Corpus) -> dict[str, object]:
    """Scores, times and costs of a variant in ``results.csv``; ``others``: all variants at its batch size."""
    variant, times, cost = one.variant, one.times, one.cost
    dense, own_dense = dense_of(others), dense_of(others, variant.dtype)
    totals = [Counts.total(run) for run in count(one, corpus).runs]
    return {
        "corpus": corpus.name,
        "split": corpus.split,
        "documents": len(corpus.documents),
        "timed_documents": len(one.timed),
        "strategy": variant.name,
        "kind": variant.kind,
        "replays": variant.replays,
        "prunes": variant.prunes,
        "point": variant.strategy.point if variant.strategy and not variant.replays else "",
        "batch_size": one.batch_size,
        "f1": np.mean([total.f1 for total in totals]),
        "precision": np.mean([total.precision for total in totals]),
        "recall": np.mean([total.recall for total in totals]),
        "f1_seqeval": np.mean([seqeval_f1(corpus, run) for run in one.runs]),
        "latency_ms_median": np.median(times.batches),
        "latency_ms_p95": np.quantile(times.batches, 0.95),
        "speedup_vs_dense": speedup(dense.times, times),
        "speedup_vs_dense_same_dtype": (
            speedup(own_dense.times, times) if own_dense.variant.dtype == variant.dtype else None
        ),
        "theoretical_speedup": cost.theoretical_speedup if cost else None,
        "token_layers_kept": cost.token_layers_kept if cost and not variant.small_layers else None,
        "read_by_large": one.read_by_large,
        "gmacs_per_document": cost.macs / 1e9 / len(corpus.documents) if cost else None,
        "device": variant.device,
        "dtype": variant.dtype,
    }


def interval_rows(measured: Mapping[str, Measured], corpus: Corpus) -> Iterator[Interval]:
    """Compares every variant with dense in the first dtype and in its own, and each strategy with all it must beat."""
    dense, every = dense_of(measured), list(measured.values())
    counted = {one.variant.key: count(one, corpus) for one in every}
    pairs = [(one, dense) for one in every]
    own_dense = [(one, dense_of(measured, one.variant.dtype)) for one in every]
    pairs += [(one, own) for one, own in own_dense if own not in (one, dense)]
    pairs += [(one, other) for one in every for other in every if one.variant.must_beat(other.variant)]
    for one, other in pairs:
        yield interval_row(counted[one.variant.key], counted[other.variant.key])


def interval_row(own: Counted, other: Counted) -> Interval:
    """Compares a variant with another: a row of ``intervals.csv``."""
    (strategy, dtype, size), (against, against_dtype, _) = own.key, other.key
    return {
        "strategy": strategy,
        "dtype": dtype,
        "batch_size": size,
        "against": against,
        "against_dtype": against_dtype,
        **compare_f1(own.runs, other.runs),
        **compare_speed(own.times, other.times),
    }


def time_rows(one: Measured) -> Iterator[tuple[object, ...]]:
    """Yields the cells of the rows of ``times.csv`` for a variant, see `eval.schema.BatchTime`."""
    for batch, milliseconds in enumerate(one.times.batches.tolist()):
        yield one.variant.name, one.variant.dtype, one.batch_size, batch, milliseconds


def cost_rows(measured: Mapping[str, Measured], memory: Mapping[str, int]) -> Iterator[tuple[object, ...]]:
    """Yields the cells of the rows of ``cost.csv``, see `eval.schema.CostMeasure`.

    ``memory``: bytes that a process occupies, by `Variant.key`.
    """
    for key, one in measured.items():
        variant = one.variant.name, one.variant.dtype, one.batch_size
        dense = dense_of(measured, one.variant.dtype).cost
        if one.cost is not None and dense is not None:
            for layer, rows in enumerate(one.cost.rows, 1):
                yield *variant, schema.TOKEN_LAYERS, f"layer {layer}", rows / dense.rows[0]
        if key in memory:
            yield *variant, schema.HELD_MEMORY, schema.RESIDENT, memory[key] / 2**20
