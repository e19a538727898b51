"""Writes all tables of a report, from the record of its run and the corpus alone.

F1, times and costs of every variant are computed here: ``results.csv``, ``intervals.csv``, ``times.csv`` and
``cost.csv``, which has rows for each strategy and control at the first batch size: ``token_layers``, the share of the
dense rows that a layer computed, rows recovered included (in a cascade, the small model's layers come first), and
``held_mib``, the memory that a process with this variant alone occupies after a call. `eval.analysis.errors` and
`eval.analysis.groups` make the rows of the others.

Besides the files of `eval.schema`, ``documents.csv`` has a row for each document: its id, the number of its gold
mentions, and for each run of a variant a column ``VARIANT BATCH_SIZE RUN`` with matches and predictions as ``10/12``.
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
from engine.text.documents import Document, Entity
from engine.text.labels import LabelSet
from engine.text.scoring import Counts, count_matches
from engine.text.words import split_words
from eval import schema
from eval.analysis import compare
from eval.analysis.errors import confusion_rows, error_rows, exit_rows
from eval.analysis.groups import group_rows
from eval.record import Measured, Record, Row, dense_of
from eval.schema import DIGITS, FILES, MORE_DIGITS, PIPELINE, Interval
from eval.statistics import SEED, compare_f1, compare_speed

Key = tuple[str, int]  # name of a variant, batch size


def write_tables(
    folder: Path,
    record: Record,
    memory: Mapping[str, int],
    facts: Mapping[str, Any],
    training: Sequence[Document] | None = None,
) -> None:
    """Writes the CSV files to an existing folder.

    Args:
        folder: folder of the report.
        record: what was measured on a corpus with gold, whose types are scored.
        memory: bytes that a process with one variant alone occupies, by the variant's name.
        facts: further cells of all rows of ``results.csv``.
        training: documents whose mentions count as seen; without them, groups by them are left out.
    """
    corpus, first = record.plan.corpus, record.first
    results = ({**result_row(one, record, corpus), "seed": SEED, **facts} for one in record)
    _write(folder, "results", results, DIGITS)
    counted = {one.key: one for one in (count(one, corpus) for one in record)}
    intervals = (row for measured in record.by_size.values() for row in interval_rows(measured, counted))
    _write(folder, "intervals", intervals, DIGITS)
    _write(folder, "times", (row for one in record for row in time_rows(one)), DIGITS)
    _write(folder, "cost", cost_rows(first, memory), DIGITS)
    _document_table(corpus.documents, counted.values()).to_csv(folder / "documents.csv", index=False)

    comparisons = compare(first, corpus)
    _write(folder, "errors", (row for one in comparisons for row in error_rows(one)))
    _write(folder, "confusion", (row for one in comparisons for row in confusion_rows(one)))
    _write(folder, "exits", (row for one in comparisons for row in exit_rows(one)))
    _write(folder, "subgroups", group_rows(comparisons, training))


def _write(folder: Path, name: str, rows: Iterable[object], digits: str = MORE_DIGITS) -> None:
    cells: list[Any] = list(rows)
    table = pd.DataFrame(cells, columns=list(FILES[name].__annotations__))
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
    runs: Sequence[Sequence[Counts]]  # of each document; several runs for controls
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
    return Counted((one.variant.name, one.batch_size), runs, one.times)


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


def result_row(one: Measured, record: Record, corpus: Corpus) -> dict[str, object]:
    """Scores, times and costs of a variant in ``results.csv``."""
    variant, times, cost = one.variant, one.times, one.cost
    dense = dense_of(record.by_size[one.batch_size])
    totals = [Counts.total(run) for run in count(one, corpus).runs]
    return {
        "corpus": corpus.name,
        "split": corpus.split,
        "documents": len(corpus.documents),
        "timed_documents": len(record.plan.timed),
        "variant": variant.name,
        "kind": variant.kind,
        "replays": variant.replays,
        "prunes": variant.prunes,
        "point": variant.strategy.point if variant.strategy and not variant.replays else "",
        "batch_size": one.batch_size,
        "f1": np.mean([total.f1 for total in totals]),
        "precision": np.mean([total.precision for total in totals]),
        "recall": np.mean([total.recall for total in totals]),
        "f1_seqeval": np.mean([seqeval_f1(corpus, run) for run in one.runs]),
        "latency_ms_median": np.median(times),
        "latency_ms_p95": np.quantile(times, 0.95),
        "speedup_vs_dense": dense.times.sum() / times.sum(),
        "theoretical_speedup": cost.theoretical_speedup if cost else None,
        "token_layers_kept": cost.token_layers_kept if cost and not variant.small_layers else None,
        "read_by_large": one.read_by_large,
        "gmacs_per_document": cost.macs / 1e9 / len(corpus.documents) if cost else None,
        "device": variant.device,
        "dtype": variant.dtype,
    }


def interval_rows(measured: Mapping[str, Measured], counted: Mapping[Key, Counted]) -> Iterator[Interval]:
    """Compares the variants at a batch size.

    Each is compared with dense in float32 and in its own dtype and with the Hugging Face pipeline, and each strategy
    with all that it must beat.
    """
    every = list(measured.values())
    for one in every:
        beaten = [other for other in every if one.variant.must_beat(other.variant)]
        pipeline = [other for other in every if other.variant.name == PIPELINE]
        others = [dense_of(measured), dense_of(measured, one.variant.dtype), *pipeline, *beaten]
        for other in dict.fromkeys(others):
            yield interval_row(*(counted[pair.variant.name, pair.batch_size] for pair in (one, other)))


def interval_row(own: Counted, other: Counted) -> Interval:
    """Compares a variant with another: a row of ``intervals.csv``."""
    (variant, size), (against, _) = own.key, other.key
    return {
        "variant": variant,
        "batch_size": size,
        "against": against,
        **compare_f1(own.runs, other.runs),
        **compare_speed(own.times, other.times),
    }


def time_rows(one: Measured) -> Iterator[tuple[object, ...]]:
    """Yields the cells of the rows of ``times.csv`` for a variant, see `eval.schema.BatchTime`."""
    for batch, milliseconds in enumerate(one.times.tolist()):
        yield one.variant.name, one.batch_size, batch, milliseconds


def cost_rows(measured: Mapping[str, Measured], memory: Mapping[str, int]) -> Iterator[tuple[object, ...]]:
    """Yields the cells of the rows of ``cost.csv``, see `eval.schema.CostMeasure`."""
    for name, one in measured.items():
        dense = dense_of(measured, one.variant.dtype).cost
        if one.cost is not None and dense is not None:
            for layer, rows in enumerate(one.cost.rows, 1):
                yield name, one.batch_size, schema.TOKEN_LAYERS, f"layer {layer}", rows / dense.rows[0]
        if name in memory:
            yield name, one.batch_size, schema.HELD_MEMORY, schema.RESIDENT, memory[name] / 2**20
