"""The tab Evidence: what the evaluator's reports measured."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

import gradio as gr

from demo.common.inputs import Inputs
from demo.common.markup import alert, cells, escape, note, percent, table
from demo.common.reports import Report, find_reports, own_report
from demo.common.wiring import EVERY_CHANGE
from engine import Engine
from eval.render import roles as roles_of
from eval.render.text import pp, score, speedup

LABEL = "Evidence"
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
        + figures(report)
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


def figures(report: Report) -> str:
    """A table of all variants."""
    sizes = [f"times as fast, {size} at a time" for size in report.sizes]
    heads = ["variant", "F1", "against dense, pp", *sizes, "computation"]
    return (
        '<details class="all-figures"><summary>All figures</summary>'
        f"{table('All figures', 'evidence', heads, _rows(report))}</details>"
    )


def _rows(report: Report) -> Iterable[str]:
    for row in report.variants:
        against = [report.against_dense(row["variant"], size) for size in report.sizes]
        kept = row["token_layers_kept"]
        computed = "–" if kept is None or kept != kept else percent(kept, 1)
        values = [score(row["f1"]), pp(against[0]), *map(speedup, against), computed]
        yield f'<tr><th scope="row">{escape(row["variant"])}</th>{cells(values)}</tr>'


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab."""
    reports, own = find_reports(), own_report(engine)
    report = gr.Dropdown(
        [(report.title, name) for name, report in reports.items()],
        value=own.name if own else next(iter(reports), None),
        label="Report",
        visible=len(reports) > 1,
    )

    def on_show(name: str | None) -> str:
        return show(engine, reports.get(name or ""))

    report.change(on_show, report, gr.HTML(on_show(report.value)), **EVERY_CHANGE)
