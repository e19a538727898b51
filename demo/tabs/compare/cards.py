"""Cards: the figures of each strategy on a text, compared with dense."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from demo.common.differences import KINDS, SAME, SIGNS
from demo.common.markup import cells, escape, note, number_of, table, term
from demo.common.timing import RUNS, Timing
from demo.settings import describe, with_settings
from demo.tabs.compare.comparison import ComparedStrategy
from engine import Result

SCRIPT = Path(__file__).with_suffix(".js")
LISTED = 40  # differences per card
SUMMED_UP = 3  # strategies from which on a table sums up the cards
FASTEST, FEWEST, CLOSEST = "fastest", "fewest MACs", "closest to dense"


def conditions(device: str, threads: int, compared: Sequence[ComparedStrategy]) -> str:
    """How the cards' times were measured, and why no card is marked as the fastest if none is."""
    first = compared[0].timing
    runs = len(first.runs_ms)
    median = f"median of {runs} runs" if runs > 1 else "one run"
    undecided = len(compared) > 1 and not any(FASTEST in badges for badges in award_badges(compared))
    why = "none was ahead in every run" if runs >= RUNS else "there were too few runs to tell"
    line = (
        f"Measured just now: end-to-end, from text to entities; {median}"
        f"{' after an untimed one' if first.warm else ''}, strategies taking turns; {device}, "
        f"{number_of(threads, 'thread')}." + (f" No strategy is marked as the fastest: {why}." if undecided else "")
    )
    return f'<div class="conditions">{note(line)}</div>'


def summary(compared: Sequence[ComparedStrategy]) -> str:
    """A table with a row for each strategy; empty for fewer than ``SUMMED_UP``."""
    if len(compared) < SUMMED_UP:
        return ""
    heads = ("strategy", "ms", "speed-up", "computation", *KINDS)
    return table("Summary", "summary", heads, (_summary_row(one, compared) for one in compared))


def _summary_row(one: ComparedStrategy, compared: Sequence[ComparedStrategy]) -> str:
    figures = [
        f"{one.timing.latency_ms:.1f}",
        "–" if one.is_reference or one.doubt else f"{one.speedup:.2f}×",
        f"{one.result.cost.token_layers_kept:.0%}",
        *("–" if one.is_reference else len(one.of_kind(kind)) for kind in KINDS),
    ]
    name = escape(with_settings(one.label_among(compared), one.settings))
    return f'<tr><th scope="row">{name}</th>{cells(figures)}</tr>'


def award_badges(compared: Sequence[ComparedStrategy]) -> list[list[str]]:
    """Awards ``FASTEST``, ``FEWEST`` and ``CLOSEST``, each only if one strategy clearly comes first.

    The fastest was ahead of all others in every run. Only strategies that remove words compete for ``CLOSEST``, which
    counts the labels that they share with dense.
    """
    badges: list[list[str]] = [[] for _ in compared]
    if len(compared) < 2:
        return badges
    for index, one in enumerate(compared):
        others = [other.timing for place, other in enumerate(compared) if place != index]
        if not one.doubt and all(one.timing.faster_than(other) for other in others):
            badges[index].append(FASTEST)
    savings = {index: -one.result.cost.macs for index, one in enumerate(compared)}
    shared = {index: shared_labels(one) for index, one in enumerate(compared) if one.result.strategy.gates}
    for badge, scores in ((FEWEST, savings), (CLOSEST, shared)):
        first = [index for index, score in scores.items() if score == max(scores.values())]
        if len(first) == 1 and len(scores) > 1:
            badges[first[0]].append(badge)
    return badges


def shared_labels(one: ComparedStrategy) -> int:
    """The number of words with the same label as in the reference."""
    pairs = zip(one.result.trace.words, one.reference.result.trace.words, strict=True)
    return sum(mine.label == theirs.label for mine, theirs in pairs)


def cards(compared: Sequence[ComparedStrategy]) -> str:
    """A card for each strategy."""
    each = zip(compared, award_badges(compared), strict=True)
    return f'<div class="cards panels">{"".join(card(one, badges) for one, badges in each)}</div>'


def card(one: ComparedStrategy, badges: Sequence[str] = ()) -> str:
    """The figures of one strategy and its differences from dense; ``badges``: from `award_badges`."""
    timing, result = one.timing, one.result
    kept, gmacs = result.cost.token_layers_kept, result.cost.macs / 1e9
    figures = {
        term("computation kept"): f"{kept:.1%} of the token-layers",
        "MACs": f"{gmacs:.2f} G{_share_of_dense(one)}",
        "words": _words(result),
        term("recovery"): _recovery(result),
        "entities": _entities(result),
        f"same as {term('dense')}{escape(one.of_reference)}": _agreement(one),
    }
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures.items())
    marks = "".join(f'<span class="badge">★ {badge}</span>' for badge in badges)
    settings = " · ".join(filter(None, (one.settings, one.model)))
    time = f"{timing.latency_ms:.1f} ms"
    if one.sure or (one.is_reference and timing.steady):
        time = f"<strong>{time}</strong>"
    return (
        f'<section class="card"><h3>{escape(one.label)}</h3><p class="settings">{escape(settings)}</p>'
        f'<p class="badges">{marks}</p><p class="about">{escape(describe(result.strategy))}</p>'
        f'<p class="latency">{time} {_speed(one)}<span class="spread">{_spread(timing)}</span></p>'
        f"<dl>{rows}</dl>{_differences(one)}</section>"
    )


def _speed(one: ComparedStrategy) -> str:
    if one.is_reference:
        return '<span class="speed">the reference</span>'
    slower = one.decided and one.reference.faster_than(one.timing)
    said = one.speed_in_words(_dense(one), f"{one.speedup:.2f}×")
    return f'<span class="speed{" slower" if slower else ""}">{said}</span>'


def _dense(one: ComparedStrategy) -> str:
    return escape(f"dense{one.of_reference}")


def _spread(timing: Timing) -> str:
    low, high, runs = min(timing.runs_ms), max(timing.runs_ms), len(timing.runs_ms)
    return f"{low:.1f}–{high:.1f} ms in {runs} runs" if runs > 1 else "one run"


def _share_of_dense(one: ComparedStrategy) -> str:
    dense = one.reference.result.cost.macs
    if one.is_reference or not dense:  # a text without words
        return ""
    return f", {one.result.cost.macs / dense:.2f}× {_dense(one)}"


def _words(result: Result) -> str:
    words = result.trace.words
    layers = Counter(word.layer for word in words if word.state == "exited")
    kept = sum(word.state == "kept" for word in words)
    exited = (f"{layers[layer]} exited after layer {layer}" for layer in sorted(layers))
    return ", ".join([f"{kept} of {len(words)} went through every layer", *exited])


def _recovery(result: Result) -> str:
    if result.strategy.recovery is None:
        return "none"
    return f"{number_of(sum(word.state == 'recovered' for word in result.trace.words), 'word')} came back"


def _entities(result: Result) -> str:
    """Their number, which the threshold above the cards changes."""
    scores = " ".join(f"{entity.score:.4f}" for entity in result.entities)
    return f'<span data-scores="{scores}">{len(result.entities)}</span>'


def _agreement(one: ComparedStrategy) -> str:
    if one.is_reference:
        return "the reference"
    dense = one.reference.result
    shared = f"{len(one.of_kind(SAME))} of {len(dense.entities)} entities" if dense.entities else "no entities in dense"
    return f"{shared_labels(one)} of {len(dense.words)} labels, {shared}"


def _differences(one: ComparedStrategy) -> str:
    if one.is_reference:
        return ""
    counts = Counter(each.kind for each in one.differences if each.kind != SAME)
    changed = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])
    summary = f"Differs from {_dense(one)}: {changed}" if changed else f"Same entities as {_dense(one)}"
    items = [
        f'<li class="{each.kind}"><b>{SIGNS[each.kind]}{escape(each.entity.text)}</b> '
        f"({escape(each.entity.type)}) {each.kind}: {escape(each.reason)}</li>"
        for each in one.differences[:LISTED]
    ]
    if len(one.differences) > LISTED:
        items.append(f"<li>and {len(one.differences) - LISTED} more</li>")
    return f"<details><summary>{summary}</summary><ul>{''.join(items)}</ul></details>"
