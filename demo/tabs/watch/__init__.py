"""The tab Watch: a race of all layers, just stopping at a layer, and the strategy shown, on the visitor's text."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import gradio as gr

from demo.common.differences import Compared
from demo.common.inputs import Inputs
from demo.common.markup import escape, note, number_of
from demo.common.reports import own_report
from demo.common.runs import Run
from demo.common.views import draw_when_visible
from demo.tabs.watch import entities
from demo.tabs.watch.race import END_S, NARROW, RACE_S, WIDE, Lane, Layout, lanes_of, race
from engine import Engine
from eval.render.text import join, pp

LABEL = "Watch"
SCRIPT = Path(__file__).with_name("watch.js")
BUTTONS = f"""<div class="transport"><button type="button" class="play"><span class="icon-play"></span> Play</button>
<button type="button" class="save">Save as picture</button> {entities.BUTTONS}</div>"""
LEGEND = (
    "A word fades when it leaves, and an entity gets its colour when its labels are decided. A word blinks, with both "
    "labels, if its label differs from the one under all layers."
)


def view(engine: Engine, run: Run, outcome: Compared) -> str:
    """The race with its buttons, and what each layer computed."""
    slowest = lanes_of(run, outcome)[0].slowest
    words = len(outcome.result.words)
    remarks = [
        losses(engine, lanes_of(run, outcome)),
        f"Shown {1000 * RACE_S / slowest:,.0f} times slower than measured on this machine." if run.timed else "",
        LEGEND,
    ]
    pictures = (
        f'<div class="{name}">{race(run, outcome, engine.labels.types, layout)}{_cut(layout, words)}</div>'
        for name, layout in (("wide", WIDE), ("narrow", NARROW))
    )
    layers = "".join(f"<li>{line}</li>" for line in layers_said(outcome))
    return (
        f'<section class="race" data-run="{run.number}" data-end="{END_S}" '
        f"{'data-timed' * run.timed}>{BUTTONS}{''.join(pictures)}{note(' '.join(filter(None, remarks)))}"
        f"{entities.entities(outcome)}"
        f"<details><summary>Words of each layer, {escape(outcome.label)}</summary><ol>{layers}</ol></details></section>"
    )


def _cut(layout: Layout, words: int) -> str:
    """A line saying that a picture does not show all words; empty if it does."""
    shown = f"The picture shows the first {layout.words} of {words:,} words."
    return note(shown) if words > layout.words else ""


def losses(engine: Engine, lanes: Sequence[Lane]) -> str:
    """What the strategies of the lanes lose against all layers, in the report on these weights."""
    if (report := own_report(engine)) is None:
        return ""
    measured = {row["variant"] for row in report.variants if row["dtype"] == engine.dtype}
    named = (lane.outcome.label.removesuffix(f" ({engine.dtype})") for lane in lanes if not lane.outcome.is_dense)
    changes = [f"{name} {pp(report.against_dense(name))}" for name in named if name in measured]
    return f"On {report.corpus}, pp of F1 against all layers in float32: {join(changes)}." if changes else ""


def layers_said(outcome: Compared) -> Iterator[str]:
    """What each layer computed, in words, and how many words exited after it; words that came back count as both."""
    words = outcome.result.trace.words
    layers, gates = len(outcome.result.cost.rows), outcome.result.exit_layers
    for layer in range(1, layers + 1):
        computed = sum(word.state != "exited" or word.layer >= layer for word in words)
        exited = sum(word.state != "kept" and word.layer == layer for word in words)
        if not computed:
            yield "never computed"
        elif exited or layer in gates:
            yield f"{number_of(computed, 'word')} computed, {exited} exit"
        else:
            yield f"{number_of(computed, 'word')} computed" + ("; no gate" if layer < layers else ", and labelled")


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab."""
    shown = gr.HTML(js_on_load=SCRIPT.read_text(encoding="utf-8"))

    def draw(run: Run, outcome: Compared) -> list[str]:
        return [view(engine, run, outcome)]

    draw_when_visible(tab, inputs, draw, [shown], timed=True)
