"""The text with its ink, its race and its why: what ``view.js`` draws, as JSON.

All texts travel as data and become text nodes; nothing here is markup. Words are ``[text before it, text]``.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from demo.markup import label_name, printable
from demo.run import Column, first_pass, tag_batch
from engine import Engine, Entity, Result
from engine.pruning.recovery import ANY, TRIGGERS
from engine.pruning.strategy_names import DENSE
from engine.pruning.trace import WordTrace

MAX_WORDS = 1500  # browsers take too long to lay out more, four times
LOST, NEW, CHANGED, SAME = "missed", "extra", "changed", "same"
NAMED = 2  # entities of those that differ
REASONS = {
    "end": "left, as every word does here",
    "exit": "left",
    "importance": "stayed",
    "entity": "stayed: in or beside an entity",
    "whole": "stayed: an entity leaves as a whole",
    "minimum": "stayed: the minimum share must",
    "few": "stayed: too few would have left",
}
FIRED = {
    "confidence": "“{}” was too uncertain at the end",
    "entropy_spike": "“{}” grew less certain",
    "entity_loss": "an entity at “{}” had got lost",
}
SCRIPT = Path(__file__).with_name("view.js")


def build_view(value: dict[str, Any]) -> gr.HTML:
    """The component that draws what `view` returns."""
    script: dict[str, Any] = {
        "html_template": '<div class="view"></div>',
        "js_on_load": SCRIPT.read_text(encoding="utf-8"),
    }
    return gr.HTML(value, apply_default_css=False, elem_classes="texts", **script)


def view(engine: Engine, columns: Sequence[Column], full: Result, **about: Any) -> dict[str, Any]:
    """What is drawn of a text: its words, and for each column what became of them; ``about`` is passed on."""
    words, more = full.trace.words[:MAX_WORDS], len(full.words) > MAX_WORDS
    begins = [0, *(word.end for word in words)]
    return {
        "words": [
            [printable(full.text[at : word.start]), printable(word.text)]
            for at, word in zip(begins[:-1], words, strict=True)
        ],
        "rest": "" if more else printable(full.text[begins[-1] :]),
        "cut": f"The first {MAX_WORDS:,} of {len(full.words):,} words. Your files, below, tags the whole text." * more,
        "types": list(engine.labels.types),
        "labels": list(map(label_name, engine.labels.names)),
        "reasons": REASONS,
        "layers": engine.sizes.layers,
        "columns": [_column(engine, column, full, len(words)) for column in columns],
    } | about


def _column(engine: Engine, column: Column, full: Result, shown: int) -> dict[str, Any]:
    result, words, types = column.result, column.result.trace.words, list(engine.labels.types)
    found = list(differences(result, full))
    controller = next((stage.controller for stage in result.strategy.stages if stage.gates), None)
    count, differs = summary(found)
    rows, preset = result.cost.rows, ""
    if column.selection.changed:
        preset = work(tag_batch(engine, [result.text], column.selection.stored)[0])
    return {
        "name": column.selection.name,
        "title": column.selection.title,
        "id": column.selection.strategy.title,
        "work": work(result),
        "preset": preset,
        "ms": round(column.milliseconds, 2),
        "count": count,
        "differences": differs if column.selection.name != DENSE else "",
        "measure": getattr(controller, "importance_is", "importance"),
        "entities": [[*word_range(words, entity), types.index(entity.type), kind] for kind, entity in found],
        "words": [_word(word, engine) for word in words[:shown]],
        "back": {str(index): reason for index, reason in returns(engine, result).items()},
        "total": len(rows),
        "ends": [round(done / max(1, sum(rows)), 4) for done in accumulate(rows)],
    }


def work(result: Result) -> str:
    """The share of the network's work that was done: of its word pieces × layers."""
    cost = result.cost
    # The stages of a cascade differ in size.
    share = cost.token_layers_kept if len(result.strategy.stages) == 1 else 1 / cost.theoretical_speedup
    return f"{100 * share:.0f}\u00a0%"


def _word(word: WordTrace, engine: Engine) -> list[Any]:
    """Layer, state, final label, its probability, and at each gate layer, label, certainty, measure, limit, reason."""
    names = engine.labels.names
    gates = [
        [
            gate.layer,
            names.index(gate.label),
            round(gate.confidence, 3),
            _short(gate.importance if gate.reason != "end" else None),
            _short(gate.threshold),
            gate.reason or ("exit" if gate.exited else ""),
        ]
        for gate in word.gates
    ]
    return [word.layer, word.state, names.index(word.label), round(word.probability, 3), gates, word.decoder]


def _short(value: float | None) -> float | None:
    """A score as the page shows it; JSON has no infinity."""
    return float(f"{value:.3g}") if value is not None and np.isfinite(value) else None


def word_range(words: Sequence[WordTrace], entity: Entity) -> tuple[int, int]:
    """The first and the last word of an entity."""
    first = bisect_right(words, entity.start, key=lambda word: word.end)
    return first, max(first, bisect_left(words, entity.end, key=lambda word: word.start) - 1)


def differences(result: Result, full: Result) -> Iterator[tuple[str, Entity]]:
    """All entities of a result, and those that only all layers find, by position, each with its kind."""
    shared = {entity.key for entity in result.entities} & {entity.key for entity in full.entities}
    only = [[entity for entity in side.entities if entity.key not in shared] for side in (result, full)]

    def overlaps(entity: Entity, others: Sequence[Entity]) -> bool:
        return any(entity.start < other.end and other.start < entity.end for other in others)

    kinds = [
        (SAME if entity.key in shared else CHANGED if overlaps(entity, only[1]) else NEW, entity)
        for entity in result.entities
    ]
    lost = [(LOST, entity) for entity in only[1] if not overlaps(entity, only[0])]
    yield from sorted(kinds + lost, key=lambda pair: pair[1].start)


def summary(found: Sequence[tuple[str, Entity]]) -> tuple[int, str]:
    """How many entities were found, and how they differ from those under all layers, in words."""
    count = sum(kind != LOST for kind, _ in found)
    unlike = [(kind, entity) for kind, entity in found if kind != SAME]
    if not unlike:
        return count, "the same" if count else "none, as under all layers"
    if len(unlike) <= NAMED:
        return count, ", ".join(f"{printable(entity.text)} {kind}" for kind, entity in unlike)
    kinds = [kind for kind, _ in found]
    return count, ", ".join(f"{kinds.count(kind)} {kind}" for kind in (SAME, LOST, NEW, CHANGED) if kind in kinds)


def returns(engine: Engine, result: Result) -> dict[int, str]:
    """Why words came back, by the index of the word: the trigger that fired in its window, and on which word."""
    recovery = result.strategy.recovery
    reasons: dict[int, str] = {}
    for window in result.windows:
        if window.read:
            doubt = f"the small model was unsure of this passage ({window.doubt:.2g})"
            reasons |= dict.fromkeys(range(window.first, window.end), doubt)
    if recovery is None or not result.paths.recovered.any():
        return reasons
    names = TRIGGERS if recovery.trigger == ANY else (recovery.trigger,)
    for before, after in zip(first_pass(engine, result).passes[-1].records, result.passes[-1].records, strict=True):
        fired = {name: np.flatnonzero(TRIGGERS[name](recovery, before)) for name in names}
        first = after.window.first
        reason = "; ".join(
            FIRED[name].format(printable(result.trace.words[first + int(at[0])].text))
            for name, at in fired.items()
            if len(at)
        )
        reasons |= {first + int(index): reason for index in np.flatnonzero(after.recovered)}
    return reasons
