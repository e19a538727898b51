"""Builds the rows of ``results.csv``, ``intervals.csv`` and ``times.csv`` from a complete run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from engine.data.corpora import Corpus
from engine.latency import speedup
from eval import schema
from eval.measure import environment
from eval.measure.metrics import Scores
from eval.measure.runner import Measured, dense_of
from eval.records import interval_row


def result_columns(corpus: Corpus) -> list[str]:
    """The columns of ``results.csv``: the common ones and, after recall, one per scored type."""
    names = list(schema.columns(schema.Result))
    types = [schema.type_column(type_) for type_ in corpus.types]
    after = names.index("recall") + 1
    return [*names[:after], *types, *names[after:]]


def result_row(measured: Measured, others: Mapping[str, Measured], corpus: Corpus, seed: int) -> dict[str, Any]:
    """The row of ``results.csv``, with F1 per scored type; ``others`` includes dense, ``seed`` is the bootstrap's."""
    runs, times, variant, cost = measured.runs, measured.times, measured.variant, measured.cost
    dense, own_dense = dense_of(others), dense_of(others, measured.dtype)
    dense_rows = float(dense.rows.sum())

    def mean(of: Callable[[Scores], float]) -> float:
        return float(np.mean([of(run) for run in runs]))

    def of_type(type_: str) -> float:
        return mean(lambda run: run.by_type[type_].f1)

    row: schema.Result = {
        "corpus": corpus.name,
        "split": corpus.split,
        "documents": len(corpus.documents),
        "timed_documents": len(measured.timed),
        "strategy": variant.name,
        "kind": variant.kind,
        "family": variant.family,
        "replays": variant.replays,
        "prunes": variant.prunes,
        "point": variant.strategy.point if variant.strategy else "",
        "batch_size": measured.batch_size,
        "f1": mean(lambda run: run.total.f1),
        "precision": mean(lambda run: run.total.precision),
        "recall": mean(lambda run: run.total.recall),
        "f1_seqeval": mean(lambda run: run.seqeval),
        "unscored_predictions": round(mean(lambda run: run.unscored)),
        "latency_ms_median": float(np.median(times.batches)),
        "latency_ms_p95": float(np.quantile(times.batches, 0.95)),
        "encoder_ms_median": float(np.median(times.encoder_batches)),
        "tokens_per_s": float(dense.rows[dense.timed].sum()) / times.batches.sum() * 1e3,
        "speedup_vs_dense": speedup(dense.times, times),
        "speedup_vs_dense_same_dtype": speedup(own_dense.times, times) if own_dense.dtype == measured.dtype else None,
        "theoretical_speedup": cost.theoretical_speedup if cost else None,
        "token_layers_kept": cost.token_layers_kept if cost else None,
        "token_reduction": (1 - cost.rows[-1] / dense_rows if dense_rows else 0.0) if cost else None,
        "gmacs_per_document": cost.macs / 1e9 / len(corpus.documents) if cost else None,
        "device": variant.device,
        "dtype": measured.dtype,
        "threads": torch.get_num_threads(),
        "seed": seed,
        "torch": environment.versions()["torch"],
        "transformers": environment.versions()["transformers"],
        "commit": environment.commit(),
    }
    return {**row, **{schema.type_column(type_): of_type(type_) for type_ in corpus.types}}


def interval_rows(measured: Mapping[str, Measured], seed: int) -> Iterator[schema.Interval]:
    """Every variant against dense in the first dtype and in its own, then each pruning one against all it must beat."""
    dense = dense_of(measured)
    for one in measured.values():
        yield interval_row([one.record], [dense.record], seed)
    for one in measured.values():
        own = dense_of(measured, one.dtype)
        if own not in (one, dense):
            yield interval_row([one.record], [own.record], seed)
    for one in measured.values():
        for other in measured.values():
            if one.variant.prunes and one.variant.is_compared_with(other.variant):
                yield interval_row([one.record], [other.record], seed)


def time_rows(measured: Measured) -> Iterator[schema.BatchTime]:
    """The rows of ``times.csv``: milliseconds of each batch, medians over passes."""
    pairs = zip(measured.times.batches.tolist(), measured.times.encoder_batches.tolist(), strict=True)
    for batch, (total, encoder) in enumerate(pairs):
        yield {
            "strategy": measured.name,
            "dtype": measured.dtype,
            "batch_size": measured.batch_size,
            "batch": batch,
            "latency_ms": total,
            "encoder_ms": encoder,
        }
