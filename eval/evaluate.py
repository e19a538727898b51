"""Evaluates strategies on a corpus: predictions, costs and times of all of them in one run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from engine.controllers import RandomController
from engine.corpora import Corpus
from engine.documents import Entity
from engine.strategies import Strategy
from engine.tagger import Engine, Result
from engine.trace import Latency
from eval import environment
from eval.latency import PASSES, Times, measure, speedup
from eval.metrics import Scores, score

logger = logging.getLogger(__name__)

RANDOM_SEEDS = 5


@dataclass(frozen=True)
class Spent:
    """Sums over documents: rows of the first and the last layer, token-layers, multiply-adds; dense ones beside."""

    first: int = 0
    last: int = 0
    token_layers: int = 0
    dense_token_layers: int = 0
    multiply_adds: int = 0
    dense_multiply_adds: int = 0

    def plus(self, result: Result) -> Spent:
        """The sums with one more result."""
        cost = result.cost
        return Spent(
            self.first + cost.rows[0],
            self.last + cost.rows[-1],
            self.token_layers + cost.token_layers,
            self.dense_token_layers + cost.dense_token_layers,
            self.multiply_adds + cost.multiply_adds,
            self.dense_multiply_adds + cost.dense_multiply_adds,
        )


@dataclass(frozen=True)
class Measured:
    """One strategy at one batch size. ``runs``: scores for each seed of the choice (one, but for ``random``)."""

    strategy: Strategy
    batch_size: int
    runs: tuple[Scores, ...]
    spent: Spent
    times: Times


def number_of_calls(corpus: Corpus, strategies: Sequence[Strategy], batch_sizes: Sequence[int]) -> int:
    """How often `evaluate` calls its ``progress``."""
    return sum(-(-len(corpus.documents) // size) * len(strategies) * (PASSES + 1) for size in batch_sizes)


def evaluate(
    engine: Engine,
    corpus: Corpus,
    strategies: Sequence[Strategy],
    batch_sizes: Sequence[int],
    progress: Callable[[], object] = lambda: None,
) -> Iterator[list[Measured]]:
    """Measures all strategies at one batch size after the other.

    Predictions and costs are those of the discarded first pass. Batches are the corpus' documents in order, the same
    for all strategies.
    """
    texts = [document.text for document in corpus.documents]
    by_name = {strategy.name: strategy for strategy in strategies}
    for size in batch_sizes:
        batches = [texts[start : start + size] for start in range(0, len(texts), size)]
        found: dict[str, list[Sequence[Entity]]] = {name: [] for name in by_name}
        spent = dict.fromkeys(by_name, Spent())

        def call(
            name: str,
            batch: int,
            batches: list[list[str]] = batches,
            found: dict[str, list[Sequence[Entity]]] = found,
            spent: dict[str, Spent] = spent,
        ) -> Latency:
            results = engine.tag_batch(batches[batch], by_name[name], batch_size=len(batches[batch]))
            if len(found[name]) < len(texts):
                found[name] += [result.entities for result in results]
                for result in results:
                    spent[name] = spent[name].plus(result)
            return results[0].latency

        times = measure(list(by_name), len(batches), call, progress)
        measured = []
        for name, strategy in by_name.items():
            runs = [score(corpus.documents, found[name], corpus.types)]
            runs += [
                score(corpus.documents, [r.entities for r in engine.tag_batch(texts, reseeded)], corpus.types)
                for reseeded in _other_seeds(strategy)
            ]
            measured.append(Measured(strategy, size, tuple(runs), spent[name], times[name]))
        yield measured


def _other_seeds(strategy: Strategy) -> list[Strategy]:
    controller = strategy.controller
    if not isinstance(controller, RandomController):
        return []
    return [replace(strategy, controller=replace(controller, seed=seed)) for seed in range(1, RANDOM_SEEDS)]


def row(measured: Measured, dense: Measured, engine: Engine, corpus: Corpus, seed: int) -> dict[str, Any]:
    """The row of ``results.csv``; shares and F1 are 0–1, ``seed`` is the bootstrap's."""
    runs, spent, times = measured.runs, measured.spent, measured.times

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
        "f1": mean(lambda run: run.total.f1),
        "precision": mean(lambda run: run.total.precision),
        "recall": mean(lambda run: run.total.recall),
        "f1_chemical": by_type("Chemical"),
        "f1_disease": by_type("Disease"),
        "f1_seqeval": mean(lambda run: run.seqeval),
        "unscored_predictions": round(mean(lambda run: run.unscored)),
        "latency_ms_median": float(np.median(times.batches)),
        "latency_ms_p95": float(np.quantile(times.batches, 0.95)),
        "encoder_ms_median": float(np.median(times.encoder_batches)),
        "tokens_per_s": spent.first / times.batches.sum() * 1e3,
        "speedup_vs_dense": speedup(dense.times, times),
        "promised_speedup": spent.dense_multiply_adds / spent.multiply_adds if spent.multiply_adds else 1.0,
        "token_layers_kept": spent.token_layers / spent.dense_token_layers if spent.dense_token_layers else 1.0,
        "token_reduction": 1 - spent.last / spent.first if spent.first else 0.0,
        "gmacs_per_document": spent.multiply_adds / 1e9 / len(corpus.documents),
        "device": str(engine.device),
        "dtype": engine.dtype,
        "threads": torch.get_num_threads(),
        "seed": seed,
        **environment.versions(),
        "commit": environment.commit(),
    }
