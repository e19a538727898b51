"""Cards: the figures of each strategy on a text, compared with ``dense``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from demo.common.compared import KINDS, SIGNS, Compared, agreement
from demo.common.markup import escape, note, term
from demo.common.timing import RUNS, Measured
from demo.settings import describe
from engine import Result

SCRIPT = Path(__file__).with_suffix(".js")
LISTED = 40  # differences per card
SUMMED_UP = 3  # strategies from which on a table sums up the cards
FASTEST, FEWEST, CLOSEST = "fastest", "fewest MACs", "closest to dense"


def conditions(device: str, threads: int, compared: Sequence[Compared]) -> str:
    """How the cards' times were measured, and why no card is marked as the fastest if none is."""
    first = compared[0].measured
    runs = len(first.runs_ms)
    median = f"median of {runs} runs" if runs > 1 else "one run"
    undecided = len(compared) > 1 and not any(FASTEST in badges for badges in award_badges(compared))
    why = "none was ahead in every run" if runs >= RUNS else "there were too few runs to tell"
    line = (
        f"Measured just now: end-to-end, from text to entities; {median}"
        f"{' after an untimed one' if first.warm else ''}, strategies taking turns; {device}, "
        f"{threads} {'thread' if threads == 1 else 'threads'}."
        + (f" No strategy is marked as the fastest: {why}." if undecided else "")
    )
    return f'<div class="conditions">{note(line)}</div>'


def summary(compared: Sequence[Compared]) -> str:
    """A row for each strategy; nothing for fewer than ``SUMMED_UP``."""
    if len(compared) < SUMMED_UP:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in ("strategy", "ms", "speed-up", "computation", *KINDS))
    rows = "".join(_summary_row(one, compared) for one in compared)
    return (
        '<div class="summary" tabindex="0" role="region" aria-label="Summary"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _summary_row(one: Compared, compared: Sequence[Compared]) -> str:
    cells = [
        f"{one.measured.latency_ms:.1f}",
        "–" if one.is_reference or one.doubt else f"{one.speedup:.2f}×",
        f"{one.result.cost.token_layers_kept:.0%}",
        *("–" if one.is_reference else str(len(one.of_kind(kind))) for kind in KINDS),
    ]
    name = escape(one.name_among(compared) + (f" ({one.settings})" if one.settings else ""))
    return f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def award_badges(compared: Sequence[Compared]) -> list[list[str]]:
    """Awards ``FASTEST``, ``FEWEST`` and ``CLOSEST``, only if one strategy clearly comes first.

    The fastest was ahead of all others in every run. Only strategies that remove words compete for `CLOSEST`, which
    counts labels shared with ``dense``.
    """
    badges: list[list[str]] = [[] for _ in compared]
    if len(compared) < 2:
        return badges
    for index, one in enumerate(compared):
        others = [other.measured for place, other in enumerate(compared) if place != index]
        if not one.doubt and all(one.measured.faster_than(other) for other in others):
            badges[index].append(FASTEST)
    savings = {index: -one.result.cost.macs for index, one in enumerate(compared)}
    agreements = {
        index: agreement(one.result, one.reference.result)[0]
        for index, one in enumerate(compared)
        if one.result.strategy.gates
    }
    for badge, scores in ((FEWEST, savings), (CLOSEST, agreements)):
        first = [index for index, score in scores.items() if score == max(scores.values())]
        if len(first) == 1 and len(scores) > 1:
            badges[first[0]].append(badge)
    return badges


def cards(compared: Sequence[Compared]) -> str:
    """A card for each strategy."""
    each = zip(compared, award_badges(compared), strict=True)
    return f'<div class="cards panels">{"".join(card(one, badges) for one, badges in each)}</div>'


def card(one: Compared, badges: Sequence[str] = ()) -> str:
    """The figures of one strategy and its differences from ``dense``; ``badges``: from `award_badges`."""
    measured, result, cost = one.measured, one.result, one.result.cost
    figures = {
        term("computation kept"): f"{cost.token_layers_kept:.1%} of the token-layers",
        "MACs": f"{cost.macs / 1e9:.2f} G{_share_of_dense(one)}",
        "words": _words(result),
        term("recovery"): _recovery(result),
        "entities": _entities(result),
        f"same as {term('dense')}{escape(one.of_reference)}": _agreement(one),
    }
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures.items())
    marks = "".join(f'<span class="badge">★ {badge}</span>' for badge in badges)
    settings = " · ".join(part for part in (one.settings, one.model) if part)
    time = f"{measured.latency_ms:.1f} ms"
    if one.decided or (one.is_reference and measured.steady):
        time = f"<strong>{time}</strong>"
    return (
        f'<section class="card"><h3>{escape(one.name)}</h3><p class="settings">{escape(settings)}</p>'
        f'<p class="badges">{marks}</p>'
        f'<p class="about">{escape(describe(result.strategy))}</p>'
        f'<p class="latency">{time} {_speed(one)}'
        f'<span class="spread">{_spread(measured)}</span></p>'
        f"<dl>{rows}</dl>{_differences(one)}</section>"
    )


def _entities(result: Result) -> str:
    """Their number, which the slider in the texts changes."""
    scores = " ".join(f"{entity.score:.4f}" for entity in result.entities)
    return f'<span data-scores="{scores}">{len(result.entities)}</span>'


def _speed(one: Compared) -> str:
    if one.is_reference:
        return '<span class="speed">the reference</span>'
    dense = _dense(one)
    if one.doubt:
        return f'<span class="speed">speed-up over {dense} not given: {one.doubt}</span>'
    if not one.decided:
        return f'<span class="speed">{one.speedup:.2f}× as fast as {dense} on this text, but not in every run</span>'
    if one.measured.faster_than(one.reference):
        return f'<span class="speed">{one.speedup:.2f}× as fast as {dense} on this text</span>'
    return f'<span class="speed slower">slower than {dense} on this text: {one.speedup:.2f}×</span>'


def _dense(one: Compared) -> str:
    return escape(f"dense{one.of_reference}")


def _spread(measured: Measured) -> str:
    low, high, runs = min(measured.runs_ms), max(measured.runs_ms), len(measured.runs_ms)
    return f"{low:.1f}–{high:.1f} ms in {runs} runs" if runs > 1 else "one run"


def _share_of_dense(one: Compared) -> str:
    dense = one.reference.result.cost.macs
    if one.is_reference or not dense:  # a text without words
        return ""
    return f", {one.result.cost.macs / dense:.2f}× {_dense(one)}"


def _words(result: Result) -> str:
    words = result.trace.words
    layers = Counter(word.layer for word in words if word.state == "exited")
    to_the_end = sum(word.state == "kept" for word in words)
    return ", ".join(
        [
            f"{to_the_end} of {len(words)} went through every layer",
            *(f"{layers[layer]} exited after layer {layer}" for layer in sorted(layers)),
        ]
    )


def _recovery(result: Result) -> str:
    if result.strategy.recovery is None:
        return "none"
    words = sum(word.state == "recovered" for word in result.trace.words)
    return f"{words} {'word' if words == 1 else 'words'} came back"


def _agreement(one: Compared) -> str:
    result, dense = one.result, one.reference.result
    if one.is_reference:
        return "the reference"
    same, words = agreement(result, dense)
    entities = len({entity.key for entity in result.entities} & {entity.key for entity in dense.entities})
    shared = f"{entities} of {len(dense.entities)} entities" if dense.entities else "no entities in dense"
    return f"{same} of {words} labels, {shared}"


def _differences(one: Compared) -> str:
    if one.is_reference:
        return ""
    found = one.differences
    counts = Counter(difference.kind for difference in found)
    changed = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS[:-1] if counts[kind])
    summary = f"Differs from {_dense(one)}: {changed}" if changed else f"Same entities as {_dense(one)}"
    items = [
        f'<li class="{each.kind}"><b>{SIGNS[each.kind]}{escape(each.entity.text)}</b> '
        f"({escape(each.entity.type)}) {each.kind}: {escape(each.reason)}</li>"
        for each in found[:LISTED]
    ]
    if len(found) > LISTED:
        items.append(f"<li>and {len(found) - LISTED} more</li>")
    return f"<details><summary>{summary}</summary><ul>{''.join(items)}</ul></details>"
