"""Text as words to point at, in a view of one strategy's result; the tabs Layer by layer and Why share this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from demo.common.inputs import Inputs
from demo.common.limits import MODEL_WORK, check_padded, check_text
from demo.common.markup import alert, describe, escape, note
from demo.common.redraw import redraw_when_visible
from demo.common.runs import fingerprint
from demo.settings import chosen_strategy, name_with_settings
from engine import Engine, Entity, InputError, Result
from engine.inspection.trace import WordTrace

MAX_WORDS = 2000  # browsers take too long to lay out more
TYPE_COLOURS = 6  # defined in the style sheet
SCRIPT = Path(__file__).with_suffix(".js")


def shown_words(result: Result) -> Sequence[WordTrace]:
    """The words that a view shows."""
    return result.trace.words[:MAX_WORDS]


def cut_note(result: Result) -> str:
    """A line saying that a view does not show all words, if so."""
    words = len(result.trace.words)
    return note(f"Showing the first {MAX_WORDS:,} of {words:,} words.") if words > MAX_WORDS else ""


def type_colour(types: Sequence[str], type_: str) -> int:
    """The number of a type's colour in the style sheet: its position among the model's types."""
    return types.index(type_) % TYPE_COLOURS


def listbox(result: Result, name: str, types: Sequence[str]) -> str:
    """The words as options of a list box, with the text's white space between them and frames around entities.

    An option has ``data-state`` (``kept``, ``left`` or ``recovered``) and, unless it was kept, ``data-left``, the layer
    after which it left. An entity has ``data-type`` and ``data-decided``, the layer after which all its words have
    their labels.
    """
    words = shown_words(result)
    entities = {entity.start: entity for entity in result.entities}
    parts: list[str] = []
    position = 0
    current: Entity | None = None
    for index, word in enumerate(words):
        if current and word.start >= current.end:
            parts.append("</span>")
            current = None
        parts.append(escape(result.text[position : word.start]))
        if entity := entities.get(word.start):
            current = entity
            parts.append(_frame(result, entity, words[index:], types))
        parts.append(_option(word, index))
        position = word.end
    if current:
        parts.append("</span>")
    return f'<div class="words" role="listbox" aria-orientation="horizontal" aria-label="{name}">{"".join(parts)}</div>'


def _frame(result: Result, entity: Entity, words: Sequence[WordTrace], types: Sequence[str]) -> str:
    """Opens an entity's frame; ``words`` start with the entity's own."""
    layers = len(result.cost.rows)
    own = [word for word in words if word.start < entity.end]
    decided = max(word.layer if word.state == "exited" else layers for word in own)
    return (
        f'<span class="entity decided" role="presentation" data-type="{escape(entity.type)}" data-decided="{decided}" '
        f'data-colour="{type_colour(types, entity.type)}">'
    )


def _option(word: WordTrace, index: int) -> str:
    left = f' data-left="{word.layer}"' if word.state != "kept" else ""
    text = escape(word.text)
    return (
        f'<span class="word" role="option" aria-selected="false" tabindex="{-1 if index else 0}" data-word="{index}" '
        f'data-state="{word.state}"{left} aria-label="{text}: {escape(describe(word))}">{text}</span>'
    )


DRAWING: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", **MODEL_WORK}


def build_result_view(
    engine: Engine, inputs: Inputs, tab: gr.Tab, render: Callable[[Result], str], script: Path
) -> None:
    """Builds the view of the shown strategy's result; it opens with the page's first text.

    Args:
        engine: runs the strategy.
        inputs: the text and settings that the view follows.
        tab: the tab under construction.
        render: makes the markup.
        script: the view's JavaScript, which runs after that of `demo.common.words`.
    """

    def on_view(text: str, name: str, point: str | None, *others: Any) -> list[str]:
        try:
            strategy = chosen_strategy(engine, name, point, *others)
            check_padded(check_text(text), [strategy])
            shown = note(name_with_settings(engine, strategy, point))
            return [shown + render(engine.tag(text, strategy))]
        except InputError as error:
            return [alert(str(error))]

    shown = [inputs.text, inputs.shown, *inputs.settings]
    first = [component.value for component in shown]
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in (SCRIPT, script))
    view = gr.HTML(*on_view(*first), js_on_load=scripts)
    changes = [*inputs.changed, inputs.shown.change]
    redraw_when_visible(inputs, tab, shown, changes, on_view, [view], drawn=fingerprint(first), **DRAWING)
