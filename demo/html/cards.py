"""Cards: what each strategy did to a text, in figures, beside ``dense``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from demo.html.escape import escape, note
from demo.results.differences import KINDS, agreement, differences
from demo.results.timing import RUNS, Measured
from demo.settings import describe
from engine import Result

LISTED = 40  # differences
SIGNS = {"kept": "=", "lost": "−", "new": "+", "boundary changed": "↔", "type changed": "≠"}
FASTEST, FEWEST, CLOSEST = "fastest", "fewest multiply-adds", "closest to dense"


def conditions(device: str, dtype: str, threads: int, measured: Mapping[str, Measured]) -> str:
    """How the times of the cards were measured, and why no card is marked as the fastest if none is."""
    runs = len(next(iter(measured.values())).runs_ms)
    median = f"median of {runs} runs" if runs > 1 else "one run"
    undecided = len(measured) > 1 and not any(FASTEST in badges for badges in award_badges(measured).values())
    why = "there were too few runs to tell" if runs < RUNS else "none was ahead in every run"
    return note(
        f"Measured just now: end-to-end, from text to entities; {median} after an untimed one, strategies taking "
        f"turns; {device}, {dtype}, {threads} {'thread' if threads == 1 else 'threads'}."
        + (f" No strategy is marked as the fastest: {why}." if undecided else "")
    )


def award_badges(measured: Mapping[str, Measured]) -> dict[str, list[str]]:
    """``FASTEST``, ``FEWEST`` and ``CLOSEST`` by strategy, each only if one strategy clearly comes first.

    The fastest was ahead of all others in every run. Only strategies that remove words compete for `CLOSEST`, which
    goes by labels shared with ``dense``.
    """
    badges: dict[str, list[str]] = {name: [] for name in measured}
    if len(measured) < 2:
        return badges
    for name, one in measured.items():
        if all(one.faster_than(other) for other_name, other in measured.items() if other_name != name):
            badges[name].append(FASTEST)
    savings = {name: -one.result.cost.multiply_adds for name, one in measured.items()}
    agreements = {
        name: agreement(one.result, measured["dense"].result)[0]
        for name, one in measured.items()
        if "dense" in measured and one.result.strategy.gates
    }
    for badge, scores in ((FEWEST, savings), (CLOSEST, agreements)):
        first = [name for name, score in scores.items() if score == max(scores.values())]
        if len(first) == 1 and len(scores) > 1:
            badges[first[0]].append(badge)
    return badges


def card(measured: Measured, dense: Measured, badges: Sequence[str] = ()) -> str:
    """The figures of one strategy and its differences from ``dense``; ``badges``: from `award_badges`."""
    result, cost = measured.result, measured.result.cost
    figures = {
        "token-layers kept": f"{cost.token_layers_kept:.1%}",
        "multiply-adds": f"{cost.multiply_adds / 1e9:.2f} G{_share_of_dense(measured, dense)}",
        "words": _words(result),
        "came back": _came_back(result),
        "entities": str(len(result.entities)),
        "same as dense": _agreement(result, dense.result),
    }
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures.items())
    marks = "".join(f'<span class="badge">★ {badge}</span>' for badge in badges)
    return (
        f'<section class="card"><h3>{escape(result.strategy.name)}</h3><p class="badges">{marks}</p>'
        f'<p class="about">{escape(describe(result.strategy))}</p>'
        f'<p class="latency"><strong>{measured.latency_ms:.1f} ms</strong> {_speed(measured, dense)}'
        f'<span class="spread">{_spread(measured)}</span></p>'
        f"<dl>{rows}</dl>{_differences(result, dense.result)}</section>"
    )


def _speed(measured: Measured, dense: Measured) -> str:
    if measured is dense:
        return '<span class="speed">the reference</span>'
    ratio = math.floor(100 * dense.latency_ms / measured.latency_ms) / 100  # never rounded up
    if measured.faster_than(dense):
        return f'<span class="speed">{ratio:.2f}× as fast as dense on this text</span>'
    if dense.faster_than(measured):
        return f'<span class="speed slower">slower than dense on this text: {ratio:.2f}×</span>'
    why = "too few runs to tell" if len(measured.runs_ms) < RUNS else "neither was faster in every run"
    return f'<span class="speed">{ratio:.2f}× as fast as dense on this text, but {why}</span>'


def _spread(measured: Measured) -> str:
    low, high, runs = min(measured.runs_ms), max(measured.runs_ms), len(measured.runs_ms)
    return f"{low:.1f}–{high:.1f} ms in {runs} runs" if runs > 1 else "one run"


def _share_of_dense(measured: Measured, dense: Measured) -> str:
    if measured is dense:
        return ""
    return f", {measured.result.cost.multiply_adds / dense.result.cost.multiply_adds:.2f}× dense"


def _words(result: Result) -> str:
    words = result.trace.words
    layers = Counter(word.layer for word in words if word.state == "left")
    to_the_end = sum(word.state == "kept" for word in words)
    return ", ".join(
        [
            f"{to_the_end} of {len(words)} went through every layer",
            *(f"{layers[layer]} left after layer {layer}" for layer in sorted(layers)),
        ]
    )


def _came_back(result: Result) -> str:
    if result.strategy.recovery is None:
        return "no recovery"
    return f"{sum(word.state == 'recovered' for word in result.trace.words)} words"


def _agreement(result: Result, dense: Result) -> str:
    if result is dense:
        return "the reference"
    same, words = agreement(result, dense)
    entities = len({entity.key for entity in result.entities} & {entity.key for entity in dense.entities})
    return f"{same} of {words} labels, {entities} of {len(dense.entities)} entities"


def _differences(result: Result, dense: Result) -> str:
    if result is dense:
        return ""
    found = differences(result, dense)
    counts = Counter(difference.kind for difference in found)
    changed = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind] and kind != "kept")
    summary = f"Differs from dense: {changed}" if changed else "Same entities as dense"
    items = [
        f'<li class="{one.kind.partition(" ")[0]}"><b>{SIGNS[one.kind]} {escape(one.entity.text)}</b> '
        f"({escape(one.entity.type)}) {one.kind}: {escape(one.reason)}</li>"
        for one in found[:LISTED]
    ]
    if len(found) > LISTED:
        items.append(f"<li>and {len(found) - LISTED} more</li>")
    return f"<details><summary>{summary}</summary><ul>{''.join(items)}</ul></details>"
