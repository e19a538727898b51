"""Writes all tables of a report, from the record of what was measured alone.

F1, times and costs of every variant are computed here; `eval.analysis.errors` and `eval.analysis.groups` make the rows
of the others. `eval.schema` says what values mean.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from engine.corpora import Corpus
from engine.text.documents import Document
from engine.text.labels import LabelSet
from engine.text.scoring import Counts
from engine.text.words import split_words
from eval.analysis import compare
from eval.analysis.errors import confusion_rows, error_rows, exit_rows
from eval.analysis.groups import group_rows
from eval.record import Measured, Prediction, dense_of
from eval.schema import HELD_MEMORY, PIPELINE, RESIDENT, TOKEN_LAYERS
from eval.statistics import SEED, compare_f1, compare_speed

DIGITS = "%.7g"  # of measurements; shares and counts have more


def write_tables(
    folder: Path,
    measured: Mapping[str, Measured],
    timed: Mapping[int, Sequence[int]],
    memory: Mapping[str, int],
    facts: Mapping[str, Any],
    training: Sequence[Document] = (),
) -> None:
    """Writes the CSV files to an existing folder.

    ``measured``: by the variant's name; the first is the reference.
    ``timed``: indices of the timed documents, by batch size.
    ``memory``: bytes that a process with one variant alone occupies, by the variant's name.
    ``facts``: further cells of all rows of ``results.csv``.
    ``training``: documents whose mentions count as seen; without them, groups by them are left out.
    """

    def write(name: str, rows: Iterable[Mapping[str, Any]], digits: str = "%.10g") -> None:
        cells = list(rows)
        frame = pd.DataFrame(cells) if cells else pd.DataFrame(columns=["variant"])
        frame.to_csv(folder / f"{name}.csv", index=False, float_format=digits)

    dense = next(iter(measured.values()))
    sizes = list(dense.times)
    pairs = [(each, size) for size in sizes for each in measured.values()]
    more = {"seed": SEED, **facts}
    write("results", (result_row(*pair, dense, len(set(timed[pair[1]]))) | more for pair in pairs), DIGITS)
    intervals = (row for each in measured.values() for row in interval_rows(each, measured))
    write("intervals", sorted(intervals, key=lambda row: sizes.index(row["batch_size"])), DIGITS)
    batches = (
        {"variant": each.variant.name, "batch_size": size, "batch": batch, "latency_ms": ms}
        for each, size in pairs
        for batch, ms in enumerate(each.times[size].tolist())
    )
    write("times", batches, DIGITS)
    write("cost", cost_rows(measured, sizes[0], memory), DIGITS)
    write("documents", document_rows(measured, timed[sizes[0]]))
    if dense.elsewhere:
        further = ({name: each.elsewhere[n] for name, each in measured.items()} for n in range(len(dense.elsewhere)))
        write("elsewhere", (row for each in further for row in document_rows(each, ())))

    comparisons = compare(measured)
    for name, rows_of in (("errors", error_rows), ("confusion", confusion_rows), ("exits", exit_rows)):
        write(name, (row for comparison in comparisons for row in rows_of(comparison)))
    write("subgroups", group_rows(comparisons, training))


def document_rows(measured: Mapping[str, Measured], timed: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yields the rows of ``documents.csv``: numbers of gold mentions, words and words in gold mentions of a document.

    ``elsewhere.csv`` has the same of the further corpora, in their order.

    A column for each run has its matches and predictions, as ``10/12``.
    """
    corpus = next(iter(measured.values())).corpus
    runs = {f"{name} {seed}": run for name, each in measured.items() for seed, run in enumerate(each.counts)}
    gold, labels = next(iter(runs.values())), LabelSet(corpus.types)
    for number, document in enumerate(corpus.documents):
        words = split_words(document.text)
        yield {
            "document": document.id,
            "gold": gold[number].gold,
            "words": len(words),
            "entity_words": np.count_nonzero(labels.encode(words, document.entities)),
            "timed": number in timed,
            **{name: f"{run[number].correct}/{run[number].predicted}" for name, run in runs.items()},
        }


def seqeval_f1(corpus: Corpus, run: Sequence[Prediction]) -> float:
    """Strict IOB2 F1 on words, 0–1, as papers report it."""
    labels = LabelSet(corpus.types)

    def names(marked: Sequence[Document | Prediction]) -> list[list[str]]:
        pairs = zip(corpus.documents, marked, strict=True)
        encoded = (labels.encode(split_words(document.text), side.entities) for document, side in pairs)
        return [[labels.names[label] for label in words] for words in encoded]

    return float(f1_score(names(corpus.documents), names(run), mode="strict", scheme=IOB2, zero_division=0))


def result_row(measured: Measured, size: int, dense: Measured, timed: int) -> dict[str, object]:
    """The row of a variant at a batch size in ``results.csv``; costs of baselines and other models are unknown.

    ``dense``: the reference. ``timed``: number of timed documents.
    """
    variant, cost, times, corpus = measured.variant, measured.cost, measured.times[size], measured.corpus
    totals = [Counts.total(run) for run in measured.counts]
    elsewhere = [Counts.total(run).f1 for run in measured.counts_elsewhere]
    return {
        "corpus": corpus.name,
        "split": corpus.split,
        "documents": len(corpus.documents),
        "timed_documents": timed,
        "variant": variant.name,
        "kind": variant.kind,  # dense, truncate, random, cascade, a controller's kind, baseline or model
        "prunes": variant.prunes,  # whether it chooses words, or windows
        "point": variant.point,
        "recovers": variant.recovers,  # whether words may come back
        "layer": variant.layer,  # after which the network is cut; 0 if it is whole
        "control": variant.control,  # random, sentence or argmax
        "runtime": variant.runtime,  # of a baseline
        "default": variant.is_default,  # whether its model runs it if nothing is named
        "batch_size": size,  # texts per call
        "f1": np.mean([total.f1 for total in totals]),  # for random, the mean over seeds
        "precision": np.mean([total.precision for total in totals]),
        "recall": np.mean([total.recall for total in totals]),
        "f1_seqeval": np.mean([seqeval_f1(corpus, run) for run in measured.runs]),
        "elsewhere_documents": sum(len(other.corpus.documents) for other in measured.elsewhere),
        "elsewhere_f1": np.mean(elsewhere) if elsewhere else None,
        "latency_ms_median": np.median(times),  # of a call, end to end
        "latency_ms_p95": np.quantile(times, 0.95),
        "speedup_vs_dense": dense.times[size].sum() / times.sum(),  # against dense in float32
        "theoretical_speedup": cost.theoretical_speedup if cost else None,  # dense ÷ own MACs
        # Unknown for cascades, whose stages have layers of different sizes.
        "token_layers_kept": cost.token_layers_kept if cost and len(variant.layers) == 1 else None,
        "read_by_large": measured.read_by_large,  # share of the words that the large model of a cascade read
        "gmacs_per_document": cost.macs / 1e9 / len(corpus.documents) if cost else None,  # 10⁹ MACs
        "device": variant.device,
        "dtype": variant.dtype,
    }


def interval_rows(measured: Measured, every: Mapping[str, Measured]) -> Iterator[dict[str, Any]]:
    """Yields the rows of a variant in ``intervals.csv``, size by size.

    It is compared with dense in float32 and in its own dtype, with the Hugging Face pipeline and, if it is a strategy
    that prunes, with all other variants.
    """
    variant = measured.variant
    names = [dense_of(every, dtype).variant.name for dtype in ("", variant.dtype)]
    names += [PIPELINE] * (PIPELINE in every)
    names += [name for name in every if variant.prunes and name != variant.name]
    for name in dict.fromkeys(names):
        f1 = compare_f1(measured.counts, every[name].counts)
        if measured.elsewhere:
            there = compare_f1(measured.counts_elsewhere, every[name].counts_elsewhere)
            f1 |= {f"elsewhere_{column}": value for column, value in there.items()}
        for size, times in measured.times.items():
            cells = {"variant": variant.name, "batch_size": size, "against": name}
            yield cells | f1 | compare_speed(times, every[name].times[size])


def cost_rows(measured: Mapping[str, Measured], size: int, memory: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Yields the rows of ``cost.csv``, of strategies and controls at the first batch size.

    They are the share of the dense rows that each layer computed, recovered ones included (in a cascade, the small
    model's layers come first), and the memory in MiB that a process with the variant alone occupies after a call.
    """
    for name, each in measured.items():
        cells = {"variant": name, "batch_size": size}
        dense = dense_of(measured, each.variant.dtype).cost
        if each.cost is not None and dense is not None:
            for layer, rows in enumerate(each.cost.rows, 1):
                yield {**cells, "measure": TOKEN_LAYERS, "group": f"layer {layer}", "value": rows / dense.rows[0]}
        if name in memory:
            yield {**cells, "measure": HELD_MEMORY, "group": RESIDENT, "value": memory[name] / 2**20}
