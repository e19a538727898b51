"""The tab Use in code: code for the text and settings, a table of entities, and everything as JSON."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from demo.common.commands import files_commands
from demo.common.differences import Compared
from demo.common.inputs import Inputs
from demo.common.limits import check_trace
from demo.common.markup import escape, printable
from demo.common.runs import Run
from demo.common.serialization import ENTITY_COLUMNS, entity_row, environment_record, result_record, trace_record
from demo.common.views import draw_when_visible
from demo.common.wiring import HIDDEN
from demo.tabs.code.snippets import INSTALL, as_command, as_export, as_python
from engine import Engine, InputError, Result

LABEL = "Use in code"
COLUMNS = ("strategy", *ENTITY_COLUMNS)
# Code scrolls, so the keyboard must reach it, whenever Gradio draws it.
REACHABLE = """
const reach = () => document.querySelectorAll(".cm-scroller").forEach((code) => { code.tabIndex = 0; });
reach();
new MutationObserver(reach).observe(document.body, { childList: true, subtree: true });
"""


def entity_table(results: list[Result]) -> pd.DataFrame:
    """All entities, one per row."""
    rows = [(result.strategy.name, *entity_row(entity)) for result in results for entity in result.entities]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def everything(engine: Engine, text: str, results: list[Result]) -> str:
    """The text and each strategy's full result, word by word, as JSON."""
    records = [result_record(result) | {"trace": trace_record(result)} for result in results]
    record = environment_record(engine) | {"text": printable(text), "results": records}
    return json.dumps(record, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab."""

    def draw(run: Run, shown: Compared) -> list[Any]:
        strategies = [outcome.result.strategy for outcome in run.compared]
        code = [files_commands(engine, shown.result.strategy, run.point)]
        code += [write(engine, strategies, run.point, run.text) for write in (as_python, as_command)]
        hidden = [gr.update(visible=False)] * 2  # table and file are of an earlier run
        return [*code, as_export(engine, strategies, run.point), *hidden]

    def on_tag(run: Run | None) -> Iterator[list[Any]]:
        try:
            if run is None:
                raise InputError("There is no result yet: press Run.")
            check_trace(run.text, run.compared)
        except InputError as error:
            raise gr.Error(escape(str(error)), print_exception=False) from error
        results = [outcome.result for outcome in run.compared]
        # Gradio copies the file at the yield; ours is deleted after it.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "results.json"
            path.write_text(everything(engine, run.text, results), encoding="utf-8")
            yield [gr.update(value=entity_table(results), visible=True), gr.update(value=str(path), visible=True)]

    make = gr.Button("Show entities and download JSON", variant="primary")
    entities = gr.Dataframe(
        label="Entities",
        datatype="str",
        interactive=False,
        visible=False,
        max_height=400,
        wrap=True,
        column_widths=["24%", "10%", "10%", "14%", "30%", "12%"],
    )
    file = gr.File(label="Everything as JSON: settings, entities, and every word's path", visible=False)
    gr.HTML(js_on_load=REACHABLE)
    gr.Code(INSTALL, language="shell", label="Install", interactive=False, wrap_lines=True)
    files = gr.Code(language="shell", label="Your files, of any size", interactive=False, wrap_lines=True)
    python = gr.Code(language="python", label="Python", interactive=False, wrap_lines=True)
    command = gr.Code(language="shell", label="Command line, for this text", interactive=False, wrap_lines=True)
    away = gr.Code(language="shell", label="A package of its own, in 8 bits", interactive=False, wrap_lines=True)
    draw_when_visible(tab, inputs, draw, [files, python, command, away, entities, file])
    make.click(on_tag, inputs.requests.run, [entities, file], **HIDDEN)
