"""From results of the engine to what the components show. Texts are data here: whatever they hold is shown as text."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from demo.measuring import Measured
from engine import Entity, Result, Strategy
from engine.trace import WordTrace

Segment = tuple[str, str | None]

# Names of the component's own palette: these alone stay legible in dark mode.
PALETTE = ("blue", "red", "green", "purple", "orange", "teal", "pink", "cyan", "lime")
BACK_COLOUR = "yellow"
LISTED = 10
ABOUT = {
    "dense": "Every word goes through every layer: the reference.",
    "hf": "The plain Hugging Face model with the same weights.",
    "rule": "Words leave that matter little to others and whose label is clear.",
    "entropy": "Words leave when their own label and their neighbours' are certain.",
    "mlp": "Words leave when a small network thinks that their label will not change.",
    "entropy+recovery": "Like entropy; where the result looks doubtful, words come back.",
    "random": "As many words leave as under entropy at its defaults, chosen at random.",
    "truncate": "The encoder ends early, with the label head of that layer.",
}
BACK = "came back"
_SURROGATES = re.compile("[\ud800-\udfff]")
_TEMPLATE = str.maketrans({"$": "&#36;", "{": "&#123;", "}": "&#125;", "`": "&#96;", "\\": "&#92;"})


def printable(text: str) -> str:
    """The text with the replacement character for lone surrogates, which JSON cannot carry; offsets stay."""
    return _SURROGATES.sub("\ufffd", text)


def escape(text: str) -> str:
    """The text for `gr.HTML`, which reads markup as well as ``${…}`` and ``{{…}}``."""
    return html.escape(printable(text)).translate(_TEMPLATE)


def left_at(layer: int) -> str:
    """The category of words that left after ``layer``."""
    return f"left at layer {layer}"


def colours(types: Sequence[str], layers: int) -> dict[str, str]:
    """The colour of every category: one for each type; words that left have none and are greyed by the style sheet."""
    gone = [left_at(layer) for layer in range(1, layers)]
    marks = dict.fromkeys(gone, "transparent") | {BACK: BACK_COLOUR}
    for index, type_ in enumerate(types):
        colour = PALETTE[index % len(PALETTE)]
        states = ["partly left", BACK, *gone]
        marks |= dict.fromkeys([type_, *(f"{type_}, {state}" for state in states)], colour)
    return marks


def segments(result: Result) -> list[Segment]:
    """The text in pieces with their categories; together they are the text.

    A run of words outside entities that left at one layer is one piece. An entity is one piece; if all its words
    left, its category names the layer at which the last of them did.
    """
    pieces: list[Segment] = []
    position = 0
    for start, end, category in _marks(result):
        if start > position:
            pieces.append((printable(result.text[position:start]), None))
        pieces.append((printable(result.text[start:end]), category))
        position = end
    if position < len(result.text):
        pieces.append((printable(result.text[position:]), None))
    return pieces


def _marks(result: Result) -> Iterator[tuple[int, int, str]]:
    entities = {offset: entity for entity in result.entities for offset in range(entity.start, entity.end)}

    def mark(word: WordTrace) -> Entity | str | None:
        return entities.get(word.start) or {"left": left_at(word.layer), "recovered": BACK}.get(word.state)

    for marked, group in groupby(result.trace.words, key=mark):
        words = list(group)
        category = _entity_category(marked.type, words) if isinstance(marked, Entity) else marked
        if category is not None:
            yield words[0].start, words[-1].end, category


def _entity_category(type_: str, words: list[WordTrace]) -> str:
    left = [word.layer for word in words if word.state == "left"]
    if any(word.state == "recovered" for word in words):
        return f"{type_}, {BACK}"
    if not left:
        return type_
    return f"{type_}, {left_at(max(left))}" if len(left) == len(words) else f"{type_}, partly left"


def notice(message: str) -> str:
    """A message in place of results."""
    return f'<p class="notice" role="alert">{escape(message)}</p>'


def conditions(device: str, dtype: str, threads: int, runs: int) -> str:
    """Under which conditions the times below were measured."""
    timed = f"median of {runs} runs" if runs > 1 else "one run"
    return (
        f'<p class="conditions">Measured just now: {timed} after a discarded one, strategies in turn; '
        f"whole call, from text to entities; {escape(device)}, {escape(dtype)}, {threads} "
        f"{'thread' if threads == 1 else 'threads'}.</p>"
    )


def card(measured: Measured, dense: Measured) -> str:
    """What one strategy did to the text, beside ``dense``."""
    result, cost = measured.result, measured.result.cost
    figures = [
        ("token-layers kept", f"{cost.token_layers_kept:.1%}"),
        ("multiply-adds", f"{cost.multiply_adds / 1e9:.2f} G{_share_of_dense(measured, dense)}"),
        ("words", _fates(result)),
        ("entities", f"{len(result.entities)}{_difference(result, dense.result)}"),
    ]
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures)
    return (
        f'<section class="card"><h3>{escape(result.strategy.name)}</h3>'
        f'<p class="about">{escape(_about(result.strategy))}</p>'
        f'<p class="latency"><strong>{measured.latency_ms:.1f} ms</strong> {_speed(measured, dense)}</p>'
        f"<dl>{rows}</dl>{_differing(result, dense.result)}</section>"
    )


def _about(strategy: Strategy) -> str:
    about = ABOUT.get(strategy.name.partition("-")[0], "")
    if not strategy.gates:
        return about
    return f"{about} Gate layers: {', '.join(map(str, strategy.gates))}."


def _speed(measured: Measured, dense: Measured) -> str:
    if measured is dense:
        return '<span class="speed">the reference</span>'
    ratio = math.floor(100 * dense.latency_ms / measured.latency_ms) / 100
    if ratio < 1:
        return f'<span class="speed slower">slower than dense on this text: {ratio:.2f}×</span>'
    return f'<span class="speed">{ratio:.2f}× as fast as dense on this text</span>'


def _share_of_dense(measured: Measured, dense: Measured) -> str:
    if measured is dense:
        return ""
    return f" = {measured.result.cost.multiply_adds / dense.result.cost.multiply_adds:.2f}× dense"


def _fates(result: Result) -> str:
    words = result.trace.words
    left = [word.layer for word in words if word.state == "left"]
    back = sum(word.state == "recovered" for word in words)
    parts = [f"{left.count(layer)} left at layer {layer}" for layer in sorted(set(left))]
    parts += [f"{back} came back"] if back else []
    return ", ".join([f"{len(words) - len(left) - back} of {len(words)} stayed", *parts])


def _only_in(entities: Iterable[Entity], others: Iterable[Entity]) -> list[Entity]:
    keys = {other.key for other in others}
    return [entity for entity in entities if entity.key not in keys]


def _difference(result: Result, dense: Result) -> str:
    if result is dense:
        return ""
    missing, new = _only_in(dense.entities, result.entities), _only_in(result.entities, dense.entities)
    if not missing and not new:
        return ", the same as dense"
    return f", unlike dense: {len(missing)} missing, {len(new)} new"


def _differing(result: Result, dense: Result) -> str:
    missing, new = _only_in(dense.entities, result.entities), _only_in(result.entities, dense.entities)
    marked = [("−", entity) for entity in missing] + [("+", entity) for entity in new]
    if not marked:
        return ""
    items = [f"<li>{sign} {escape(entity.text)} ({escape(entity.type)})</li>" for sign, entity in marked[:LISTED]]
    if len(marked) > LISTED:
        items.append(f"<li>and {len(marked) - LISTED} more</li>")
    return f"<details><summary>Show the differences</summary><ul>{''.join(items)}</ul></details>"
