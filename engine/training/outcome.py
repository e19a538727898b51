"""What a search came to: agreement, theoretical and measured speed-up, and F1, point by point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

from engine.data.corpora import Corpus
from engine.latency import PASSES, Latency, speedup, time_variants
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from engine.training.points import POINT_NAMES, Reference, Tried, measure
from engine.training.search import Search

LARGEST_BATCH = 32  # texts


@dataclass(frozen=True)
class Row:
    """A setting as it was measured.

    ``name``: ``dense``, or of the operating point.
    ``limit``: the agreement that the point asks for, %.
    ``agreement``, ``error``: with the checkpoint's dense output, and its standard error, %.
    ``token_layers_kept``: share of the dense ones.
    ``theoretical_speedup``: dense ÷ own multiply-adds.
    ``speedups``: batch size, one or as many texts as there are to time up to `LARGEST_BATCH` → dense ÷ own time on this
    machine; empty where no setting reaches the limit: then this is the one that comes closest, and it is not stored.
    ``f1``: exact-span micro F1 on a corpus, 0–1, where one was given.
    """

    name: str
    strategy: Strategy
    limit: float
    agreement: float
    error: float
    token_layers_kept: float
    theoretical_speedup: float
    speedups: dict[int, float]
    f1: float | None = None

    @property
    def reached(self) -> bool:
        """Whether there is a setting for the point."""
        return bool(self.speedups)


def measured(
    engine: Engine, search: Search, limits: Sequence[float], texts: Sequence[str], corpus: Corpus | None
) -> list[Row]:
    """Dense, and each operating point that was found; for the others, the setting that comes closest.

    Args:
        engine: what was searched with.
        search: against the dense output.
        limits: agreement, in %, that each point asks for.
        texts: to take times on.
        corpus: with gold, for F1.
    """
    dense, chosen = Strategy("dense"), search.chosen()
    closest = min(search.measured(), key=lambda one: one.loss_bound(search.reference))
    strategies = [one.strategy for one in chosen.values()]
    sizes = dict.fromkeys((1, min(LARGEST_BATCH, len(texts))))
    times = {size: speedups(engine, strategies, texts, size) for size in sizes}

    def row(name: str, one: Tried, limit: float, speeds: dict[int, float]) -> Row:
        score = f1(engine, corpus, one.strategy) if corpus and (speeds or name == "dense") else None
        agreement, error = 100 - one.loss(search.reference), one.loss_error(search.reference)
        kept = one.cost.token_layers_kept
        return Row(name, one.strategy, limit, agreement, error, kept, one.theoretical_speedup, speeds, score)

    whole = measure(engine, search.reference, dense, progress="dense pass")
    rows = [row("dense", whole, 0.0, dict.fromkeys(sizes, 1.0))]
    for point, limit in zip(POINT_NAMES, limits, strict=True):
        one = chosen.get(point, closest)
        index = list(chosen).index(point) if point in chosen else None
        rows.append(row(point, one, limit, {} if index is None else {size: of[index] for size, of in times.items()}))
    return rows


def f1(engine: Engine, corpus: Corpus, strategy: Strategy) -> float:
    """Exact-span micro F1 on a corpus, 0–1."""
    reference = Reference(corpus.documents, corpus.types, ())
    return measure(engine, reference, strategy, progress=f"F1 of {strategy.name}").f1


def speedups(engine: Engine, strategies: Sequence[Strategy], texts: Sequence[str], batch_size: int) -> list[float]:
    """Dense end-to-end time ÷ that of each strategy.

    They are timed as reports time variants; see `engine.latency.time_variants`.

    Args:
        engine: what runs them.
        strategies: to time.
        texts: what they tag.
        batch_size: texts a call.
    """
    variants = [Strategy("dense"), *strategies]
    batches = [texts[begin : begin + batch_size] for begin in range(0, len(texts), batch_size)]

    def call(variant: int, batch: int) -> Latency:
        return engine.tag_batch(batches[batch], variants[variant], batch_size=batch_size)[0].latency

    calls = (PASSES + 1) * len(variants) * len(batches)
    with tqdm(total=calls, desc=f"timing, batch {batch_size}", disable=None) as bar:
        dense, *others = time_variants(range(len(variants)), len(batches), call, bar.update).values()
    return [speedup(dense, times) for times in others]
