"""A view of one strategy's result as words to point at, which Watch and Why share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import gradio as gr

from demo.common.differences import SIGNS, Compared, Difference, numbered_words
from demo.common.inputs import Inputs
from demo.common.markup import cells, describe_word, escape, note, table
from demo.common.runs import Run
from demo.common.views import draw_when_visible
from engine import Engine, Result
from engine.pruning.trace import WordTrace

MAX_WORDS = 2000  # browsers take too long to lay out more
TYPE_COLOURS = 6  # defined in the style sheet
WINDOW_CHARACTERS = 60  # of a window's text
SCRIPT = Path(__file__).with_suffix(".js")


def shown_words(result: Result) -> Sequence[WordTrace]:
    """The words that a view shows."""
    return numbered_words(result)[:MAX_WORDS]


def cut_note(result: Result) -> str:
    """A line saying that a view does not show all words; empty if it does."""
    words = len(result.words)
    return note(f"Showing the first {MAX_WORDS:,} of {words:,} words.") if words > MAX_WORDS else ""


def type_colour(types: Sequence[str], type_: str) -> int:
    """The number of a type's colour in the style sheet: its position among the model's types."""
    return types.index(type_) % TYPE_COLOURS


def listbox(one: Compared, name: str, types: Sequence[str]) -> str:
    """The words as options of a list box, with the text's white space between them and frames around entities.

    An option has ``data-state`` (``kept``, ``exited`` or ``recovered``) and, unless it was kept, ``data-exit``, the
    layer after which it exited. An entity has ``data-kind``, ``data-type`` and ``data-decided``, the layer after which
    all its words have their labels.

    ``types``: entity types, which decide the colours.
    """
    result, words = one.result, shown_words(one.result)
    entities = {each.entity.start: each for each in one.differences}
    parts: list[str] = []
    position = end = 0
    for index, word in enumerate(words):
        if end and word.start >= end:
            parts.append("</span>")
            end = 0
        parts.append(escape(result.text[position : word.start]))
        if each := entities.get(word.start):
            end = each.entity.end
            parts.append(_open_frame(result, each, words[index:], types))
        parts.append(_option(word, index))
        position = word.end
    if end:
        parts.append("</span>")
    return f'<div class="words" role="listbox" aria-orientation="horizontal" aria-label="{name}">{"".join(parts)}</div>'


def _open_frame(result: Result, found: Difference, words: Sequence[WordTrace], types: Sequence[str]) -> str:
    """Opens an entity's frame; ``words`` start with the entity's own."""
    entity, layers = found.entity, len(result.cost.rows)
    own = [word for word in words if word.start < entity.end]
    decided = max(word.layer if word.state == "exited" else layers for word in own)
    return (
        f'<span class="entity decided" role="presentation" data-kind="{found.kind}" '
        f'data-type="{SIGNS[found.kind]}{escape(entity.type)}" data-decided="{decided}" '
        f'data-colour="{type_colour(types, entity.type)}">'
    )


def _option(word: WordTrace, index: int) -> str:
    exit_ = f' data-exit="{word.layer}"' if word.state != "kept" else ""
    text = escape(word.text)
    return (
        f'<span class="word" role="option" aria-selected="false" tabindex="{-1 if index else 0}" data-word="{index}" '
        f'data-state="{word.state}"{exit_} aria-label="{text}: {escape(describe_word(word))}">{text}</span>'
    )


def windows(result: Result) -> str:
    """A table of the windows that the small model of a cascade judged, and why the large one read them; else empty."""
    if result.judgement is None:
        return ""
    threshold, spans = f"{result.strategy.settings()['threshold']:.2f}", result.words
    rows = []
    for one in result.judgement.judged:
        text = result.text[spans[one.first][0] : spans[one.end - 1][1]] if one.end > one.first else ""
        shown = text if len(text) <= WINDOW_CHARACTERS else f"{text[:WINDOW_CHARACTERS]}…"
        why = f"read, because {threshold} or more" if one.read else f"not read, because below {threshold}"
        values = cells([one.end - one.first, f"{one.doubt:.2f}", why])
        rows.append(f'<tr><th scope="row">{escape(shown)}</th>{values}</tr>')
    small = len(result.judgement.result.cost.rows)
    about = note(f"Layers 1 to {small} are those of the small model, which reads every window; the large one's follow.")
    heads = ("window", "words", "doubt", "the large model")
    return table("Windows that the small model judged", "summary", heads, rows) + about


def build_word_view(
    engine: Engine, inputs: Inputs, tab: gr.Tab, render: Callable[[Engine, Compared], str], script: Path
) -> None:
    """Builds the view of the shown strategy's words.

    ``script``: the view's JavaScript, which runs after that of this module.
    """

    def draw(run: Run, one: Compared) -> list[str]:
        return [note(one.label) + windows(one.result) + render(engine, one)]

    view = gr.HTML(js_on_load="\n".join(path.read_text(encoding="utf-8") for path in (SCRIPT, script)))
    draw_when_visible(tab, inputs, draw, [view])
