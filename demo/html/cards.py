"""From results of the engine to what the components show. Texts are data here: whatever they hold is shown as text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from demo.html.differences import KINDS, agreement, differences
from demo.html.escape import escape, printable
from demo.measuring import RUNS, Measured
from demo.settings import REPLAYED
from engine import Entity, Result, Strategy
from engine.inspection.trace import WordTrace
from engine.pruning.strategy import RECOVERY

Segment = tuple[str, str | None]

# Names of the component's own palette: these alone stay legible in dark mode.
PALETTE = ("blue", "red", "green", "purple", "orange", "teal", "pink", "cyan", "lime")
BACK_COLOUR = "yellow"
LISTED = 40
SIGNS = {"kept": "=", "lost": "−", "new": "+", "boundary changed": "↔", "type changed": "≠"}
FASTEST, FEWEST, CLOSEST = "fastest", "fewest operations", "closest to dense"
ABOUT = {
    "dense": "Every word goes through every layer: the reference.",
    "hf": "The plain Hugging Face model with the same weights.",
    "rule": "Words leave that matter little to others and whose label is clear.",
    "entropy": "Words leave when their own label and their neighbours' are certain.",
    "mlp": "Words leave when a small network thinks that their label will not change.",
    "random": f"As many words leave as under {REPLAYED} with the same settings, chosen at random.",
    "truncate": "The encoder ends early, with the label head of that layer.",
}
BACK = "came back"
RECOVERS = "Where the result looks doubtful, words come back (trigger: {})."


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


def conditions(device: str, dtype: str, threads: int, measured: Mapping[str, Measured]) -> str:
    """Under which conditions the times below were measured, and whether anything was the fastest."""
    runs = len(next(iter(measured.values())).runs_ms)
    timed = f"median of {runs} runs" if runs > 1 else "one run"
    undecided = len(measured) > 1 and not any(FASTEST in marks for marks in distinctions(measured).values())
    why = "too few runs to tell" if runs < RUNS else "no strategy was ahead in every round"
    return (
        f'<p class="conditions">Measured just now: {timed} after a discarded one, strategies in turn; '
        f"whole call, from text to entities; {escape(device)}, {escape(dtype)}, {threads} "
        f"{'thread' if threads == 1 else 'threads'}.{f' None is marked fastest: {why}.' if undecided else ''}</p>"
    )


def distinctions(measured: Mapping[str, Measured]) -> dict[str, list[str]]:
    """By strategy: ``FASTEST``, ``FEWEST`` and ``CLOSEST``, each only where the difference is real.

    The fastest was ahead of each other one in every round; fewest multiply-adds and most of dense's labels (hf, which
    is dense, does not compete) are those of one strategy alone.
    """
    marks: dict[str, list[str]] = {name: [] for name in measured}
    if len(measured) < 2:
        return marks
    for name, one in measured.items():
        if all(one.faster_than(other) for rival, other in measured.items() if rival != name):
            marks[name].append(FASTEST)
    operations = {name: -one.result.cost.multiply_adds for name, one in measured.items()}
    close = {
        name: agreement(one.result, measured["dense"].result)[0]
        for name, one in measured.items()
        if "dense" in measured and name not in ("dense", "hf")
    }
    for mark, scores in ((FEWEST, operations), (CLOSEST, close)):
        best = [name for name, score in scores.items() if score == max(scores.values())]
        if len(best) == 1 and len(scores) > 1:
            marks[best[0]].append(mark)
    return marks


def card(measured: Measured, dense: Measured, marks: Sequence[str] = ()) -> str:
    """What one strategy did to the text, beside ``dense``; ``marks``: of `distinctions`."""
    result, cost = measured.result, measured.result.cost
    figures = [
        ("token-layers kept", f"{cost.token_layers_kept:.1%}"),
        ("multiply-adds", f"{cost.multiply_adds / 1e9:.2f} G{_share_of_dense(measured, dense)}"),
        ("words", _fates(result)),
        ("came back", _recovered(result)),
        ("entities", str(len(result.entities))),
        ("agrees with dense", _agreement(result, dense.result)),
    ]
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures)
    badges = "".join(f'<span class="mark">★ {mark}</span>' for mark in marks)
    return (
        f'<section class="card"><h3>{escape(result.strategy.name)}</h3><p class="marks">{badges}</p>'
        f'<p class="about">{escape(_about(result.strategy))}</p>'
        f'<p class="latency"><strong>{measured.latency_ms:.1f} ms</strong> {_speed(measured, dense)}'
        f'<span class="spread">{_spread(measured)}</span></p>'
        f"<dl>{rows}</dl>{_differing(result, dense.result)}</section>"
    )


def _about(strategy: Strategy) -> str:
    parts = [ABOUT[strategy.base.removesuffix(RECOVERY).partition("-")[0]]]
    if strategy.recovery:
        parts.append(RECOVERS.format(strategy.recovery.trigger))
    if strategy.gates:
        parts.append(f"Gate layers: {', '.join(map(str, strategy.gates))}.")
    return " ".join(parts)


def _speed(measured: Measured, dense: Measured) -> str:
    if measured is dense:
        return '<span class="speed">the reference</span>'
    ratio = math.floor(100 * dense.latency_ms / measured.latency_ms) / 100
    if measured.faster_than(dense):
        return f'<span class="speed">{ratio:.2f}× as fast as dense on this text</span>'
    if dense.faster_than(measured):
        return f'<span class="speed slower">slower than dense on this text: {ratio:.2f}×</span>'
    if len(measured.runs_ms) < RUNS:
        return f'<span class="speed">too few runs to tell from dense on this text: {ratio:.2f}×</span>'
    return f'<span class="speed">no real difference from dense here: {ratio:.2f}×, rounds disagree</span>'


def _spread(measured: Measured) -> str:
    low, high, runs = min(measured.runs_ms), max(measured.runs_ms), len(measured.runs_ms)
    return f"{low:.1f}–{high:.1f} ms in {runs} runs" if runs > 1 else "one run"


def _share_of_dense(measured: Measured, dense: Measured) -> str:
    if measured is dense:
        return ""
    return f" = {measured.result.cost.multiply_adds / dense.result.cost.multiply_adds:.2f}× dense"


def _fates(result: Result) -> str:
    words = result.trace.words
    left = [word.layer for word in words if word.state == "left"]
    back = sum(word.state == "recovered" for word in words)
    parts = [f"{left.count(layer)} left at layer {layer}" for layer in sorted(set(left))]
    return ", ".join([f"{len(words) - len(left) - back} of {len(words)} stayed", *parts])


def _recovered(result: Result) -> str:
    if result.strategy.recovery is None:
        return "no recovery"
    return f"{sum(word.state == 'recovered' for word in result.trace.words)} words"


def _agreement(result: Result, dense: Result) -> str:
    if result is dense:
        return "the reference"
    same, words = agreement(result, dense)
    return f"{same} of {words} words, {_kept(result, dense)} of {len(dense.entities)} entities"


def _kept(result: Result, dense: Result) -> int:
    return len({entity.key for entity in result.entities} & {entity.key for entity in dense.entities})


def _differing(result: Result, dense: Result) -> str:
    if result is dense:
        return ""
    found = differences(result, dense)
    counts = Counter(difference.kind for difference in found)
    changed = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind] and kind != "kept")
    summary = f"Unlike dense: {changed}" if changed else "The same entities as dense"
    items = [
        f'<li class="{one.kind.partition(" ")[0]}"><b>{SIGNS[one.kind]} {escape(one.entity.text)}</b> '
        f"({escape(one.entity.type)}) {one.kind}: {escape(one.reason)}</li>"
        for one in found[:LISTED]
    ]
    if len(found) > LISTED:
        items.append(f"<li>and {len(found) - LISTED} more</li>")
    return f"<details><summary>{summary}</summary><ul>{''.join(items)}</ul></details>"
