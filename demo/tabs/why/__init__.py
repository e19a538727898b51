"""The tab Why: the scores behind every decision, word by word."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from demo.common.differences import SIGNS, Compared
from demo.common.inputs import Inputs
from demo.common.markup import alert, depth, escape, html_table, label_name, note, percent, type_colour
from demo.common.runs import Run
from engine import Engine, Result
from engine.pruning.controllers import Controller
from engine.pruning.trace import WordScores, WordTrace, neighbours_of

LABEL = "Why"
SCRIPT = Path(__file__).with_name("why.js")
MAX_WORDS = 2000  # browsers take too long to lay out more
WINDOW_CHARACTERS = 60  # of a window's text
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


def why_view(engine: Engine, run: Run, outcome: Compared) -> str:
    """The text to choose a word from, and that word's scores."""
    result, strategy = outcome.result, outcome.result.strategy
    strategy = next((stage for stage in strategy.stages if stage.gates), strategy)
    if not strategy.gates:
        return alert(f"{strategy.name} has no gates: every word goes through every layer, so there are no scores.")
    controller = strategy.controller
    if isinstance(controller, Controller):
        used, here = controller.signals | {"importance", "threshold"}, f", here {controller.importance_is}"
    else:
        used, here = frozenset(), ""
    heads = [("at", True), ("label", True)]
    for name, shown in NUMBERS.items():
        heads.append((shown.format(neighbours_of(strategy)) + ", not used here" * (name not in used), name in used))
    words = [list(map(_gate_detail, word.gates)) for word in result.trace.words[:MAX_WORDS]]
    scores, details = (escape(json.dumps(part)) for part in ([*heads, ("decision", True)], words))
    cut = note(f"Showing the first {MAX_WORDS:,} of {len(result.words):,} words.") * (len(result.words) > MAX_WORDS)
    importance = f"Importance is the score by which the strategy decides{here}: words of low importance exit."
    return (
        f'<section class="why" data-run="{run.number}" data-scores="{scores}" data-words="{details}">'
        '<p class="hint">Choose a word: click it, or use the arrow keys.</p><div class="beside">'
        f"{listbox(outcome, engine.labels.types)}"
        '<div class="detail" tabindex="0" role="region" aria-label="The chosen word" aria-live="polite"></div></div>'
        f"{cut}{note(importance)}</section>"
    )


def _gate_detail(at: WordScores) -> list[str]:
    """What the detail of a word shows for one gate."""
    numbers = [
        "–" if name == "importance" and at.reason == "end" else format_score(getattr(at, name)) for name in NUMBERS
    ]
    decision = REASONS[at.reason] if at.reason else "exited" if at.exited else "stayed"
    return [f"Gate after layer {at.layer}", label_name(at.label), *numbers, decision]


def format_score(value: float | None) -> str:
    if value is None:
        return "–"
    if math.isinf(value):
        return "∞"
    return f"{value:.2g}" if abs(value) < 0.01 else f"{value:.3f}"


def listbox(outcome: Compared, types: Sequence[str]) -> str:
    """The words as options of a list box, with the text's white space between them and frames around entities.

    An option has ``data-state`` (``kept``, ``exited`` or ``recovered``) and, unless it was kept, ``data-exit``, the
    layer after which it exited. An entity has ``data-kind`` and ``data-type``.

    ``types``: entity types, which decide the colours.
    """
    result = outcome.result
    starts = {each.entity.start: each for each in outcome.differences}
    ends = {each.entity.end for each in outcome.differences}
    parts, position = "", 0
    for index, word in enumerate(result.trace.words[:MAX_WORDS]):
        parts += escape(result.text[position : word.start])
        if each := starts.get(word.start):
            parts += (
                f'<span class="entity" role="presentation" data-kind="{each.kind}" '
                f'data-type="{SIGNS[each.kind]}{escape(each.entity.type)}" '
                f'data-colour="{type_colour(types, each.entity.type)}">'
            )
        parts += _option(word, index) + "</span>" * (word.end in ends)
        position = word.end
    return f'<div class="words" role="listbox" aria-orientation="horizontal" aria-label="Choose a word">{parts}</div>'


def _option(word: WordTrace, index: int) -> str:
    exit_ = f' data-exit="{word.layer}"' if word.state != "kept" else ""
    text, probability = escape(word.text), percent(word.probability, 1)
    said = f"{depth(word)}, labelled {label_name(word.label)} with probability {probability}"
    return (
        f'<span class="word" role="option" aria-selected="false" tabindex="{-1 if index else 0}" data-word="{index}" '
        f'data-state="{word.state}"{exit_} aria-label="{text}: {escape(said)}">{text}</span>'
    )


def windows(result: Result) -> str:
    """A table of the windows that the small model of a cascade judged, and why the large one read them; else empty."""
    if not result.windows:
        return ""
    threshold, spans = f"{result.strategy.settings()['threshold']:.2f}", result.words
    rows = []
    for window in result.windows:
        text = result.text[spans[window.first][0] : spans[window.end - 1][1]] if window.end > window.first else ""
        shown = text if len(text) <= WINDOW_CHARACTERS else f"{text[:WINDOW_CHARACTERS]}…"
        why = f"read, because {threshold} or more" if window.read else f"not read, because below {threshold}"
        rows.append([shown, window.end - window.first, f"{window.doubt:.2f}", why])
    small = result.passes[0].sizes.layers
    about = note(f"Layers 1 to {small} are those of the small model, which reads every window; the large one's follow.")
    heads = ("window", "words", "doubt", "the large model")
    return html_table("Windows that the small model judged", "summary", heads, rows) + about


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    shown = gr.HTML(js_on_load=SCRIPT.read_text(encoding="utf-8"))

    def draw(run: Run, outcome: Compared) -> list[str]:
        return [note(outcome.label) + windows(outcome.result) + why_view(engine, run, outcome)]

    inputs.show(tab, draw, [shown])
