"""The tab Why: the scores behind every decision, word by word."""

import json
import math
from pathlib import Path

import gradio as gr

from demo.common.differences import Compared
from demo.common.inputs import Inputs
from demo.common.markup import alert, escape, label_name, note
from demo.common.runs import Run
from demo.common.views import draw_when_visible
from demo.tabs.why.words import MAX_WORDS, cut_note, listbox, windows
from engine import Engine, Strategy
from engine.pruning.controllers import Controller
from engine.pruning.trace import WordScores, neighbours_of

LABEL = "Why"
SCRIPT = Path(__file__).with_name("why.js")
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
    heads = [("at", True), ("label", True), *_number_heads(strategy), ("decision", True)]
    words = [list(map(_gate_detail, word.gates)) for word in result.trace.words[:MAX_WORDS]]
    return (
        f'<section class="why" data-run="{run.number}" data-scores="{escape(json.dumps(heads))}" '
        f'data-words="{escape(json.dumps(words))}">'
        '<p class="hint">Choose a word: click it, or use the arrow keys.</p><div class="beside">'
        f"{listbox(outcome, 'Choose a word', engine.labels.types)}"
        '<div class="detail" tabindex="0" role="region" aria-label="The chosen word" aria-live="polite"></div></div>'
        f"{cut_note(result)}{importance_note(strategy)}</section>"
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


def format_score(value: float | None) -> str:
    """A score with few digits."""
    if value is None:
        return "–"
    if math.isinf(value):
        return "∞"
    return f"{value:.2g}" if abs(value) < 0.01 else f"{value:.3f}"


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab."""
    shown = gr.HTML(js_on_load=SCRIPT.read_text(encoding="utf-8"))

    def draw(run: Run, outcome: Compared) -> list[str]:
        return [note(outcome.label) + windows(outcome.result) + why_view(engine, run, outcome)]

    draw_when_visible(tab, inputs, draw, [shown])
