"""The tab Why: the scores behind every decision, word by word, and their histograms at each gate as inline SVG."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import gradio as gr
import numpy as np

from demo.common.differences import Difference
from demo.common.inputs import Inputs
from demo.common.markup import alert, escape, label_name, note
from demo.common.requests import checksum
from demo.common.word_view import build_word_view, cut_note, listbox, shown_words
from engine import Engine, Result, Strategy
from engine.cascade import Cascade
from engine.inspection.explain import WordScores, neighbours_of
from engine.pruning.controllers import Controller

LABEL = "Why"
Scores = Sequence[tuple[WordScores, ...]]  # for every word, at each gate that it reached
BINS = 24
WIDTH, HEIGHT = 10 * BINS, 100
_SMALLEST = 1e-6  # on a logarithmic axis
NUMBERS = {  # fields of `WordScores`, with readable names
    "confidence": "confidence",
    "entropy": "entropy of its label",
    "windowed_entropy": "entropy with neighbours ({} on each side)",
    "importance": "importance",
    "threshold": "threshold",
}
REASONS = {
    "end": "exited: every word exits at this gate",
    "exit": "exited: its importance is not above the threshold",
    "importance": "stayed: its importance is above the threshold",
    "entity": "stayed: part of an entity, or next to one",
    "whole": "stayed despite its low importance: an entity exits as a whole or not at all",
    "minimum": "stayed despite its low importance: kept to reach the minimum",
    "few": "stayed despite its low importance: too few words in its window would have exited",
}


def why_view(engine: Engine, result: Result, found: Sequence[Difference]) -> str:
    """The text to choose a word from, that word's scores, and the histograms."""
    strategy = result.strategy
    if isinstance(strategy, Cascade) and not strategy.gates:
        strategy = strategy.small
    if not strategy.gates:
        return alert(f"{strategy.name} has no gates: every word goes through every layer, so there are no scores.")
    scores = [word.gates for word in result.trace.words]
    heads = [("at", True), ("label", True), *_number_heads(strategy), ("decision", True)]
    words = [list(map(_gate_detail, of_word)) for _, of_word in zip(shown_words(result), scores, strict=False)]
    return (
        f'<section class="why" data-text="{checksum(result.text)}" data-scores="{escape(json.dumps(heads))}" '
        f'data-words="{escape(json.dumps(words))}">'
        '<p class="hint">Choose a word: click it, or use the arrow keys.</p><div class="beside">'
        f"{listbox(result, found, 'Choose a word', engine.labels.types)}"
        '<div class="detail" tabindex="0" role="region" aria-label="The chosen word" aria-live="polite"></div></div>'
        f"{cut_note(result)}<h4>Importance of the words at each gate</h4>{importance_note(strategy)}"
        f"{histograms(scores)}</section>"
    )


def _number_heads(strategy: Strategy) -> list[tuple[str, bool]]:
    """The names of `NUMBERS` in the detail of a word, and whether the strategy decides by each."""
    controller = strategy.controller
    used = controller.signals | {"importance", "threshold"} if isinstance(controller, Controller) else frozenset()
    return [
        (name.format(neighbours_of(strategy)) + ", not used here" * (field not in used), field in used)
        for field, name in NUMBERS.items()
    ]


def importance_note(strategy: Strategy) -> str:
    """Explains what importance is under a strategy."""
    controller = strategy.controller
    here = f", here {controller.importance_is}" if isinstance(controller, Controller) else ""
    return note(f"Importance is the score by which the strategy decides{here}: words of low importance exit.")


def _gate_detail(at: WordScores) -> list[str]:
    """What the detail of a word shows for one gate."""
    numbers = [
        "–" if name == "importance" and at.reason == "end" else format_score(getattr(at, name)) for name in NUMBERS
    ]
    decision = REASONS[at.reason] if at.reason else "exited" if at.exited else "stayed"
    return [f"Gate after layer {at.layer}", label_name(at.label), *numbers, decision]


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
    exited = sum(at.exited for at in scores)
    if all(at.reason == "end" for at in scores):
        return _figure("", f"Gate after layer {gate}: every word that reaches it exits ({exited})")
    finite = [at for at in scores if math.isfinite(at.importance)]
    thresholds = {at.threshold for at in finite if at.threshold is not None}
    caption = f"Gate after layer {gate}: {exited} exited (filled), {len(scores) - exited} stayed (outlined)"
    if infinite := len(scores) - len(finite):
        caption += f"; {infinite} of them stayed as part of an entity or next to one, whatever their importance"
    # Each window of a long text may have its own threshold; then none is drawn.
    threshold = thresholds.pop() if len(thresholds) == 1 else None
    if threshold is not None:
        caption += f"; threshold {format_score(threshold)}"
    if low := sum(not at.exited and at.reason not in (None, "importance") for at in finite):
        where = "of those outlined" if threshold is None else "outlined to the left of it"
        caption += f"; {low} {where} stayed despite their low importance (choose one to see why)"
    return _figure(_drawing(finite, threshold, caption) if finite else "", caption)


def _figure(drawing: str, caption: str) -> str:
    return f"<figure>{drawing}<figcaption>{caption}.</figcaption></figure>"


def _drawing(scores: list[WordScores], threshold: float | None, caption: str) -> str:
    """Bars of words that exited, with words that stayed on top, the threshold and the axis."""
    logarithmic = all(at.importance >= 0 for at in scores)

    def place(importance: float) -> float:
        return math.log10(max(importance, _SMALLEST)) if logarithmic else importance

    low, high = (end(place(at.importance) for at in scores) for end in (min, max))
    high = high if high > low else low + 1
    exited, stayed = (
        np.histogram([place(at.importance) for at in scores if at.exited == exits], BINS, (low, high))[0].tolist()
        for exits in (True, False)
    )
    tallest = max(a + b for a, b in zip(exited, stayed, strict=True))
    parts = [
        f'<rect class="{kind}" x="{10 * index + 0.5}" y="{HEIGHT - HEIGHT * (below + count) / tallest:.2f}" width="9" '
        f'height="{HEIGHT * count / tallest:.2f}"/>'
        for kind, counts, base in (("exited", exited, [0] * BINS), ("stayed", stayed, exited))
        for index, (count, below) in enumerate(zip(counts, base, strict=True))
        if count
    ]
    if threshold is not None and low <= place(threshold) <= high:
        x = WIDTH * (place(threshold) - low) / (high - low)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="-8" y2="{HEIGHT}"/>')
    ends = [format_score(10**edge if logarithmic else edge) for edge in (low, high)]
    axis = "importance, logarithmic" if logarithmic else "importance"
    return (
        f'<svg viewBox="0 -10 {WIDTH} {HEIGHT + 12}" preserveAspectRatio="none" role="img" aria-label="{caption}">'
        f'{"".join(parts)}</svg><p class="axis"><span>{ends[0]}</span><span>{axis}</span><span>{ends[1]}</span></p>'
    )


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab."""
    build_word_view(engine, inputs, tab, why_view, Path(__file__).with_name("why.js"))
