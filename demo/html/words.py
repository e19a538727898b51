"""A text as words that can be pointed at: markup that the tabs Layer by layer and Why share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from demo.html.differences import label_name
from demo.html.escape import escape
from engine import Entity, Result
from engine.inspection.trace import WordTrace

MAX_WORDS = 2000  # in one view: browsers lay out more of them too slowly
TYPES = 6  # that the style sheet tells apart

Attributes = Callable[[WordTrace], str]


def shown_words(result: Result) -> Sequence[WordTrace]:
    """The words of a view."""
    return result.trace.words[:MAX_WORDS]


def limit(result: Result) -> str:
    """What to know where a view does not show all words."""
    words = len(result.trace.words)
    return (
        f'<p class="conditions">The first {MAX_WORDS:,} of {words:,} words are shown.</p>' if words > MAX_WORDS else ""
    )


def fate(word: WordTrace) -> str:
    """What became of a word, in words."""
    outcome = f"labelled {label_name(word.label)}, {word.probability:.1%} sure"
    if word.state == "left":
        return f"left after layer {word.layer}, {outcome}"
    if word.state == "recovered":
        return f"left after layer {word.layer}, came back, {outcome}"
    return f"stayed to the end, {outcome}"


def entity_colour(result: Result, type_: str) -> int:
    """The number of a type's colour in the style sheet."""
    types = sorted({entity.type for entity in result.entities})
    return types.index(type_) % TYPES


def listbox(result: Result, name: str) -> str:
    """The words as options of a list box, between them the text's own blanks; entities stand in a frame.

    An option carries ``data-state`` (``alive``, ``gone`` or ``back``, here as after the last layer), ``data-left`` (the
    layer after which it left, if it did) and ``data-back`` (it came back); an entity ``data-decided`` (the layer at
    which its last word got its label) and ``data-type``.
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
            parts.append(_frame(result, entity, words[index:]))
        parts.append(_option(word, index))
        position = word.end
    if current:
        parts.append("</span>")
    return f'<div class="words" role="listbox" aria-orientation="horizontal" aria-label="{name}">{"".join(parts)}</div>'


def _frame(result: Result, entity: Entity, words: Sequence[WordTrace]) -> str:
    last = len(result.cost.rows)
    own = [word for word in words if word.start < entity.end]
    decided = max(word.layer if word.state == "left" else last for word in own)
    return (
        f'<span class="entity decided" role="presentation" data-type="{escape(entity.type)}" data-decided="{decided}" '
        f'data-colour="{entity_colour(result, entity.type)}">'
    )


def _option(word: WordTrace, index: int) -> str:
    left = f' data-left="{word.layer}"' if word.state != "kept" else ""
    back = " data-back" if word.state == "recovered" else ""
    state = {"kept": "alive", "left": "gone", "recovered": "back"}[word.state]
    return (
        f'<span class="word" role="option" aria-selected="false" tabindex="{-1 if index else 0}" data-word="{index}"'
        f' data-state="{state}"{left}{back} aria-label="{escape(word.text)}: {fate(word)}">{escape(word.text)}</span>'
    )
