"""A report's frontier: F1 against speed-up as SVG, with buttons as marks on top and a table.

Positions are shares of the drawing, so it fits any width while marks and text keep their size. The style sheet does
the rest and shows the card of the mark that is pointed at or focused.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from demo.common.markup import escape
from demo.tabs.frontier.variants import Interval, Variant
from eval.render.choice import f1_axis, frontier, place, to_label
from eval.schema import BASELINE, DENSE, HF, MODEL

WIDTH, HEIGHT = 720, 400  # pixels, for placing labels; narrower pages hide them
CHARACTER, LINE = 6.6, 15  # pixels: size of a label
_TICKS = (0.1, 0.2, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100)  # of the speed-up axis
_MARGIN = 0.04  # as a share of an axis
_SHAPES = {  # in a 20 × 20 box around 0
    DENSE: "M-6-6H6V6H-6Z",
    HF: "M0-8 8 0 0 8-8 0Z",
    "rule": "M0-8 8 6H-8Z",
    "entropy": "M-7 0A7 7 0 1 0 7 0A7 7 0 1 0-7 0Z",
    "mlp": "M-2.5-8H2.5V-2.5H8V2.5H2.5V8H-2.5V2.5H-8V-2.5H-2.5Z",
    "random": "M-8-5-5-8 0-3 5-8 8-5 3 0 8 5 5 8 0 3-5 8-8 5-3 0Z",
    "truncate": "M-8-6H8L0 8Z",
    BASELINE: "M0-9 2.5-3 9-3 4 1.5 6 8 0 4-6 8-4 1.5-9-3-2.5-3Z",
    MODEL: "M7-8V8L-8 0Z",
}
_OTHER = "M-8 0-4-7H4L8 0 4 7H-4Z"
_FILLS = ("filled", "light", "hollow", "dotted")  # for the dtypes, in the report's order


@dataclass(frozen=True)
class _Axes:
    """Places speed-ups (logarithmic) and F1, as shares of the drawing from the left and the top."""

    slowest: float
    fastest: float
    lowest: float
    highest: float

    def x(self, speedup: float) -> float:
        low, high = math.log(self.slowest), math.log(self.fastest)
        return _MARGIN + (1 - 2 * _MARGIN) * (math.log(min(max(speedup, self.slowest), self.fastest)) - low) / (
            high - low
        )

    def y(self, f1: float) -> float:
        share = (min(max(f1, self.lowest), self.highest) - self.lowest) / (self.highest - self.lowest)
        return 1 - _MARGIN - (1 - 2 * _MARGIN) * share


def chart(
    variants: Sequence[Variant], current: Collection[str], tries: Mapping[str, tuple[str, str]], conditions: str
) -> str:
    """The drawing with its legend and table.

    Args:
        variants: variants at one batch size, by increasing speed-up.
        current: labels of those that ran with the current settings; they get a ring.
        tries: label → strategy and operating point with which the page can run it.
        conditions: what the report was measured on.
    """
    shown = [one for one in variants if one.f1 is not None]
    if not shown:
        return ""
    axes, dtypes = _axes(shown), list(dict.fromkeys(one.dtype for one in sorted(variants, key=_reference_first)))
    labels = _labels(shown, axes)
    marks = "".join(_mark(one, axes, dtypes, labels.get(one.label), current, tries) for one in shown)
    return (
        f'<figure class="frontier"><p class="axis-y">F1 (exact spans)</p><div class="plot-area">{_frame(shown, axes)}'
        f'<ul class="marks" aria-label="Variants by increasing speed-up: arrow keys move between them">{marks}</ul>'
        f'{_tick_labels(axes)}</div><p class="axis-x">speed-up against dense, end-to-end (logarithmic)</p>'
        f'<p class="hint note">Point at a mark, tap it or use the arrow keys to see its figures. Click a strategy '
        f"of this page's dtype to try it on the text; for another dtype, start the app with --dtype.</p>"
        f"{_legend(shown, dtypes, current)}"
        f"<figcaption>Bars: 95 % intervals of the difference from dense. Dotted line: the Pareto frontier. An arrow "
        f"marks a variant that lies beyond the axes. "
        f"{escape(conditions)}</figcaption></figure>{_table(variants)}"
    )


def _reference_first(variant: Variant) -> bool:
    """Sort key that puts ``dense`` in the report's first dtype, whose speed-up is 1, first."""
    return not (variant.name == DENSE and variant.speedup == 1)


def _has_dense(shown: Sequence[Variant]) -> bool:
    return any(one.kind == DENSE for one in shown)


def _axes(shown: Sequence[Variant]) -> _Axes:
    f1 = [one.f1 or 0.0 for one in shown]
    low, high = f1_axis(shown) if _has_dense(shown) else (min(f1) - 0.001, max(f1) + 0.001)
    speeds = sorted(one.speedup for one in shown)
    # A variant far faster or slower than the next lies on the edge.
    while len(speeds) > 2 and speeds[-1] > 3 * speeds[-2]:
        speeds.pop()
    while len(speeds) > 2 and speeds[0] < speeds[1] / 3:
        speeds.pop(0)
    return _Axes(speeds[0] / 1.06, speeds[-1] * 1.06, low, high)


def _ends(value: float, loss: Interval | None, own: float | None) -> Interval:
    """The interval of F1, from the interval of the difference from dense."""
    if loss is None or own is None:
        return value, value
    return min(value, value - own + loss[0]), max(value, value - own + loss[1])


def _frame(shown: Sequence[Variant], axes: _Axes) -> str:
    """Draws the grid, intervals, lines within families, and the frontier."""
    grid = [_line([(axes.x(tick), 0), (axes.x(tick), 1)], "grid") for tick in _ticks(axes)]
    grid += [_line([(0, axes.y(tick)), (1, axes.y(tick))], "grid") for tick in _f1_ticks(axes)]
    parts = [*grid, _line([(axes.x(1), 0), (axes.x(1), 1)], "grid dense-line")]
    families: dict[tuple[str, str], list[Variant]] = {}
    for one in shown:
        families.setdefault((one.family, one.dtype), []).append(one)
    for members in families.values():
        parts.append(_line([_place(one, axes) for one in members], f"family {_colour(members[0])}"))
    for one in shown:
        x, y = _place(one, axes)
        low, high = _ends(one.f1 or 0.0, one.loss_interval, one.loss)
        slow, fast = one.speedup_interval or (one.speedup, one.speedup)
        parts.append(_line([(x, axes.y(low)), (x, axes.y(high))], f"bar {_colour(one)}"))
        parts.append(_line([(axes.x(slow), y), (axes.x(fast), y)], f"bar {_colour(one)}"))
    parts.append(_line([_place(one, axes) for one in frontier(shown)], "best"))
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">{"".join(parts)}</svg>'


def _place(variant: Variant, axes: _Axes) -> tuple[float, float]:
    return axes.x(variant.speedup), axes.y(variant.f1 or 0.0)


def _line(places: Iterable[tuple[float, float]], kind: str) -> str:
    points = " ".join(f"{x * WIDTH:.1f},{y * HEIGHT:.1f}" for x, y in places)
    return f'<polyline class="{kind}" points="{points}" vector-effect="non-scaling-stroke"/>'


def _ticks(axes: _Axes) -> list[float]:
    return [tick for tick in _TICKS if axes.slowest <= tick <= axes.fastest]


def _f1_ticks(axes: _Axes) -> list[float]:
    span = axes.highest - axes.lowest
    step = next(step for step in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 1.0) if span / step <= 7)
    first = math.ceil(axes.lowest / step)
    return [index * step for index in range(first, math.floor(axes.highest / step) + 1)]


def _tick_labels(axes: _Axes) -> str:
    below = (f'<span class="tick x" style="left:{axes.x(tick):.2%}">{tick:g}×</span>' for tick in _ticks(axes))
    beside = (f'<span class="tick y" style="top:{axes.y(tick):.2%}">{tick:.3f}</span>' for tick in _f1_ticks(axes))
    return f'<div aria-hidden="true">{"".join([*below, *beside])}</div>'


def _colour(variant: Variant) -> str:
    """The CSS class that colours a variant by its kind."""
    return f"kind-{variant.kind if variant.kind in _SHAPES else 'other'}"


def marker(kind: str, *, recovers: bool = False, fill: str = "filled") -> str:
    """The mark for a kind of variant; a light dot in it means recovery."""
    colour = f"kind-{kind if kind in _SHAPES else 'other'}"
    dot = '<circle r="2.6" class="recovers"/>' if recovers else ""
    return (
        f'<svg class="marker {colour} {fill}" viewBox="-10 -10 20 20" aria-hidden="true">'
        f'<path d="{_SHAPES.get(kind, _OTHER)}"/>{dot}</svg>'
    )


def _fill(variant: Variant, dtypes: Sequence[str]) -> str:
    return _FILLS[min(dtypes.index(variant.dtype), len(_FILLS) - 1)]


def _marker_of(variant: Variant, dtypes: Sequence[str]) -> str:
    return marker(variant.kind, recovers="+recovery" in variant.name, fill=_fill(variant, dtypes))


def _mark(
    variant: Variant,
    axes: _Axes,
    dtypes: Sequence[str],
    name: tuple[str, float, float] | None,
    current: Collection[str],
    tries: Mapping[str, tuple[str, str]],
) -> str:
    x, y = _place(variant, axes)
    sides = f"{'left' if x > 0.55 else 'right'} {'above' if y > 0.5 else 'below'}"
    ringed = variant.label in current
    attempt = tries.get(variant.label)
    data = f' data-strategy="{escape(attempt[0])}" data-point="{escape(attempt[1])}"' if attempt else ""
    say = "; these are the current settings" * ringed + ("; press to try it on the text" if attempt else "")
    edge = _edge(variant, axes)
    shown = ""
    if name:
        text, dx, dy = name
        shown = f'<span class="name" style="--dx:{dx:.0f}px;--dy:{dy:.0f}px" aria-hidden="true">{escape(text)}</span>'
    return (
        f'<li style="--x:{x:.2%};--y:{y:.2%}"><button type="button" class="{"current" if ringed else ""}"{data} '
        f'aria-label="{escape(_in_a_sentence(variant) + say)}">{_marker_of(variant, dtypes)}{edge}{shown}</button>'
        f'<div class="tip {sides}" aria-hidden="true">{_tip(variant, ringed=ringed, tries=bool(attempt))}</div></li>'
    )


def _edge(variant: Variant, axes: _Axes) -> str:
    """Arrows for a variant that lies beyond an axis."""
    beyond = {
        "↓": (variant.f1 or 0.0) < axes.lowest,
        "→": variant.speedup > axes.fastest,
        "←": variant.speedup < axes.slowest,
    }
    return "".join(f'<span class="edge" aria-hidden="true">{arrow}</span>' for arrow, is_it in beyond.items() if is_it)


def _in_a_sentence(variant: Variant) -> str:
    return f"{variant.label}: " + ", ".join(f"{name} {value}" for name, value in _facts(variant).items())


def _facts(variant: Variant) -> dict[str, str]:
    """A variant's measured figures in words."""

    def ratio(value: float | None) -> str:
        return f"{value:.2f}×" if value else ""

    found: dict[str, str] = {}
    if variant.f1 is not None:
        found["F1"] = f"{variant.f1:.4f}{_interval(variant.f1_interval, 1, '.4f')}"
    if variant.loss is not None:
        unclear = "" if variant.loss_significant else ", not significant"
        difference = f"{100 * variant.loss:+.2f} pp{_interval(variant.loss_interval, 100, '+.2f')}"
        found["F1 against dense"] = difference + unclear
    found["speed-up"] = f"{variant.speedup:.2f}×{_interval(variant.speedup_interval, 1, '.2f')}"
    if variant.same_dtype != variant.speedup:
        found[f"speed-up against dense ({variant.dtype})"] = ratio(variant.same_dtype)
    found |= {
        "theoretical speed-up": ratio(variant.theoretical),
        "token-layers kept": f"{variant.kept:.1%}" if variant.kept else "",
        "time per document": f"{variant.milliseconds:.1f} ms",
        "dtype": variant.dtype,
        "settings": variant.settings,
    }
    return {name: value for name, value in found.items() if value}


def _interval(ends: Interval | None, scale: float, form: str) -> str:
    return f" [{ends[0] * scale:{form}}, {ends[1] * scale:{form}}]" if ends and ends[0] != ends[1] else ""


def _tip(variant: Variant, *, ringed: bool, tries: bool) -> str:
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in _facts(variant).items()
    )
    then = "Click to try it on the text." if tries else "This page cannot run it."
    present = "These are the current settings. " if ringed else ""
    return f"<strong>{escape(variant.label)}</strong><dl>{rows}</dl><p>{present}{then}</p>"


def _legend(shown: Sequence[Variant], dtypes: Sequence[str], current: Collection[str]) -> str:
    kinds = list(dict.fromkeys(one.kind for one in shown))
    items = [f"<li>{marker(kind)} {escape(kind)}</li>" for kind in kinds]
    if recovering := next((one for one in shown if "+recovery" in one.name), None):
        items.append(f"<li>{marker(recovering.kind, recovers=True)} with recovery</li>")
    if len(dtypes) > 1:
        items += [f"<li>{marker(DENSE, fill=_FILLS[min(i, 3)])} {escape(name)}</li>" for i, name in enumerate(dtypes)]
    if any(one.label in current for one in shown):
        items.append('<li><span class="ring"></span> current settings</li>')
    return f'<ul class="legend">{"".join(items)}</ul>'


def _table(variants: Sequence[Variant]) -> str:
    columns = list(dict.fromkeys(name for one in variants for name in _facts(one)))
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("variant", *columns))
    rows = "".join(
        f'<tr><th scope="row">{escape(one.label)}</th>'
        + "".join(f"<td>{escape(_facts(one).get(name, '–'))}</td>" for name in columns)
        + "</tr>"
        for one in variants
    )
    return (
        '<details class="figures"><summary>All figures as a table</summary><div class="wide" tabindex="0" '
        f'role="region" aria-label="All figures"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        "</div></details>"
    )


def _labels(shown: Sequence[Variant], axes: _Axes) -> dict[str, tuple[str, float, float]]:
    """Label → what to write and where, in pixels from the mark, for the variants that the report labels too."""
    if not _has_dense(shown):
        return {}
    marks = [(axes.x(one.speedup) * WIDTH, axes.y(one.f1 or 0.0) * HEIGHT) for one in shown]
    texts = {shown.index(one): one.label + _f1_if_beyond(one, axes) for one in to_label(shown)}
    sizes = {index: (CHARACTER * len(text), LINE) for index, text in texts.items()}
    places = place(marks, sizes, (WIDTH, HEIGHT))
    return {
        shown[index].label: (texts[index], x - marks[index][0], y - marks[index][1]) for index, (x, y) in places.items()
    }


def _f1_if_beyond(variant: Variant, axes: _Axes) -> str:
    f1 = variant.f1 or 0.0
    return "" if axes.lowest <= f1 <= axes.highest else f" ({f1:.3f})"
