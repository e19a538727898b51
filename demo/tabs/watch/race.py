"""The race as one animated SVG: strategies replay their milliseconds on one text, word by word.

All animations repeat together every ``LOOP_S`` seconds, so a saved picture plays by itself; the page pauses it at
``END_S``. Colours follow the page's theme and have fallbacks for a saved picture.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from statistics import median

from demo.common.differences import SAME, Compared, overlapping
from demo.common.markup import escape, label_name, number_of, type_colour
from demo.common.runs import Run
from engine import Entity
from engine.pruning.strategy_names import StrategyName
from engine.pruning.trace import WordTrace

RACE_S, END_S, LOOP_S = 6.0, 9.0, 12.0
FADE_S, TICK_S = 0.35, 0.2
CHARACTER, LINE, HEAD, PAD, GAP = 6.0, 19, 62, 6, 10  # pixels, at 10 pixels a letter
COLOURS = ("#1d4ed8", "#b91c1c", "#126862", "#9c3ea3", "#592222", "#382259")  # as in the style sheet
MONO = "ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace"
TEXT, FADED = "var(--body-text-color,#1e293b)", "var(--faded,#64748b)"
ACCENT, WARNING = "var(--accent,#0f766e)", "var(--warning,#b45309)"
BORDER, PAPER = "var(--border-color-primary,#e2e8f0)", "var(--body-background-fill,#ffffff)"
TITLE = "font:700 12px system-ui,sans-serif"
LETTER = 4.6  # pixels of both labels
BOTH = f"font:700 8px system-ui,sans-serif;fill:{WARNING};stroke:{PAPER};stroke-width:3px;paint-order:stroke"


@dataclass(frozen=True)
class Layout:
    """How the picture is arranged, in pixels.

    ``stacked``: whether the lanes are below each other. ``grid``: the thickness of words × layers.
    ``words``: most words that are shown. ``title``: the size of the title's letters.
    """

    width: int
    stacked: bool
    grid: int
    words: int
    title: int


WIDE, NARROW = Layout(900, False, 112, 240, 15), Layout(372, True, 84, 80, 12)


@dataclass(frozen=True)
class Lane:
    """A strategy in the race.

    ``milliseconds``: the median of its times. ``end``: when it ends, in seconds of the race.
    """

    outcome: Compared
    milliseconds: float
    end: float

    @property
    def title(self) -> str:
        """What it does, or its name."""
        if self.outcome.is_dense:
            return "all layers"
        layer = StrategyName.parse(self.outcome.name).layer
        return f"just stop at layer {layer}" if layer else self.outcome.label

    @property
    def layers(self) -> list[float]:
        """When each layer ends, in seconds of the race: it takes the time in proportion to its rows."""
        rows = self.outcome.result.cost.rows
        return [self.end * done / max(1, sum(rows)) for done in accumulate(rows)]

    def entity_of(self, word: WordTrace) -> Entity | None:
        """The entity to which a word belongs, if any."""
        return next(iter(overlapping(self.outcome.result.entities, word.start, word.end)), None)

    def exit_of(self, word: WordTrace) -> float:
        """When a word leaves, in seconds of the race; at the end if it came back."""
        return [0.0, *self.layers][word.layer] if word.state == "exited" else self.end


def lanes_of(run: Run, outcome: Compared) -> list[Lane]:
    """All layers, just stopping at a layer, and the strategy shown; the slowest takes ``RACE_S``."""
    baselines = (each for each in run.compared if each.is_dense or StrategyName.parse(each.name).layer)
    chosen = list(dict.fromkeys([*baselines, outcome]))
    times = [median(each.runs_ms or (each.result.latency.total_ms,)) for each in chosen]
    return [Lane(each, time, RACE_S * time / max(times)) for each, time in zip(chosen, times, strict=True)]


def race(lanes: Sequence[Lane], outcome: Compared, types: Sequence[str], layout: Layout = WIDE) -> str:
    """The race as SVG, with the strategy shown in its headline; the entity types decide the colours."""
    width = layout.width if layout.stacked else (layout.width - layout.grid - GAP * len(lanes)) / len(lanes)
    words = outcome.result.trace.words[: layout.words]
    places, lines = _places(outcome.result.text, words, int((width - 2 * PAD) / CHARACTER))
    height = HEAD + lines * LINE + PAD
    parts = [_text(0, 16, headline(outcome), f"font:700 {layout.title}px system-ui,sans-serif;fill:{ACCENT}")]
    x, y = 0.0, 26.0
    for lane in lanes:
        parts.append(f'<g transform="translate({x:.1f} {y:.1f})">{_lane(lane, places, types, width, height)}</g>')
        x, y = (x, y + height + GAP) if layout.stacked else (x + width + GAP, y)
    down = layout.width - 2 * PAD if layout.stacked else height - HEAD - PAD
    grid = _grid(lanes[-1], layout, down, types)
    parts.append(f'<g transform="translate({x:.1f} {y + (0 if layout.stacked else HEAD):.1f})">{grid}</g>')
    total = y + (layout.grid + GAP if layout.stacked else height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {layout.width} {total:.0f}" role="img" '
        f'aria-label="{escape(said(lanes, outcome))}" style="font:10px {MONO}">{"".join(parts)}</svg>'
    )


def headline(outcome: Compared) -> str:
    """The result of a strategy: ``67 % less computation, 20 of 20 entities the same``."""
    same, entities = len(outcome.of_kind(SAME)), number_of(len(outcome.full.entities), "entity", "entities")
    return f"{outcome.saved} computation, {same} of {entities} the same"


def said(lanes: Sequence[Lane], outcome: Compared) -> str:
    """The race in words."""
    times = (f"{lane.title} {lane.milliseconds:.1f} ms, {_differing(lane)}" for lane in lanes)
    return f"The race: {'; '.join(times)}. {headline(outcome)}"


def _differing(lane: Lane) -> str:
    if lane.outcome.is_dense:
        return number_of(len(lane.outcome.result.entities), "entity", "entities")
    pairs = zip(lane.outcome.result.trace.words, lane.outcome.full.trace.words, strict=True)
    number = sum(word.label != full.label for word, full in pairs)
    return f"{number_of(number, 'word')} labelled differently" if number else "the same labels"


def _places(text: str, words: Sequence[WordTrace], columns: int) -> tuple[list[tuple[float, float, str]], int]:
    """Where each word stands, with what is shown of it, and the number of lines."""
    places = []
    column = line = end = 0
    for word in words:
        shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in word.text)
        size = sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in shown)
        if size > columns:
            shown, size = shown[: columns // 2 - 1] + "…", columns
        column += bool(column) and text[end : word.start] != ""
        if column + size > columns:
            column, line = 0, line + 1
        places.append((PAD + CHARACTER * column, HEAD + LINE * (line + 0.75), shown))
        column, end = column + size, word.end
    return places, line + 1


def _lane(
    lane: Lane, places: Sequence[tuple[float, float, str]], types: Sequence[str], width: float, height: float
) -> str:
    """A lane: its title, clock and bar, its words as they leave, its entities, and what it labels differently."""
    words, full = lane.outcome.result.trace.words, lane.outcome.full.trace.words
    leaving: dict[tuple[float, bool], list[str]] = defaultdict(list)
    decided: dict[tuple[float, str], list[str]] = defaultdict(list)
    blinking: list[str] = []
    for word, of_dense, (x, y, shown) in zip(words, full, places, strict=False):
        entity, box = lane.entity_of(word), (x - 1, y - 9, CHARACTER * len(shown) + 2, 12)
        leaving[lane.exit_of(word), entity is not None].append(_text(x, y, shown))
        if entity:
            time = max(map(lane.exit_of, overlapping(words, entity.start, entity.end)))
            marked = _rect(*box, "opacity:.18") + _text(x, y, shown, "font-weight:700")
            decided[time, _colour(types, entity)].append(marked)
        if word.label != of_dense.label:
            outline = _rect(*box, f"fill:none;stroke:{WARNING};stroke-width:1.5")
            both = f"{label_name(of_dense.label)} → {label_name(word.label)}"
            beside = max(PAD, min(x, width - PAD - LETTER * len(both)))
            blinking.append(outline + _text(beside, y - 10, both, BOTH))
    drawn = [
        _rect(0.5, 0.5, width - 1, height - 1, f"fill:none;stroke:{BORDER}", "rx='8'"),
        _text(PAD, 17, lane.title, f"{TITLE};fill:{TEXT}"),
        *_clock(lane),
        f'<rect x="{PAD}" y="41" height="5" rx="2.5" style="fill:{ACCENT}">'
        f"{_animate('width', [(0, 0), (lane.end, round((width - 2 * PAD) * lane.end / RACE_S, 1))])}</rect>",
        _appear(RACE_S, _text(PAD, 56, _differing(lane), f"font:9px system-ui,sans-serif;fill:{FADED}")),
    ]
    for (time, is_entity), group in leaving.items():
        fades = _animate("opacity", [(time, 1), (time + FADE_S, 0 if is_entity else 0.3)])
        drawn.append(f'<g style="fill:{TEXT}">{fades}{"".join(group)}</g>')
    for (time, colour), group in decided.items():
        drawn.append(_appear(time, f'<g style="fill:{colour}">{"".join(group)}</g>'))
    blinks = [(RACE_S + 0.4 * place, place % 2) for place in range(6)]
    drawn.append(f"<g>{_animate('opacity', [(0, 0), *blinks])}{''.join(blinking)}</g>")
    return "".join(drawn)


def _clock(lane: Lane) -> Iterator[str]:
    """The milliseconds, which stop when the lane ends."""
    ticks = [*(TICK_S * number for number in range(int(lane.end / TICK_S) + 1)), lane.end]
    for begin, end in zip_longest(ticks, ticks[1:], fillvalue=LOOP_S):
        shown = f"{lane.milliseconds * begin / lane.end:.1f} ms"
        yield _appear(begin, _text(PAD, 35, shown, f"font:700 14px ui-monospace,monospace;fill:{TEXT}"), end)


def _grid(lane: Lane, layout: Layout, length: float, types: Sequence[str]) -> str:
    """Words × layers of a lane: a bar for each word as long as the layers that computed it."""
    words, layers = lane.outcome.result.trace.words[: layout.words], lane.layers
    step, thick = (layout.grid - 14) / len(layers), length / max(1, len(words))
    bars = []
    for index, word in enumerate(words):
        entity, x, width = lane.entity_of(word), index * thick, max(0.8, thick - 0.6)
        style = f"fill:{_colour(types, entity) if entity else FADED}"
        bars.append(_rect(x, 0, width, step * word.layer, style))
        if word.state == "recovered":
            bars.append(_rect(x, step * word.layer, width, step * (len(layers) - word.layer), f"{style};opacity:.4"))
    steps = [(0.0, 0.0), *((time, round(step * number, 1)) for number, time in enumerate(layers, 1))]
    clip = f'<rect width="{length:.1f}" height="{layout.grid}">{_animate("height", steps)}</rect>'
    name = f"layers-{layout.width}"
    if layout.stacked:
        transposed, title = "", ""
        numbers = [_text(length + 2, step * (number - 0.3), str(number)) for number in range(1, len(layers) + 1)]
    else:
        transposed, title = ' transform="matrix(0 1 1 0 0 0)"', _text(0, -20, "words × layers", TITLE)
        numbers = [_text(step * (number - 0.7), -5, str(number)) for number in range(1, len(layers) + 1)]
    return (
        f'<g style="fill:{TEXT}">{"".join(numbers)}{title}</g><g{transposed}><clipPath id="{name}">{clip}</clipPath>'
        f'<g clip-path="url(#{name})">{"".join(bars)}</g></g>'
    )


def _colour(types: Sequence[str], entity: Entity) -> str:
    number = type_colour(types, entity.type)
    return f"var(--type-{number},{COLOURS[number]})"


def _text(x: float, y: float, shown: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}"{f""" style="{style}" """ if style else ""}>{escape(shown)}</text>'


def _rect(x: float, y: float, width: float, height: float, style: str, more: str = "") -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" style="{style}" {more}/>'


def _animate(name: str, steps: Sequence[tuple[float, object]], mode: str = "linear") -> str:
    """Moves a property along steps of seconds and values, and holds the first and the last value."""
    times = [0.0, *(time / LOOP_S for time, _ in steps), 1.0]
    values = [steps[0][1], *(value for _, value in steps), steps[-1][1]]
    return (
        f'<animate attributeName="{name}" dur="{LOOP_S}s" repeatCount="indefinite" calcMode="{mode}" '
        f'values="{";".join(map(str, values))}" keyTimes="{";".join(map("{:.4f}".format, times))}"/>'
    )


def _appear(begin: float, shown: str, end: float = LOOP_S) -> str:
    """Markup that is shown from a time on, and until another."""
    steps = [(0, "hidden"), (begin, "visible"), (end, "hidden")]
    return f'<g visibility="hidden">{_animate("visibility", steps, "discrete")}{shown}</g>'
