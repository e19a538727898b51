"""The tab Watch: a race of all layers, just stopping at a layer, and the strategy shown, on the visitor's text."""

from collections.abc import Sequence
from math import isnan, nan
from pathlib import Path

import gradio as gr

from demo.common.differences import Compared
from demo.common.inputs import Inputs
from demo.common.markup import html_table, note, number_of, printable
from demo.common.reports import own_report
from demo.common.runs import Run
from demo.tabs.watch.race import END_S, NARROW, WIDE, Lane, lanes_of, race
from engine import Engine
from eval.render.text import join

LABEL = "Watch"
SCRIPT = Path(__file__).with_name("watch.js")
BUTTONS = """<div class="transport"><button type="button" class="play"><span class="icon-play"></span> Play</button>
<button type="button" class="save">Save as picture</button>
<button type="button" data-copies=".race .entities table" data-file="entities.csv">Download CSV</button>
<button type="button" data-copies=".race .entities table">Copy table</button></div>"""
LEGEND = (
    "A word fades when it leaves, and an entity gets its colour when its labels are decided. A word blinks, with both "
    "labels, if its label differs from the one under all layers, which can err."
)


def view(engine: Engine, run: Run, outcome: Compared) -> str:
    """The race with its buttons, and the entities of the strategy shown."""
    lanes = lanes_of(run, outcome)
    slower = f"Shown {1000 * lanes[0].end / lanes[0].milliseconds:,.0f} times slower than measured on this machine."
    remarks = [losses(engine, lanes), slower if run.timed else "", LEGEND]
    words, pictures = len(outcome.result.words), ""
    for name, layout in (("wide", WIDE), ("narrow", NARROW)):
        cut = note(f"The picture shows the first {layout.words} of {words:,} words.") * (words > layout.words)
        pictures += f'<div class="{name}">{race(lanes, outcome, engine.labels.types, layout)}{cut}</div>'
    return (
        f'<section class="race" data-run="{run.number}" data-end="{END_S}" '
        f"{'data-timed' * run.timed}>{BUTTONS}{pictures}{note(' '.join(filter(None, remarks)))}{_entities(outcome)}"
        "</section>"
    )


def _entities(outcome: Compared) -> str:
    """The entities of the strategy shown as a table, to read, to copy and to download."""
    found = outcome.result.entities
    rows = ((printable(one.text), one.type, one.start, one.end, f"{one.score:.4f}") for one in found)
    heads = ("text", "type", "start", "end", "score")
    return note(f"{number_of(len(found), 'entity', 'entities')}, {outcome.label}") + html_table(
        "Entities", "entities", heads, rows
    )


def losses(engine: Engine, lanes: Sequence[Lane]) -> str:
    """What the strategies of the lanes lose against all layers, in the report on these weights."""
    if (report := own_report(engine)) is None:
        return ""
    rows = [row for row in report.variants if row["dtype"] == engine.dtype]
    bounds = {row["variant"]: report.against_dense(row["variant"])["loss_bound"] for row in rows}
    named = (lane.outcome.label.removesuffix(f" ({engine.dtype})") for lane in lanes if not lane.outcome.is_dense)
    known = [name for name in named if not isnan(bounds.get(name, nan))]  # a few documents bound nothing
    lost = [f"{max(bounds[name], 0) * 100:.2f} pp under {name}" for name in known]
    against = "against all layers in float32 (95 %, one-sided)"
    return f"On {report.corpus}, F1 loses at most {join(lost)}, {against}." if lost else ""


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    shown = gr.HTML(js_on_load=SCRIPT.read_text(encoding="utf-8"))

    def draw(run: Run, outcome: Compared) -> list[str]:
        return [view(engine, run, outcome)]

    inputs.show(tab, draw, [shown], timed=True)
