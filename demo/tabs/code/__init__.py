"""The tab Use in code: code for the text and settings, and everything as JSON."""

import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from demo.common.commands import files_commands
from demo.common.differences import Compared
from demo.common.inputs import Inputs
from demo.common.limits import HIDDEN, check_trace
from demo.common.markup import escape, printable
from demo.common.runs import Run
from demo.common.serialization import environment_record, result_record, trace_record
from demo.tabs.code.snippets import INSTALL, as_command, as_export, as_python
from engine import Engine, InputError

LABEL = "Use in code"


def everything(engine: Engine, run: Run) -> str:
    """The text and each strategy's full result, word by word, as JSON."""
    records = [result_record(one.result) | {"trace": trace_record(one.result)} for one in run.compared]
    record = environment_record(engine) | {"text": printable(run.text), "results": records}
    return json.dumps(record, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def json_file(engine: Engine, run: Run | None) -> Iterator[dict[str, Any]]:
    """Yields an update with a file of everything; Gradio copies it at the yield, and ours is deleted after it."""
    try:
        if run is None:
            raise InputError("There is no result yet: press Run.")
        check_trace(len(run.text) * len(run.compared))
    except InputError as error:
        raise gr.Error(escape(str(error)), print_exception=False) from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.json"
        path.write_text(everything(engine, run), encoding="utf-8")
        yield gr.update(value=str(path), visible=True)


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    def draw(run: Run, shown: Compared) -> list[Any]:
        strategies = [outcome.chosen for outcome in run.compared]
        return [
            files_commands(engine, shown.chosen),
            as_python(engine, strategies, run.text),
            as_command(engine, strategies, run.text),
            as_export(engine, strategies),
            gr.update(visible=False),  # the file is of an earlier run
        ]

    make = gr.Button("Everything as JSON", variant="primary")
    file = gr.File(label="Settings, entities, and every word's path", visible=False)
    gr.Code(INSTALL, language="shell", label="Install", interactive=False, wrap_lines=True)
    files = gr.Code(language="shell", label="Your files, of any size", interactive=False, wrap_lines=True)
    python = gr.Code(language="python", label="Python", interactive=False, wrap_lines=True)
    command = gr.Code(language="shell", label="Command line, for this text", interactive=False, wrap_lines=True)
    away = gr.Code(language="shell", label="A package of its own, in 8 bits", interactive=False, wrap_lines=True)
    inputs.show(tab, draw, [files, python, command, away, file])
    make.click(partial(json_file, engine), inputs.run, file, **HIDDEN)
