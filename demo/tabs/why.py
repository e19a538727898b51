"""The tab Why: the scores behind every decision, word by word."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

import gradio as gr
import numpy as np

from demo.html.differences import label_name
from demo.html.escape import escape
from demo.html.words import limit, listbox, shown_words
from demo.page.inputs import Inputs
from demo.tabs.view import build_view
from engine import Engine, Result
from engine.inspection.explain import ENTITY, FEW, LEFT, MINIMUM, NEED, WHOLE, WordScores
from engine.inspection.trace import WordTrace

Scores = Sequence[tuple[WordScores, ...]]

BINS = 24
COLUMNS = ("#", "word", "pieces", "label at gate", "final label", "layer", "state")
STATES = {"kept": "stayed", "left": "left", "recovered": "came back"}
REASONS = {
    LEFT: "left: its need is not above the threshold",
    NEED: "stayed: its need is above the threshold",
    ENTITY: "stayed: part of an entity, or beside one",
    WHOLE: "stayed although its need is low: an entity leaves as a whole or not at all",
    MINIMUM: "stayed although its need is low: kept as one of the minimum",
    FEW: "stayed although its need is low: too few words would have left for it to be worth while",
}
_SMALLEST = 1e-6  # of a logarithmic axis


def why_view(result: Result, scores: Scores) -> str:
    """The text to choose a word from, the word's scores, the histograms and the table of all words."""
    if not result.strategy.gates:
        name = escape(result.strategy.name)
        return f'<p class="notice">{name} has no gates: nothing is decided before the last layer. Choose another.</p>'
    return (
        f'<section class="why"><p class="hint">Choose a word: click on it, or move with the arrow keys.</p>'
        f"{listbox(result, 'Choose a word')}"
        '<div class="detail" tabindex="0" role="region" aria-label="The chosen word" aria-live="polite"></div>'
        f"<h4>Scores of the words at each gate</h4>{histograms(scores)}"
        f'<h4>All words</h4><p class="hint"><a class="download" download="words.csv" href="{csv_link(result, scores)}">'
        f"Download as CSV</a></p>{limit(result)}{_table(result, scores)}</section>"
    )


def table_rows(result: Result, scores: Scores) -> list[tuple[int, str, int, str, str, int, str]]:
    """The rows of the table, in order of ``COLUMNS``."""
    return [
        (
            number,
            word.text,
            word.pieces,
            label_name(of_word[-1].label) if of_word else "",
            label_name(word.label),
            word.layer,
            STATES[word.state],
        )
        for number, (word, of_word) in enumerate(zip(result.trace.words, scores, strict=True), start=1)
    ]


def csv_link(result: Result, scores: Scores) -> str:
    """All rows as a CSV file inside a link, so that the text is written to no file on the server.

    Cells that a spreadsheet would take for a formula begin with an apostrophe.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for row in table_rows(result, scores):
        writer.writerow([f"'{cell}" if str(cell).startswith(tuple("=+-@\t\r")) else cell for cell in row])
    return (
        "data:text/csv;charset=utf-8;base64," + base64.b64encode(buffer.getvalue().encode("utf-8", "replace")).decode()
    )


def _table(result: Result, scores: Scores) -> str:
    heads = "".join(
        f'<th scope="col" aria-sort="{sort}"><button type="button">{name}</button></th>'
        for name, sort in zip(COLUMNS, ("ascending", *["none"] * (len(COLUMNS) - 1)), strict=True)
    )
    shown = zip(shown_words(result), scores, table_rows(result, scores), strict=False)
    body = "".join(_row(index, word, of_word, row) for index, (word, of_word, row) in enumerate(shown))
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Table of all words"><table class="all-words">'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(index: int, word: WordTrace, scores: tuple[WordScores, ...], row: Sequence[Any]) -> str:
    cells = "".join(f"<td>{escape(str(cell))}</td>" for cell in row)
    return f'<tr data-word="{index}" data-state="{word.state}" data-gates="{_gates(scores)}">{cells}</tr>'


def _gates(scores: tuple[WordScores, ...]) -> str:
    """The cells of the table of a word's scores, gate by gate, as JSON for an attribute."""
    rows = [
        [
            str(at.layer),
            label_name(at.label),
            *(
                _number(value)
                for value in (
                    at.confidence,
                    at.entropy,
                    at.windowed_entropy,
                    at.attention_received,
                    at.attention_entropy,
                    at.risk,
                    at.need,
                    at.threshold,
                )
            ),
            decision(at),
        ]
        for at in scores
    ]
    return escape(json.dumps(rows))


def decision(at: WordScores) -> str:
    """What a gate decided about a word, and why."""
    return REASONS[at.reason] if at.reason else "left" if at.left else "stayed"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    if math.isinf(value):
        return "∞"
    return f"{value:.2g}" if abs(value) < 0.01 else f"{value:.3f}"


def histograms(scores: Scores) -> str:
    """A histogram of need for each gate: words that left and words that stayed, and the threshold."""
    gates = sorted({at.layer for of_word in scores for at in of_word})
    figures = [_histogram(gate, [at for of_word in scores for at in of_word if at.layer == gate]) for gate in gates]
    return f'<div class="histograms">{"".join(figures)}</div>'


def _histogram(gate: int, scores: list[WordScores]) -> str:
    finite = [at for at in scores if math.isfinite(at.need)]
    left = sum(at.left for at in scores)
    endless = len(scores) - len(finite)
    caption = f"Gate after layer {gate}: {left} left (filled), {len(scores) - left} stayed (outlined)"
    if endless:
        caption += f"; {endless} of them stayed as part of an entity or beside one, whatever their need"
    if not finite:
        return f"<figure><figcaption>{caption}.</figcaption></figure>"
    logarithmic = all(at.need >= 0 for at in finite)
    edges = _edges([_place(at.need, logarithmic) for at in finite])
    counts = [
        np.histogram([_place(at.need, logarithmic) for at in finite if at.left == gone], edges)[0]
        for gone in (True, False)
    ]
    top = int((counts[0] + counts[1]).max())
    bars = "".join(
        f'<rect class="{kind}" x="{10 * index + 0.5}" y="{100 - 100 * (below + count) / top:.2f}" width="9" '
        f'height="{100 * count / top:.2f}"/>'
        for kind, heights, base in (("left", counts[0], 0 * counts[0]), ("stayed", counts[1], counts[0]))
        for index, (count, below) in enumerate(zip(heights.tolist(), base.tolist(), strict=True))
        if count
    )
    thresholds = {at.threshold for at in finite if at.threshold is not None}
    span = edges[-1] - edges[0]
    lines = ""
    if len(thresholds) == 1:  # windows of a long text may have thresholds of their own
        threshold = thresholds.pop()
        at = 10 * BINS * (_place(threshold, logarithmic) - edges[0]) / span
        lines = f'<line x1="{at:.1f}" x2="{at:.1f}" y1="-8" y2="100"/>' if 0 <= at <= 10 * BINS else ""
        caption += f"; threshold {_number(threshold)}"
    scale = "need, logarithmic" if logarithmic else "need"
    low, high = (10**edge if logarithmic else edge for edge in (edges[0], edges[-1]))
    return (
        f'<figure><svg viewBox="0 -10 {10 * BINS} 112" preserveAspectRatio="none" role="img" aria-label="{caption}">'
        f'{bars}{lines}</svg><p class="axis"><span>{_number(low)}</span><span>{scale}</span>'
        f"<span>{_number(high)}</span></p><figcaption>{caption}.</figcaption></figure>"
    )


def _place(need: float, logarithmic: bool) -> float:
    return math.log10(max(need, _SMALLEST)) if logarithmic else need


def _edges(values: list[float]) -> np.ndarray:
    low, high = min(values), max(values)
    return np.linspace(low, high if high > low else low + 1, BINS + 1)


def build_why(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab."""
    build_view(engine, inputs, tab, lambda result: why_view(result, engine.explain(result)), "words.js", "why.js")
