"""The tab Evidence: what the evaluator's reports measured; what this page can run can be tried on the text."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from demo.common.inputs import Inputs
from demo.common.links import read_link
from demo.common.markup import alert, cells, escape, note, percent, table
from demo.common.reports import Report, find_reports, own_report
from demo.common.settings_panel import shown_choices
from demo.common.wiring import EVERY_CHANGE, QUIET
from demo.settings import points
from engine import Engine
from engine.pruning.strategy_names import parse
from eval.render import roles as roles_of
from eval.render.text import pp, score, speedup
from eval.schema import BASELINE, MODEL, RANDOM, VariantResult

LABEL = "Evidence"
SCRIPT = Path(__file__).with_name("evidence.js")
NO_REPORT = "There is no report. Create one with python -m eval.report --out docs/NAME."
OTHER_MODEL = "This report measured another model than this page runs: its figures do not apply here."
PICTURE, PICTURE_TITLE = "f1_vs_latency.png", "F1 against speed-up; a panel for each batch size"


def show(engine: Engine, report: Report | None) -> str:
    """The table of roles of a report, its main picture, and all figures."""
    if report is None:
        return alert(NO_REPORT)
    own, folder = report.measured(engine), f"docs/{quote(report.name)}"
    return (
        ("" if own else alert(OTHER_MODEL))
        + roles(report)
        + (_picture(f"{folder}/{PICTURE}") if (report.folder / PICTURE).is_file() else "")
        + figures(engine, report, can_try=own)
        + f'<p class="note"><a href="{folder}/report.md">The whole report, and how it was measured</a></p>'
    )


def roles(report: Report) -> str:
    """The table that opens the report, and how to read it: the strategy to use, and what it must beat."""
    shown = roles_of(report)
    rows = (f'<tr><th scope="row">{escape(str(role))}</th>{cells(others)}</tr>' for role, *others in shown.rows)
    return table("Roles", "evidence", shown.columns, rows) + note(shown.caption.replace("`", "").replace("*", ""))


def _picture(source: str) -> str:
    return (
        f'<figure class="plot"><div class="wide" tabindex="0" role="region" aria-label="{PICTURE_TITLE}"><img '
        f'src="{source}" alt="{PICTURE_TITLE}" loading="lazy"></div><figcaption>{PICTURE_TITLE}</figcaption></figure>'
    )


def figures(engine: Engine, report: Report, *, can_try: bool) -> str:
    """A table of all variants; ``can_try``: whether those that the page can run have a button."""
    sizes = [f"times as fast, {size} at a time" for size in report.sizes]
    heads = ["variant", "F1", "against dense, pp", *sizes, "computation", *["try it"] * can_try]
    return (
        '<details class="all-figures"><summary>All figures</summary>'
        f"{table('All figures', 'evidence', heads, _rows(engine, report, can_try=can_try))}</details>"
    )


def _rows(engine: Engine, report: Report, *, can_try: bool) -> Iterable[str]:
    for row in report.variants:
        against = [report.against_dense(row["variant"], size) for size in report.sizes]
        kept = row["token_layers_kept"]
        computed = "–" if kept is None or kept != kept else percent(kept, 1)
        values = [score(row["f1"]), pp(against[0]), *map(speedup, against), computed]
        button = f"<td>{_button(engine, row)}</td>" * can_try
        yield f'<tr><th scope="row">{escape(row["variant"])}</th>{cells(values)}{button}</tr>'


def _button(engine: Engine, row: VariantResult) -> str:
    """A button that tries a variant on the text; empty if the page cannot run it."""
    if row["kind"] in (BASELINE, MODEL, RANDOM) or row["dtype"] != engine.dtype:
        return ""
    typed = row["variant"].removesuffix(f" ({row['dtype']})")
    parts = parse(typed)
    name = typed if parts.layer else parts.without_point
    if name not in engine.runnable or (row["point"] and row["point"] not in points(engine)):
        return ""
    return (
        f'<button type="button" class="try" data-strategy="{escape(name)}" data-point="{escape(row["point"])}" '
        f'aria-label="Try {escape(row["variant"])} on the text">Try</button>'
    )


def updates_to_try(engine: Engine, strategy: object, point: object) -> list[Any]:
    """Updates of strategies and settings that run a strategy beside dense; the values are checked."""
    names = list(dict.fromkeys(["dense", str(strategy)]))
    return read_link(engine, {"strategies": ",".join(names), "point": str(point)})[1:]


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab."""
    reports, own = find_reports(), own_report(engine)

    def on_try(shown: str, event: gr.EventData) -> list[Any]:
        asked = event._data if isinstance(event._data, dict) else {}
        names, *settings = updates_to_try(engine, asked.get("strategy"), asked.get("point"))
        return [shown_choices(names, shown), names, *settings]

    report = gr.Dropdown(
        [(report.title, name) for name, report in reports.items()],
        value=own.name if own else next(iter(reports), None),
        label="Report",
        visible=len(reports) > 1,
    )

    def on_show(name: str | None) -> str:
        return show(engine, reports.get(name or ""))

    shown = gr.HTML(on_show(report.value), js_on_load=SCRIPT.read_text(encoding="utf-8"))
    report.change(on_show, report, shown, **EVERY_CHANGE)
    panel = inputs.panel
    shown.select(on_try, panel.shown, [panel.shown, *inputs.choice], **QUIET)
