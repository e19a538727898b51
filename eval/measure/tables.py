"""The rows of ``results.csv``, ``intervals.csv``, ``documents.csv`` and ``times.csv``, from what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from engine.data.corpora import Corpus
from engine.pruning.strategy import RECOVERY
from engine.tagger import Engine
from eval.analysis.statistics import f1_difference_interval, f1_interval, speedup_interval
from eval.measure import environment
from eval.measure.evaluate import Measured
from eval.measure.latency import speedup
from eval.measure.metrics import Scores

Row = dict[str, Any]


def result_row(measured: Measured, dense: Measured, engine: Engine, corpus: Corpus, seed: int) -> Row:
    """The row of ``results.csv``; shares and F1 are 0–1, ``seed`` is the bootstrap's. Rivals have no costs.

    Each scored type has its F1, that of Chemical in ``f1_chemical``.
    """
    runs, times = measured.runs, measured.times
    strategy = measured.variant.strategy
    cost, dense_rows = measured.cost, float(dense.rows.sum())

    def mean(of: Callable[[Scores], float]) -> float:
        return float(np.mean([of(run) for run in runs]))

    def of_type(type_: str) -> float:
        return mean(lambda run: run.by_type[type_].f1)

    return {
        "corpus": corpus.name,
        "split": corpus.split,
        "documents": len(corpus.documents),
        "strategy": measured.name,
        "point": strategy.point if strategy else "",
        "batch_size": measured.batch_size,
        "f1": mean(lambda run: run.total.f1),
        "precision": mean(lambda run: run.total.precision),
        "recall": mean(lambda run: run.total.recall),
        **{f"f1_{type_.lower()}": of_type(type_) for type_ in corpus.types},
        "f1_seqeval": mean(lambda run: run.seqeval),
        "unscored_predictions": round(mean(lambda run: run.unscored)),
        "latency_ms_median": float(np.median(times.batches)),
        "latency_ms_p95": float(np.quantile(times.batches, 0.95)),
        "encoder_ms_median": float(np.median(times.encoder_batches)),
        "tokens_per_s": dense_rows / times.batches.sum() * 1e3,
        "speedup_vs_dense": speedup(dense.times, times),
        "promised_speedup": cost.promised_speedup if cost else None,
        "token_layers_kept": cost.token_layers_kept if cost else None,
        "token_reduction": (1 - cost.rows[-1] / dense_rows if dense_rows else 0.0) if cost else None,
        "gmacs_per_document": cost.multiply_adds / 1e9 / len(corpus.documents) if cost else None,
        "device": str(engine.device),
        "dtype": engine.dtype,
        "threads": torch.get_num_threads(),
        "seed": seed,
        **environment.versions(),
        "commit": environment.commit(),
    }


def interval_row(measured: Measured, reference: Measured, seed: int) -> Row:
    """The row of ``intervals.csv``: differences of F1 and ratios of times against another, with 95 % intervals."""
    counts, others = ([run.by_document for run in one.runs] for one in (measured, reference))
    f1, other = (float(np.mean([run.total.f1 for run in one.runs])) for one in (measured, reference))
    own = f1_interval(counts, seed)
    difference = f1_difference_interval(counts, others, seed)
    pace = speedup_interval([reference.times.batches], [measured.times.batches], seed)
    return {
        "strategy": measured.name,
        "batch_size": measured.batch_size,
        "f1": f1,
        "f1_low": own.low,
        "f1_high": own.high,
        "against": reference.name,
        "difference": f1 - other,
        "low": difference.low,
        "high": difference.high,
        "beyond_chance": difference.excludes(0),
        "speedup": speedup(reference.times, measured.times),
        "speedup_low": pace.low,
        "speedup_high": pace.high,
        "speed_beyond_chance": pace.excludes(1),
    }


def interval_rows(measured: Mapping[str, Measured], seed: int) -> Iterator[Row]:
    """Everybody against dense; what prunes also against truncate-k, rivals, the chance that replays it, and recovery
    against none.
    """
    for one in measured.values():
        yield interval_row(one, measured["dense"], seed)
    for one in measured.values():
        if not one.variant.prunes:
            continue
        for other in measured.values():
            rival = other.name.startswith("truncate-") or other.variant.strategy is None or other.name == "hf"
            without = RECOVERY in one.name and one.name.replace(RECOVERY, "") == other.name
            if rival or without or other.variant.replays == one.name:
                yield interval_row(one, other, seed)


def document_rows(measured: Measured, corpus: Corpus) -> Iterator[Row]:
    """The rows of ``documents.csv``: counts of each document, for each run."""
    for number, run in enumerate(measured.runs):
        for document, counts in zip(corpus.documents, run.by_document, strict=True):
            named = {"strategy": measured.name, "batch_size": measured.batch_size, "run": number}
            yield named | {"document": document.id} | asdict(counts)


def time_rows(measured: Measured) -> Iterator[Row]:
    """The rows of ``times.csv``: milliseconds of each batch, medians over passes."""
    pairs = zip(measured.times.batches.tolist(), measured.times.encoder_batches.tolist(), strict=True)
    for batch, (total, encoder) in enumerate(pairs):
        named = {"strategy": measured.name, "batch_size": measured.batch_size, "batch": batch}
        yield named | {"latency_ms": total, "encoder_ms": encoder}
