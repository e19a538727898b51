"""Evaluates strategies on a corpus: predictions, costs and times of all of them in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from engine.controllers import RandomController
from engine.corpora import Corpus
from engine.documents import Entity
from engine.flops import Cost, add
from engine.scoring import Counts
from engine.strategies import Strategy
from engine.tagger import Engine
from engine.trace import Latency
from eval import environment
from eval.latency import PASSES, Times, measure, speedup
from eval.metrics import Scores, score

RANDOM_SEEDS = 5


@dataclass(frozen=True)
class Measured:
    """One strategy at one batch size. ``runs``: scores for each seed of the choice (one, but for ``random``).

    Cost and times of ``random`` are those of its first seed.
    """

    strategy: Strategy
    batch_size: int
    runs: tuple[Scores, ...]
    cost: Cost
    times: Times

    @property
    def counts(self) -> list[tuple[Counts, ...]]:
        """Counts of each document, for each run."""
        return [run.by_document for run in self.runs]

    @property
    def f1(self) -> float:
        """Exact-span micro F1, 0–1, mean of the runs."""
        return float(np.mean([run.total.f1 for run in self.runs]))


def number_of_calls(corpus: Corpus, strategies: Sequence[Strategy], batch_sizes: Sequence[int]) -> int:
    """How often `evaluate` calls its ``progress`` over all batch sizes."""
    return sum(-(-len(corpus.documents) // size) * len(strategies) * (PASSES + 1) for size in batch_sizes)


def evaluate(
    engine: Engine,
    corpus: Corpus,
    strategies: Sequence[Strategy],
    batch_size: int,
    progress: Callable[[], object] = lambda: None,
) -> list[Measured]:
    """Measures all strategies at one batch size.

    Predictions and costs are those of the discarded first pass. Batches are the corpus' documents in order, the same
    for all strategies.
    """
    texts = [document.text for document in corpus.documents]
    batches = [texts[start : start + batch_size] for start in range(0, len(texts), batch_size)]
    by_name = {strategy.name: strategy for strategy in strategies}
    found: dict[str, list[Sequence[Entity]]] = {name: [] for name in by_name}
    costs: dict[str, list[Cost]] = {name: [] for name in by_name}

    def call(name: str, batch: int) -> Latency:
        results = engine.tag_batch(batches[batch], by_name[name], batch_size=batch_size)
        if len(found[name]) < len(texts):
            found[name] += [result.entities for result in results]
            costs[name] += [result.cost for result in results]
        return results[0].latency

    times = measure(list(by_name), len(batches), call, progress)
    measured = []
    for name, strategy in by_name.items():
        predictions = [found[name]]
        for reseeded in _other_seeds(strategy):
            predictions.append([result.entities for result in engine.tag_batch(texts, reseeded)])
        runs = tuple(score(corpus.documents, one, corpus.types) for one in predictions)
        cost = add(costs[name], engine.encoder.num_layers)
        measured.append(Measured(strategy, batch_size, runs, cost, times[name]))
    return measured


def _other_seeds(strategy: Strategy) -> list[Strategy]:
    controller = strategy.controller
    if not isinstance(controller, RandomController):
        return []
    return [replace(strategy, controller=replace(controller, seed=seed)) for seed in range(1, RANDOM_SEEDS)]


def row(measured: Measured, dense: Measured, engine: Engine, corpus: Corpus, seed: int) -> dict[str, Any]:
    """The row of ``results.csv``; shares and F1 are 0–1, ``seed`` is the bootstrap's."""
    runs, cost, times = measured.runs, measured.cost, measured.times
    dense_rows = cost.dense_token_layers / engine.encoder.num_layers

    def mean(of: Callable[[Scores], float]) -> float:
        return float(np.mean([of(run) for run in runs]))

    def by_type(type_: str) -> float | None:
        return mean(lambda run: run.by_type[type_].f1) if type_ in corpus.types else None

    return {
        "corpus": corpus.name,
        "split": corpus.split,
        "documents": len(corpus.documents),
        "strategy": measured.strategy.name,
        "point": measured.strategy.point,
        "batch_size": measured.batch_size,
        "f1": measured.f1,
        "precision": mean(lambda run: run.total.precision),
        "recall": mean(lambda run: run.total.recall),
        "f1_chemical": by_type("Chemical"),
        "f1_disease": by_type("Disease"),
        "f1_seqeval": mean(lambda run: run.seqeval),
        "unscored_predictions": round(mean(lambda run: run.unscored)),
        "latency_ms_median": float(np.median(times.batches)),
        "latency_ms_p95": float(np.quantile(times.batches, 0.95)),
        "encoder_ms_median": float(np.median(times.encoder_batches)),
        "tokens_per_s": dense_rows / times.batches.sum() * 1e3,
        "speedup_vs_dense": speedup(dense.times, times),
        "promised_speedup": cost.promised_speedup,
        "token_layers_kept": cost.token_layers_kept,
        "token_reduction": 1 - cost.rows[-1] / dense_rows if dense_rows else 0.0,
        "gmacs_per_document": cost.multiply_adds / 1e9 / len(corpus.documents),
        "device": str(engine.device),
        "dtype": engine.dtype,
        "threads": torch.get_num_threads(),
        "seed": seed,
        **environment.versions(),
        "commit": environment.commit(),
    }


def document_rows(measured: Measured, corpus: Corpus) -> Iterator[dict[str, Any]]:
    """The rows of ``documents.csv``: counts of each document, for each run."""
    for number, run in enumerate(measured.runs):
        for document, counts in zip(corpus.documents, run.by_document, strict=True):
            named = {"strategy": measured.strategy.name, "batch_size": measured.batch_size, "run": number}
            yield named | {"document": document.id} | asdict(counts)
