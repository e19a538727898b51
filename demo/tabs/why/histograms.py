"""Histograms of a strategy's decisions at each gate, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from engine.inspection.explain import WordScores

Scores = Sequence[tuple[WordScores, ...]]  # for every word, at each gate that it reached

BINS = 24
WIDTH, HEIGHT = 10 * BINS, 100
_SMALLEST = 1e-6  # on a logarithmic axis


def histograms(scores: Scores) -> str:
    """A histogram of importance at each gate: words that exited, words that stayed, and the threshold."""
    gates = sorted({at.layer for of_word in scores for at in of_word})
    figures = [_histogram(gate, [at for of_word in scores for at in of_word if at.layer == gate]) for gate in gates]
    return f'<div class="histograms">{"".join(figures)}</div>'


def format_score(value: float | None) -> str:
    """A score with few digits."""
    if value is None:
        return "–"
    if math.isinf(value):
        return "∞"
    return f"{value:.2g}" if abs(value) < 0.01 else f"{value:.3f}"


def _histogram(gate: int, scores: list[WordScores]) -> str:
    finite = [at for at in scores if math.isfinite(at.importance)]
    exited = sum(at.exited for at in scores)
    if all(at.reason == "end" for at in scores):
        caption = f"Gate after layer {gate}: every word that reaches it exits ({exited})"
        return f"<figure><figcaption>{caption}.</figcaption></figure>"
    caption = f"Gate after layer {gate}: {exited} exited (filled), {len(scores) - exited} stayed (outlined)"
    if infinite := len(scores) - len(finite):
        caption += f"; {infinite} of them stayed as part of an entity or next to one, whatever their importance"
    if not finite:
        return f"<figure><figcaption>{caption}.</figcaption></figure>"
    logarithmic = all(at.importance >= 0 for at in finite)
    edges = _edges([_place(at.importance, logarithmic) for at in finite])
    bars = _bars(finite, edges, logarithmic)
    line = ""
    thresholds = {at.threshold for at in finite if at.threshold is not None}
    if len(thresholds) == 1:  # each window of a long text may have its own
        (threshold,) = thresholds
        line = _threshold_line(_place(threshold, logarithmic), edges)
        caption += f"; threshold {format_score(threshold)}"
    if low := sum(not at.exited and at.reason not in (None, "importance") for at in finite):
        where = "outlined to the left of it" if len(thresholds) == 1 else "of those outlined"
        caption += f"; {low} {where} stayed despite their low importance (choose one to see why)"
    low, high = (10**edge if logarithmic else edge for edge in (edges[0], edges[-1]))
    axis = "importance, logarithmic" if logarithmic else "importance"
    return (
        f'<figure><svg viewBox="0 -10 {WIDTH} {HEIGHT + 12}" preserveAspectRatio="none" role="img" '
        f'aria-label="{caption}">{bars}{line}</svg><p class="axis"><span>{format_score(low)}</span>'
        f"<span>{axis}</span><span>{format_score(high)}</span></p>"
        f"<figcaption>{caption}.</figcaption></figure>"
    )


def _place(importance: float, logarithmic: bool) -> float:
    return math.log10(max(importance, _SMALLEST)) if logarithmic else importance


def _edges(values: list[float]) -> np.ndarray:
    low, high = min(values), max(values)
    return np.linspace(low, high if high > low else low + 1, BINS + 1)


def _bars(scores: list[WordScores], edges: np.ndarray, logarithmic: bool) -> str:
    """Bars for words that exited, with words that stayed on top."""
    exited, stayed = (
        np.histogram([_place(at.importance, logarithmic) for at in scores if at.exited == exits], edges)[0].tolist()
        for exits in (True, False)
    )
    tallest = max(a + b for a, b in zip(exited, stayed, strict=True))
    return "".join(
        f'<rect class="{kind}" x="{10 * index + 0.5}" y="{HEIGHT - HEIGHT * (below + count) / tallest:.2f}" width="9" '
        f'height="{HEIGHT * count / tallest:.2f}"/>'
        for kind, counts, base in (("exited", exited, [0] * BINS), ("stayed", stayed, exited))
        for index, (count, below) in enumerate(zip(counts, base, strict=True))
        if count
    )


def _threshold_line(place: float, edges: np.ndarray) -> str:
    x = WIDTH * (place - edges[0]) / (edges[-1] - edges[0])
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="-8" y2="{HEIGHT}"/>' if 0 <= x <= WIDTH else ""
