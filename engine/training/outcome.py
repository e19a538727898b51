"""What a search achieved: agreement, theoretical and measured speed-up, and F1, point by point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tqdm import tqdm

from engine.data.corpora import Corpus
from engine.latency import PASSES, Latency, speedup, time_variants
from engine.pruning.resolve import OPERATING_POINTS
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from engine.text.scoring import f1_difference_error, perfect
from engine.training.points import Reference, Tried, measure
from engine.training.search import Search, plain

LARGEST_BATCH = 32  # texts


@dataclass(frozen=True)
class Row:
    """A setting as it was measured.

    ``name``: ``dense``, or of the operating point.
    ``max_drop``: points of agreement that the point may lose.
    ``agreement``, ``error``: with the checkpoint's dense output, and its standard error, %.
    ``loss``, ``loss_error``: points of agreement lost against the model's own dense pass, and their standard error.
    ``token_layers_kept``: share of the dense ones.
    ``theoretical_speedup``: dense ÷ own MACs.
    ``speedups``: batch size (1, and as many as there are texts to time, up to `LARGEST_BATCH`) → dense ÷ own time here;
    empty if no setting loses so little: this is then the closest one, and is not stored.
    ``f1``: exact-span micro F1 on a corpus, 0–1, if one was given.
    """

    name: str
    strategy: Strategy
    max_drop: float
    agreement: float
    error: float
    loss: float
    loss_error: float
    token_layers_kept: float
    theoretical_speedup: float
    speedups: dict[int, float]
    f1: float | None = None

    @property
    def reached(self) -> bool:
        """Whether there is a setting for the point."""
        return bool(self.speedups)


def measured(engine: Engine, dense: Tried, search: Search, texts: Sequence[str], corpus: Corpus | None) -> list[Row]:
    """Dense, and each operating point that was found; for the others, the setting that comes closest.

    Args:
        engine: what was searched with.
        dense: its dense pass on the reference.
        search: for points; the dense pass loses nothing there.
        texts: to time.
        corpus: with gold, for F1.
    """
    reference, chosen = search.reference, search.chosen()
    closest = min(search.measured(), key=lambda one: one.loss_bound(reference))
    settings = list(dict.fromkeys(plain(one.strategy) for one in chosen.values()))  # points may share one
    speeds = {
        size: {dense.strategy: 1.0} | dict(zip(settings, speedups(engine, settings, texts, size), strict=True))
        for size in dict.fromkeys((1, min(LARGEST_BATCH, len(texts))))
    }
    scores = {setting: f1(engine, corpus, setting) for setting in (dense.strategy, *settings)} if corpus else {}

    def row(name: str, one: Tried, max_drop: float, *, reached: bool = True) -> Row:
        setting = plain(one.strategy)
        return Row(
            name,
            one.strategy,
            max_drop,
            agreement=100 * one.f1,
            error=100 * f1_difference_error(one.counts, perfect(one.counts)),
            loss=one.loss(reference),
            loss_error=one.loss_error(reference),
            token_layers_kept=one.cost.token_layers_kept,
            theoretical_speedup=one.theoretical_speedup,
            speedups={size: of[setting] for size, of in speeds.items()} if reached else {},
            f1=scores.get(setting) if reached else None,
        )

    rows = [replace(row("dense", dense, 0.0), loss=0.0, loss_error=0.0)]
    for point, max_drop in zip(OPERATING_POINTS, search.max_drops, strict=True):
        rows.append(row(point, chosen.get(point, closest), max_drop, reached=point in chosen))
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
        batch_size: texts per call.
    """
    variants = [Strategy("dense"), *strategies]
    batches = [texts[begin : begin + batch_size] for begin in range(0, len(texts), batch_size)]

    def call(variant: int, batch: int) -> Latency:
        return engine.tag_batch(batches[batch], variants[variant], batch_size=batch_size)[0].latency

    calls = (PASSES + 1) * len(variants) * len(batches)
    with tqdm(total=calls, desc=f"timing, batch {batch_size}", disable=None) as bar:
        dense, *others = time_variants(range(len(variants)), len(batches), call, bar.update).values()
    return [speedup(dense, times) for times in others]
