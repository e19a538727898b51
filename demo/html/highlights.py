"""A result as the coloured pieces of text that `gr.HighlightedText` shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from demo.results.wording import printable
from engine import Entity, Result
from engine.inspection.trace import WordTrace

Segment = tuple[str, str | None]

# Names from the component's own palette: only these stay legible in dark mode.
PALETTE = ("blue", "red", "green", "purple", "orange", "teal", "pink", "cyan", "lime")
RECOVERED = "came back"
RECOVERED_COLOUR = "yellow"
PARTLY = "partly left"


def left_after(layer: int) -> str:
    """The category of words that left after ``layer``."""
    return f"left after layer {layer}"


def colours(types: Sequence[str], layers: int) -> dict[str, str]:
    """The colour of every category: entities have that of their type; words that left are greyed by the style sheet."""
    left = [left_after(layer) for layer in range(1, layers)]
    by_category = dict.fromkeys(left, "transparent") | {RECOVERED: RECOVERED_COLOUR}
    for index, type_ in enumerate(types):
        states = [f"{type_}, {state}" for state in (PARTLY, RECOVERED, *left)]
        by_category |= dict.fromkeys([type_, *states], PALETTE[index % len(PALETTE)])
    return by_category


def segments(result: Result) -> list[Segment]:
    """The text in pieces with their categories; joined, the pieces are the text.

    Neighbouring words outside entities that left after the same layer form one piece. So does an entity; if all of its
    words left, its category names the layer after which the last one did.
    """
    pieces: list[Segment] = []
    position = 0
    for start, end, category in _categories(result):
        if start > position:
            pieces.append((printable(result.text[position:start]), None))
        pieces.append((printable(result.text[start:end]), category))
        position = end
    if position < len(result.text):
        pieces.append((printable(result.text[position:]), None))
    return pieces


def _categories(result: Result) -> Iterator[tuple[int, int, str]]:
    """Start, end and category of each piece that has one."""
    entities = {offset: entity for entity in result.entities for offset in range(entity.start, entity.end)}

    def group_of(word: WordTrace) -> Entity | str | None:
        return entities.get(word.start) or {"left": left_after(word.layer), "recovered": RECOVERED}.get(word.state)

    for group, members in groupby(result.trace.words, key=group_of):
        words = list(members)
        category = _entity_category(group.type, words) if isinstance(group, Entity) else group
        if category is not None:
            yield words[0].start, words[-1].end, category


def _entity_category(type_: str, words: list[WordTrace]) -> str:
    layers = [word.layer for word in words if word.state == "left"]
    if any(word.state == "recovered" for word in words):
        return f"{type_}, {RECOVERED}"
    if not layers:
        return type_
    return f"{type_}, {left_after(max(layers)) if len(layers) == len(words) else PARTLY}"
