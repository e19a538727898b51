"""Writes all tables of a report, from the record of its run and the corpus alone.

F1, times and costs of every variant are computed here; `eval.analysis.errors` and `eval.analysis.groups` make the rows
of the others. `eval.schema` says what values mean.
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
from eval.analysis import compare
from eval.analysis.errors import confusion_rows, error_rows, exit_rows
from eval.analysis.groups import group_rows
from eval.record import Measured, Record, Row, dense_of
from eval.schema import HELD_MEMORY, PIPELINE, RESIDENT, TOKEN_LAYERS
from eval.statistics import SEED, compare_f1, compare_speed

DIGITS = "%.7g"  # of measurements; shares and counts have more

Key = tuple[str, int]  # name of a variant, batch size


def write_tables(
    folder: Path,
    record: Record,
    memory: Mapping[str, int],
    facts: Mapping[str, Any],
    training: Sequence[Document] | None = None,
) -> None:
    """Writes the CSV files to an existing folder.

    ``memory``: bytes that a process with one variant alone occupies, by the variant's name.
    ``facts``: further cells of all rows of ``results.csv``.
    ``training``: documents whose mentions count as seen; without them, groups by them are left out.
    """
    corpus, measured = record.plan.corpus, record.measured

    def write(name: str, rows: Iterable[object], digits: str = "%.10g") -> None:
        cells: list[Any] = list(rows)
        table = pd.DataFrame(cells) if cells else pd.DataFrame(columns=["variant"])
        table.to_csv(folder / f"{name}.csv", index=False, float_format=digits)

    runs = {name: count(one, corpus) for name, one in measured.items()}
    sizes = record.plan.batch_sizes
    counted = [Counted((name, size), runs[name], one.times(size)) for size in sizes for name, one in measured.items()]
    rows = (result_row(one, record) | {"seed": SEED, **facts} for one in counted)
    write("results", rows, DIGITS)
    write("intervals", interval_rows(measured, counted), DIGITS)
    write("times", (row for one in counted for row in time_rows(one)), DIGITS)
    write("cost", cost_rows(record, memory), DIGITS)
    _document_table(corpus.documents, counted).to_csv(folder / "documents.csv", index=False)

    comparisons = compare(measured, corpus)
    for name, rows_of in (("errors", error_rows), ("confusion", confusion_rows), ("exits", exit_rows)):
        write(name, (row for comparison in comparisons for row in rows_of(comparison)))
    write("subgroups", group_rows(comparisons, training))


@dataclass(frozen=True, eq=False)
class Counted:
    """What intervals are computed from: a variant's counts of each document and times of each batch."""

    key: Key
    runs: Sequence[Sequence[Counts]]  # of each document; several runs for controls
    times: np.ndarray  # milliseconds of each batch, ``(batches,)``, medians over passes


def count(measured: Measured, corpus: Corpus) -> list[list[Counts]]:
    """Counts the matches, predictions and gold mentions of the scored types in each document, for each run."""
    return [
        [
            count_matches(document.entities, row.entities, corpus.types)
            for document, row in zip(corpus.documents, run, strict=True)
        ]
        for run in measured.runs
    ]


def _document_table(documents: Sequence[Document], counted: Iterable[Counted]) -> pd.DataFrame:
    """Of each document its number of gold mentions and, as ``10/12``, the matches and predictions of each run."""
    table: dict[str, Sequence[object]] = {"document": [document.id for document in documents]}
    for one in counted:
        for number, run in enumerate(one.runs):
            table.setdefault("gold", [counts.gold for counts in run])
            table[" ".join(map(str, (*one.key, number)))] = [f"{c.correct}/{c.predicted}" for c in run]
    return pd.DataFrame(table)


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


def result_row(counted: Counted, record: Record) -> dict[str, object]:
    """The row of a variant at a batch size in ``results.csv``; costs of baselines and other models are unknown."""
    (name, size), times, corpus = counted.key, counted.times, record.plan.corpus
    measured = record.measured[name]
    variant, cost = measured.variant, measured.cost
    totals = [Counts.total(run) for run in counted.runs]
    return {
        "corpus": corpus.name,
        "split": corpus.split,
        "documents": len(corpus.documents),
        "timed_documents": len(record.plan.timed),
        "variant": variant.name,
        "kind": variant.kind,  # dense, truncate, random, cascade, a controller's kind, baseline or model
        "replays": variant.replays,  # for random, the strategy whose numbers of words it replays
        "prunes": variant.prunes,  # whether it chooses words, or windows
        "point": variant.strategy.point if variant.strategy and not variant.replays else "",
        "batch_size": size,  # texts per call
        "f1": np.mean([total.f1 for total in totals]),  # for random, the mean over seeds
        "precision": np.mean([total.precision for total in totals]),
        "recall": np.mean([total.recall for total in totals]),
        "f1_seqeval": np.mean([seqeval_f1(corpus, run) for run in measured.runs]),
        "latency_ms_median": np.median(times),  # of a call, end to end
        "latency_ms_p95": np.quantile(times, 0.95),
        "speedup_vs_dense": dense_of(record.measured).times(size).sum() / times.sum(),  # against dense in float32
        "theoretical_speedup": cost.theoretical_speedup if cost else None,  # dense ÷ own MACs
        # Unknown for cascades, whose models have layers of different sizes.
        "token_layers_kept": cost.token_layers_kept if cost and not variant.small_layers else None,
        "read_by_large": measured.read_by_large,  # share of the words that the large model of a cascade read
        "gmacs_per_document": cost.macs / 1e9 / len(corpus.documents) if cost else None,  # 10⁹ MACs
        "device": variant.device,
        "dtype": variant.dtype,
    }


def interval_rows(measured: Mapping[str, Measured], counted: Sequence[Counted]) -> Iterator[dict[str, Any]]:
    """Compares the variants at each batch size.

    Each is compared with dense in float32 and in its own dtype and with the Hugging Face pipeline, and each strategy
    with all that it must beat.
    """
    by_key = {one.key: one for one in counted}
    for (name, size), own in by_key.items():
        variant = measured[name].variant
        pipeline = [PIPELINE] if PIPELINE in measured else []
        beaten = [other for other, one in measured.items() if variant.must_beat(one.variant)]
        dense = (dense_of(measured, dtype).variant.name for dtype in ("", variant.dtype))
        for other in dict.fromkeys((*dense, *pipeline, *beaten)):
            yield interval_row(own, by_key[other, size])


def interval_row(own: Counted, other: Counted) -> dict[str, Any]:
    """Compares a variant with another: a row of ``intervals.csv``."""
    (variant, size), (against, _) = own.key, other.key
    names = {"variant": variant, "batch_size": size, "against": against}
    return names | compare_f1(own.runs, other.runs) | compare_speed(own.times, other.times)


def time_rows(counted: Counted) -> Iterator[dict[str, Any]]:
    """Yields the rows of a variant at a batch size in ``times.csv``, one for each batch of timed documents."""
    (variant, size), times = counted.key, counted.times.tolist()
    for batch, milliseconds in enumerate(times):
        yield {"variant": variant, "batch_size": size, "batch": batch, "latency_ms": milliseconds}


def cost_rows(record: Record, memory: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Yields the rows of ``cost.csv``, of strategies and controls at the first batch size.

    They are the share of the dense rows that each layer computed, recovered ones included (in a cascade, the small
    model's layers come first), and the memory in MiB that a process with the variant alone occupies after a call.
    """
    for name, one in record.measured.items():
        cells = {"variant": name, "batch_size": record.plan.batch_sizes[0]}
        dense = dense_of(record.measured, one.variant.dtype).cost
        if one.cost is not None and dense is not None:
            for layer, rows in enumerate(one.cost.rows, 1):
                share = rows / dense.rows[0]
                yield {**cells, "measure": TOKEN_LAYERS, "group": f"layer {layer}", "value": share}
        if name in memory:
            yield {**cells, "measure": HELD_MEMORY, "group": RESIDENT, "value": memory[name] / 2**20}
