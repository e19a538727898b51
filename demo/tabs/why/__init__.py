"""The tab Why: the scores behind every decision, word by word."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from demo.common.differences import Difference
from demo.common.inputs import Inputs
from demo.common.markup import alert, cells, escape, label_name, note, table
from demo.common.requests import checksum
from demo.common.serialization import csv_link
from demo.common.word_view import build_word_view, cut_note, listbox, shown_words
from demo.tabs.why.histograms import Scores, format_score, histograms
from engine import Engine, Result, Strategy
from engine.inspection.explain import WordScores, neighbours_of
from engine.inspection.trace import WordTrace
from engine.pruning.controllers import Controller

LABEL = "Why"
COLUMNS = ("#", "word", "pieces", "label at gate", "final label", "layer", "state")
STATES = {"kept": "stayed", "exited": "exited", "recovered": "came back"}
NUMBERS = {  # fields of `WordScores`, with readable names
    "confidence": "confidence",
    "entropy": "entropy of its label",
    "windowed_entropy": "entropy with neighbours ({} on each side)",
    "attention_received": "attention received",
    "attention_entropy": "attention entropy",
    "risk": "risk that the label changes (mlp)",
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
    """The text to choose a word from, that word's scores, the histograms and a table of all words."""
    if not result.strategy.gates:
        return alert(
            f"{result.strategy.name} has no gates: every word goes through every layer, so there are no scores."
        )
    scores = engine.explain(result)
    rows = table_rows(result, scores)
    heads = [("gate after layer", True), ("label", True), *_number_heads(result.strategy), ("decision", True)]
    words = (_row(index, *row) for index, row in enumerate(zip(shown_words(result), scores, rows, strict=False)))
    return (
        f'<section class="why" data-text="{checksum(result.text)}" data-scores="{escape(json.dumps(heads))}">'
        '<p class="hint">Choose a word: click it, or use the arrow keys.</p><div class="beside">'
        f"{listbox(result, found, 'Choose a word', engine.labels.types)}"
        '<div class="detail" tabindex="0" role="region" aria-label="The chosen word" aria-live="polite"></div></div>'
        f"<h4>Importance of the words at each gate</h4>{importance_note(result.strategy)}{histograms(scores)}"
        f'<h4>All words</h4><p class="hint"><a class="download" download="words.csv" href="{csv_link(COLUMNS, rows)}">'
        f"Download as CSV</a></p>{cut_note(result)}"
        f"{table('Table of all words', 'scroll', COLUMNS, words, 'all-words')}</section>"
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


def table_rows(result: Result, scores: Scores) -> list[tuple[int, str, int, str, str, int, str]]:
    """The rows of the table, in the order of ``COLUMNS``."""
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


def _row(index: int, word: WordTrace, scores: tuple[WordScores, ...], row: Sequence[Any]) -> str:
    gates = escape(json.dumps([_gate_detail(at) for at in scores]))
    return f'<tr data-word="{index}" data-state="{word.state}" data-gates="{gates}">{cells(row)}</tr>'


def _gate_detail(at: WordScores) -> list[str]:
    """What the detail of a word shows for one gate."""
    numbers = [
        "–" if name == "importance" and at.reason == "end" else format_score(getattr(at, name)) for name in NUMBERS
    ]
    decision = REASONS[at.reason] if at.reason else "exited" if at.exited else "stayed"
    return [str(at.layer), label_name(at.label), *numbers, decision]


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab."""
    build_word_view(engine, inputs, tab, why_view, Path(__file__).with_name("why.js"))
