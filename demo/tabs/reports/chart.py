"""A report's frontier: F1 against speed-up as SVG, with buttons as marks on top and a table.

Positions are shares of the drawing, so it fits any width while marks and text keep their size. The style sheet does
the rest and shows the card of the mark that is pointed at or focused.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby

from demo.common.markup import cells, escape, table
from demo.tabs.reports.marks import Mark
from eval.render.frontier import f1_axis, frontier, place, reference, to_label
from eval.schema import BASELINE, DENSE, MODEL

WIDTH, HEIGHT = 720, 400  # pixels, for placing labels; narrower pages hide them
CHARACTER, LINE = 6.6, 15  # pixels: size of a label
SPEEDUP_TICKS = (0.1, 0.2, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100)
F1_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 1.0)
MARGIN = 0.04  # as a share of an axis
SHAPES = {  # in a 20 × 20 box around 0
    DENSE: "M-6-6H6V6H-6Z",
    "rule": "M0-8 8 6H-8Z",
    "entropy": "M-7 0A7 7 0 1 0 7 0A7 7 0 1 0-7 0Z",
    "mlp": "M-2.5-8H2.5V-2.5H8V2.5H2.5V8H-2.5V2.5H-8V-2.5H-2.5Z",
    "random": "M-8-5-5-8 0-3 5-8 8-5 3 0 8 5 5 8 0 3-5 8-8 5-3 0Z",
    "truncate": "M-8-6H8L0 8Z",
    BASELINE: "M0-9 2.5-3 9-3 4 1.5 6 8 0 4-6 8-4 1.5-9-3-2.5-3Z",
    MODEL: "M7-8V8L-8 0Z",
}
OTHER = "M-8 0-4-7H4L8 0 4 7H-4Z"
FILLS = ("filled", "light", "hollow", "dotted")  # for the dtypes, in the report's order


class Axes:
    """Speed-up (logarithmic) and F1 as shares of the drawing from the left and the top."""

    def __init__(self, marks: Sequence[Mark]) -> None:
        speeds = sorted(mark.speedup for mark in marks)
        # A variant far faster or slower than the next lies on the edge.
        while len(speeds) > 2 and speeds[-1] > 3 * speeds[-2]:
            speeds.pop()
        while len(speeds) > 2 and speeds[0] < speeds[1] / 3:
            speeds.pop(0)
        self.slowest, self.fastest = speeds[0] / 1.06, speeds[-1] * 1.06
        self.lowest, self.highest = f1_axis(marks)

    def x(self, speedup: float) -> float:
        """The place of a speed-up, at the edge if it lies beyond."""
        return _share(math.log(speedup), math.log(self.slowest), math.log(self.fastest))

    def y(self, f1: float) -> float:
        """The place of an F1, at the edge if it lies beyond."""
        return 1 - _share(f1, self.lowest, self.highest)

    def place(self, mark: Mark) -> tuple[float, float]:
        """The place of a mark."""
        return self.x(mark.speedup), self.y(mark.row["f1"])

    @property
    def speedup_ticks(self) -> list[float]:
        """Labelled speed-ups."""
        return [tick for tick in SPEEDUP_TICKS if self.slowest <= tick <= self.fastest]

    @property
    def f1_ticks(self) -> list[float]:
        """Labelled F1, at most eight."""
        step = next(step for step in F1_STEPS if (self.highest - self.lowest) / step <= 7)
        numbers = range(math.ceil(self.lowest / step), math.floor(self.highest / step) + 1)
        return [number * step for number in numbers]

    def arrows(self, mark: Mark) -> str:
        """Arrows for a mark that lies beyond an axis."""
        below, right, left = mark.row["f1"] < self.lowest, mark.speedup > self.fastest, mark.speedup < self.slowest
        return "↓" * below + "→" * right + "←" * left


def _share(value: float, low: float, high: float) -> float:
    return MARGIN + (1 - 2 * MARGIN) * (min(max(value, low), high) - low) / (high - low)


def chart(
    marks: Sequence[Mark], current: Collection[str], tries: Mapping[str, tuple[str, str]], conditions: str
) -> str:
    """The drawing with its legend and table.

    ``marks``: at one batch size, by increasing speed-up. ``current``: labels of those that ran with the current
    settings; they get a ring. ``tries``: label → strategy and operating point with which the page can run it.
    """
    shown = [mark for mark in marks if mark.f1 is not None]
    axes = Axes(shown)
    beyond = " An arrow marks a variant that lies beyond the axes." * any(map(axes.arrows, shown))
    names = _names(shown, axes)
    # The first dtype is that of the reference.
    dtypes = dict.fromkeys(mark.row["dtype"] for mark in (reference(shown), *marks))
    fills = {dtype: FILLS[min(index, 3)] for index, dtype in enumerate(dtypes)}
    buttons = "".join(
        _button(mark, axes, fills[mark.row["dtype"]], names.get(mark.label, ""), mark.label in current, tries)
        for mark in shown
    )
    return (
        f'<figure class="frontier"><p class="axis-y">F1 (exact spans)</p><div class="plot-area">{_drawing(shown, axes)}'
        f'<ul class="marks" aria-label="Variants by increasing speed-up: arrow keys move between them">{buttons}</ul>'
        f'{_tick_labels(axes)}</div><p class="axis-x">speed-up against dense, end-to-end (logarithmic)</p>'
        f'<p class="hint note">Point at a mark, tap it or use the arrow keys to see its figures. Click a strategy '
        f"of this page's dtype to try it on the text; for another dtype, start the app with --dtype.</p>"
        f"{_legend(shown, fills, current)}"
        f"<figcaption>Bars: 95 % intervals of the difference from dense. Dotted line: the Pareto frontier.{beyond} "
        f"{escape(conditions)}</figcaption></figure>{_table(marks)}"
    )


def _drawing(marks: Sequence[Mark], axes: Axes) -> str:
    """The grid, the intervals, lines between the marks of a family, and the frontier."""
    parts = [_line([(axes.x(tick), 0), (axes.x(tick), 1)], "grid") for tick in axes.speedup_ticks]
    parts += [_line([(0, axes.y(tick)), (1, axes.y(tick))], "grid") for tick in axes.f1_ticks]
    parts.append(_line([(axes.x(1), 0), (axes.x(1), 1)], "grid dense-line"))

    def family(mark: Mark) -> tuple[str, str]:
        return mark.row["family"], mark.row["dtype"]

    for _, members in groupby(sorted(marks, key=family), family):
        of_family = list(members)
        parts.append(_line(map(axes.place, of_family), f"family {_colour(of_family[0].kind)}"))
    for mark in marks:
        (x, y), against, bar = axes.place(mark), mark.against_dense, f"bar {_colour(mark.kind)}"
        dense = mark.row["f1"] - against["difference"]
        if not math.isnan(against["low"]):
            low, high = min(mark.row["f1"], dense + against["low"]), max(mark.row["f1"], dense + against["high"])
            parts.append(_line([(x, axes.y(low)), (x, axes.y(high))], bar))
        if not math.isnan(against["speedup_low"]):
            parts.append(_line([(axes.x(against["speedup_low"]), y), (axes.x(against["speedup_high"]), y)], bar))
    parts.append(_line(map(axes.place, frontier(marks)), "best"))
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">{"".join(parts)}</svg>'


def _line(places: Iterable[tuple[float, float]], kind: str) -> str:
    points = " ".join(f"{x * WIDTH:.1f},{y * HEIGHT:.1f}" for x, y in places)
    return f'<polyline class="{kind}" points="{points}" vector-effect="non-scaling-stroke"/>'


def _tick_labels(axes: Axes) -> str:
    below = (f'<span class="tick x" style="left:{axes.x(tick):.2%}">{tick:g}×</span>' for tick in axes.speedup_ticks)
    beside = (f'<span class="tick y" style="top:{axes.y(tick):.2%}">{tick:.3f}</span>' for tick in axes.f1_ticks)
    return f'<div aria-hidden="true">{"".join([*below, *beside])}</div>'


def _colour(kind: str) -> str:
    """The CSS class that colours a kind of variant."""
    return f"kind-{kind if kind in SHAPES else 'other'}"


def symbol(kind: str, *, recovers: bool = False, fill: str = FILLS[0]) -> str:
    """The symbol of a kind of variant; a light dot in it means recovery."""
    dot = '<circle r="2.6" class="recovers"/>' if recovers else ""
    return (
        f'<svg class="marker {_colour(kind)} {fill}" viewBox="-10 -10 20 20" aria-hidden="true">'
        f'<path d="{SHAPES.get(kind, OTHER)}"/>{dot}</svg>'
    )


def _button(mark: Mark, axes: Axes, fill: str, name: str, ringed: bool, tries: Mapping[str, tuple[str, str]]) -> str:
    """A mark as a button, with its card; ``name``: its label in the drawing, as markup."""
    x, y = axes.place(mark)
    sides = f"{'left' if x > 0.55 else 'right'} {'above' if y > 0.5 else 'below'}"
    attempt, figures = tries.get(mark.label), mark.figures()
    data = f' data-strategy="{escape(attempt[0])}" data-point="{escape(attempt[1])}"' if attempt else ""
    said = f"{mark.label}: " + ", ".join(f"{name} {value}" for name, value in figures.items())
    said += "; these are the current settings" * ringed + "; press to try it on the text" * bool(attempt)
    edge = "".join(f'<span class="edge" aria-hidden="true">{arrow}</span>' for arrow in axes.arrows(mark))
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figures.items())
    then = "Click to try it on the text." if attempt else "This page cannot run it."
    return (
        f'<li style="--x:{x:.2%};--y:{y:.2%}"><button type="button" class="{"current" if ringed else ""}"{data} '
        f'aria-label="{escape(said)}">{symbol(mark.kind, recovers=mark.recovers, fill=fill)}{edge}{name}</button>'
        f'<div class="tip {sides}" aria-hidden="true"><strong>{escape(mark.label)}</strong><dl>{rows}</dl>'
        f"<p>{'These are the current settings. ' * ringed}{then}</p></div></li>"
    )


def _legend(marks: Sequence[Mark], fills: Mapping[str, str], current: Collection[str]) -> str:
    items = [f"<li>{symbol(kind)} {escape(kind)}</li>" for kind in dict.fromkeys(mark.kind for mark in marks)]
    if recovering := next((mark for mark in marks if mark.recovers), None):
        items.append(f"<li>{symbol(recovering.kind, recovers=True)} with recovery</li>")
    if len(fills) > 1:
        items += [f"<li>{symbol(DENSE, fill=fill)} {escape(dtype)}</li>" for dtype, fill in fills.items()]
    if any(mark.label in current for mark in marks):
        items.append('<li><span class="ring"></span> current settings</li>')
    return f'<ul class="legend">{"".join(items)}</ul>'


def _table(marks: Sequence[Mark]) -> str:
    figures = {mark.label: mark.figures() for mark in marks}
    columns = list(dict.fromkeys(name for each in figures.values() for name in each))
    rows = (
        f'<tr><th scope="row">{escape(label)}</th>{cells(each.get(name, "–") for name in columns)}</tr>'
        for label, each in figures.items()
    )
    return (
        '<details class="figures"><summary>All figures as a table</summary>'
        f"{table('All figures', 'wide', ['variant', *columns], rows)}</details>"
    )


def _names(marks: Sequence[Mark], axes: Axes) -> dict[str, str]:
    """The labels in the drawing, as markup, of the variants that the report labels too."""
    places = [(x * WIDTH, y * HEIGHT) for x, y in map(axes.place, marks)]
    texts = {}
    for mark in to_label(marks):
        beyond = not axes.lowest <= mark.row["f1"] <= axes.highest
        texts[marks.index(mark)] = mark.label + (f" ({mark.row['f1']:.3f})" if beyond else "")
    sizes = {index: (CHARACTER * len(text), float(LINE)) for index, text in texts.items()}
    return {
        marks[index].label: (
            f'<span class="name" style="--dx:{x - places[index][0]:.0f}px;--dy:{y - places[index][1]:.0f}px" '
            f'aria-hidden="true">{escape(texts[index])}</span>'
        )
        for index, (x, y) in place(places, sizes, (WIDTH, HEIGHT)).items()
    }
