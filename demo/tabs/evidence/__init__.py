"""The tab Evidence: what the evaluator's reports measured."""

from urllib.parse import quote

import gradio as gr

from demo.common.inputs import Inputs
from demo.common.limits import EVERY_CHANGE
from demo.common.markup import alert, html_table, note
from demo.common.reports import Report, find_reports, own_report
from engine import Engine
from eval.render import table

LABEL = "Evidence"
NO_REPORT = "There is no report. Create one with python -m eval.report --out docs/NAME."
OTHER_MODEL = "This report measured another model than this page runs: its figures do not apply here."
DEFAULT = (
    "The default runs unless you choose another strategy; the model's card says on which texts it was chosen. The "
    "fastest is simply the fastest in this report, not a recommendation."
)
PICTURE, CAPTION = "f1_vs_latency.png", "F1 against speed-up; a panel for each batch size"
FIGURE = f"""<figure class="plot"><div class="wide" tabindex="0" role="region" aria-label="{CAPTION}">
<img src="{{}}" alt="{CAPTION}" loading="lazy"></div><figcaption>{CAPTION}</figcaption></figure>"""


def show(engine: Engine, report: Report | None) -> str:
    """The table of roles of a report, and how to read it; its main picture; and a link to all of it."""
    if report is None:
        return alert(NO_REPORT)
    folder, shown = f"docs/{quote(report.name)}", table(report)
    return (
        ("" if report.measured(engine) else alert(OTHER_MODEL))
        + note(DEFAULT)
        + html_table("Roles", "evidence", shown.columns, shown.rows)
        + FIGURE.format(f"{folder}/{PICTURE}") * (report.folder / PICTURE).is_file()
        + f'<p class="note"><a href="{folder}/report.md">The whole report, and how it was measured</a></p>'
    )


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
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
