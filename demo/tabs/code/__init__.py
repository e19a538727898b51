"""The tab Use in code: the text and settings as ready-to-run code, in Python and command lines; everything as JSON."""

import json
import re
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from demo.common.commands import files_commands, load_arguments, options
from demo.common.differences import Compared
from demo.common.inputs import Inputs
from demo.common.limits import HIDDEN, check_trace
from demo.common.markup import escape, printable
from demo.common.runs import Run
from demo.common.serialization import environment_record, result_record, trace_record
from demo.settings import Chosen
from engine import Engine, InputError

LABEL = "Use in code"
INLINED = 2000  # characters; a longer text is read from a file
FILE = "text.txt"
READ_FILE = f"text = open({FILE!r}, encoding='utf-8', newline='').read()"
FROM_FILE = f"import json; {READ_FILE}; print(json.dumps({{'id': 'text', 'text': text}}))"
INSTALL = """# Once, in a clone of the project, with the Python that runs the lines below:
pip install .
# Your own checkpoint, for --model FOLDER, after pip install ".[training]":
# python -m engine.training.accelerate CHECKPOINT --texts FILE --dtype int8 --out FOLDER
"""


def as_python(engine: Engine, strategies: Sequence[Chosen], text: str) -> str:
    """Python that tags the text as the page does and prints a line for each entity."""
    loaded = ", ".join(
        repr(value) if name == "model" else f"{name}={value!r}" for name, value in load_arguments(engine).items()
    )
    short = len(text) <= INLINED
    lines = [
        *([] if short else ["from pathlib import Path", ""]),
        "from engine import load_engine",
        "",
        f"engine = load_engine({loaded})",
        f"text = {text!r}" if short else f'text = Path("{FILE}").read_bytes().decode()  # save the text there',
    ]
    for chosen in strategies:
        point = f", {chosen.stored.point!r}" if chosen.stored.point else ""
        settings = "".join(f", {name}={value!r}" for name, value in chosen.changed.items())
        lines += [
            "",
            f"for entity in engine.tag(text, {chosen.name!r}{point}{settings}).entities:",
            f"    print({chosen.name!r}, entity.start, entity.end, entity.type, entity.text)",
        ]
    return "\n".join(lines) + "\n"


def as_command(engine: Engine, strategies: Sequence[Chosen], text: str) -> str:
    """Command lines that tag the text as the page does and print JSON lines with the entities."""
    # JSON, because plain text might look like another format.
    if len(text) <= INLINED:
        # JSON also escapes what a shell or an encoding might misread.
        lines = [f"printf %s {shlex.quote(json.dumps({'id': 'text', 'text': text}))} > text.jsonl"]
    else:
        lines = [f"{shlex.join(['python', '-c', FROM_FILE])} > text.jsonl  # save the text as {FILE}"]
    tag = ["python", "-m", "engine.tag", "text.jsonl", "--format=jsonl"]
    lines += [shlex.join([*tag, *options(engine, chosen)]) for chosen in strategies]
    return "\n".join(lines) + "\n"


def as_export(engine: Engine, strategies: Sequence[Chosen]) -> str:
    """Command lines that write each strategy as a package of its own, which needs neither this project nor PyTorch."""
    given = load_arguments(engine)
    model = [given["model"]] if "model" in given else []
    model += [f"--labels={given['labels']}"] if "labels" in given else []
    lines = []
    for chosen in strategies:
        name = chosen.stored.title
        package = re.sub(r"\W", "_", f"tagger_{name}")
        if chosen.strategy.recovery is not None or len(chosen.strategy.stages) > 1:
            lines.append(f"# left out because it is not one pass: {name}")
            continue
        if chosen.changed:
            lines.append(f"# as stored with the model, without your changes of settings: {name}")
        lines.append(shlex.join(["python", "-m", "engine.export", *model, f"--strategy={name}", f"--out={package}"]))
    return "\n".join(lines) + "\n"


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
