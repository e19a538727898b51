"""Writes all tables of a report, from the record of its run and the corpus alone.

F1, times and costs of every variant are computed here; `eval.analysis.errors` and `eval.analysis.groups` make the rows
of the others. `eval.schema` says what values mean.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from seqeval.scheme import IOB2, Entities

from engine.corpora import Corpus
from engine.text.documents import Document, Entity
from engine.text.labels import LabelSet
from engine.text.scoring import Counts
from engine.text.words import split_words
from eval.analysis import compare
from eval.analysis.errors import confusion_rows, error_rows, exit_rows
from eval.analysis.groups import group_rows
from eval.record import Measured, RunRecord, Tagged, dense_of
from eval.schema import HELD_MEMORY, PIPELINE, RESIDENT, TOKEN_LAYERS
from eval.statistics import SEED, compare_f1, compare_speed

DIGITS = "%.7g"  # of measurements; shares and counts have more


def write_tables(
    folder: Path,
    record: RunRecord,
    memory: Mapping[str, int],
    facts: Mapping[str, Any],
    training: Sequence[Document] | None = None,
) -> None:
    """Writes the CSV files to an existing folder.

    ``memory``: bytes that a process with one variant alone occupies, by the variant's name.
    ``facts``: further cells of all rows of ``results.csv``.
    ``training``: documents whose mentions count as seen; without them, groups by them are left out.
    """
    corpus, measured = record.schedule.corpus, record.measured

    def write(name: str, rows: Iterable[object], digits: str = "%.10g") -> None:
        cells: list[Any] = list(rows)
        frame = pd.DataFrame(cells) if cells else pd.DataFrame(columns=["variant"])
        frame.to_csv(folder / f"{name}.csv", index=False, float_format=digits)

    pairs = [(one, size) for size in record.schedule.batch_sizes for one in measured.values()]
    write("results", (result_row(*pair, record) | {"seed": SEED, **facts} for pair in pairs), DIGITS)
    write("intervals", (row for pair in pairs for row in interval_rows(*pair, measured)), DIGITS)
    write("times", (row for pair in pairs for row in time_rows(*pair)), DIGITS)
    write("cost", cost_rows(record, memory), DIGITS)
    write("documents", document_rows(record))

    comparisons = compare(measured, corpus)
    for name, rows_of in (("errors", error_rows), ("confusion", confusion_rows), ("exits", exit_rows)):
        write(name, (row for comparison in comparisons for row in rows_of(comparison)))
    write("subgroups", group_rows(comparisons, training))


def document_rows(record: RunRecord) -> Iterator[dict[str, Any]]:
    """Yields the rows of ``documents.csv``: numbers of gold mentions, words and words in gold mentions of a document.

    A column for each run has its matches and predictions, as ``10/12``.
    """
    schedule, labels = record.schedule, LabelSet(record.schedule.corpus.types)
    runs = {f"{name} {seed}": run for name, one in record.measured.items() for seed, run in enumerate(one.counts)}
    first = next(iter(runs.values()))
    for number, document in enumerate(schedule.corpus.documents):
        words = split_words(document.text)
        yield {
            "document": document.id,
            "gold": first[number].gold,
            "words": len(words),
            "entity_words": np.count_nonzero(labels.encode(words, document.entities)),
            "timed": number in schedule.timed,
            **{name: f"{run[number].correct}/{run[number].predicted}" for name, run in runs.items()},
        }


def seqeval_f1(corpus: Corpus, run: Sequence[Tagged]) -> float:
    """Strict IOB2 F1 on words, 0–1, as papers report it."""
    labels, counts = LabelSet(corpus.types), Counts()

    def spans(document: Document, entities: Sequence[Entity]) -> set[tuple[int, int, str]]:
        names = [labels.names[label] for label in labels.encode(split_words(document.text), entities)]
        return {(entity.start, entity.end, entity.tag) for entity in Entities([names], scheme=IOB2).entities[0]}

    for document, row in zip(corpus.documents, run, strict=True):
        gold, predicted = spans(document, document.entities), spans(document, row.entities)
        counts += Counts(len(gold & predicted), len(predicted), len(gold))
    return counts.f1


def result_row(measured: Measured, size: int, record: RunRecord) -> dict[str, object]:
    """The row of a variant at a batch size in ``results.csv``; costs of baselines and other models are unknown."""
    variant, cost, times, corpus = measured.variant, measured.cost, measured.times(size), record.schedule.corpus
    totals = [Counts.total(run) for run in measured.counts]
    return {
        "corpus": corpus.name,
        "split": corpus.split,
        "documents": len(corpus.documents),
        "timed_documents": len(record.schedule.timed),
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
        # Unknown for cascades, whose stages have layers of different sizes.
        "token_layers_kept": cost.token_layers_kept if cost and len(variant.layers) == 1 else None,
        "read_by_large": measured.read_by_large,  # share of the words that the large model of a cascade read
        "gmacs_per_document": cost.macs / 1e9 / len(corpus.documents) if cost else None,  # 10⁹ MACs
        "device": variant.device,
        "dtype": variant.dtype,
    }


def interval_rows(own: Measured, size: int, measured: Mapping[str, Measured]) -> Iterator[dict[str, Any]]:
    """Yields the rows of a variant at a batch size in ``intervals.csv``.

    It is compared with dense in float32 and in its own dtype, with the Hugging Face pipeline and, if it is a strategy,
    with all that it must beat.
    """
    dense = (dense_of(measured, dtype).variant.name for dtype in ("", own.variant.dtype))
    pipeline = [PIPELINE] if PIPELINE in measured else []
    beaten = (name for name, one in measured.items() if own.variant.must_beat(one.variant))
    for name in dict.fromkeys((*dense, *pipeline, *beaten)):
        other, cells = measured[name], {"variant": own.variant.name, "batch_size": size, "against": name}
        yield cells | compare_f1(own.counts, other.counts) | compare_speed(own.times(size), other.times(size))


def time_rows(measured: Measured, size: int) -> Iterator[dict[str, Any]]:
    """Yields the rows of a variant at a batch size in ``times.csv``, one for each batch of timed documents."""
    for batch, milliseconds in enumerate(measured.times(size).tolist()):
        yield {"variant": measured.variant.name, "batch_size": size, "batch": batch, "latency_ms": milliseconds}


def cost_rows(record: RunRecord, memory: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Yields the rows of ``cost.csv``, of strategies and controls at the first batch size.

    They are the share of the dense rows that each layer computed, recovered ones included (in a cascade, the small
    model's layers come first), and the memory in MiB that a process with the variant alone occupies after a call.
    """
    for name, one in record.measured.items():
        cells = {"variant": name, "batch_size": record.schedule.batch_sizes[0]}
        dense = dense_of(record.measured, one.variant.dtype).cost
        if one.cost is not None and dense is not None:
            for layer, rows in enumerate(one.cost.rows, 1):
                share = rows / dense.rows[0]
                yield {**cells, "measure": TOKEN_LAYERS, "group": f"layer {layer}", "value": share}
        if name in memory:
            yield {**cells, "measure": HELD_MEMORY, "group": RESIDENT, "value": memory[name] / 2**20}
