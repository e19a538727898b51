"""The tab Take away: the current settings as Python, command lines and a link, and the trace as a file."""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from demo.html.escape import escape
from demo.limits import MODEL_WORK, check_strategies, check_text
from demo.page.inputs import QUIET, Inputs
from demo.page.links import make_link
from demo.page.redraw import redraw_when_visible
from demo.results.records import environment_record, result_record, trace_record
from demo.results.wording import printable
from demo.settings import changed_knobs, chosen_strategies
from engine import Engine, InputError, Strategy
from engine.checkpoint import SHIPPED

LABEL = "Take away"
DEFAULT_DTYPE, DEFAULT_DEVICE = "float32", "cpu"


def load_arguments(engine: Engine) -> dict[str, str]:
    """What the engine was loaded with, except for defaults: model (as it was given), dtype, device."""
    arguments = {
        "model": (engine.source, str(SHIPPED)),
        "dtype": (engine.dtype, DEFAULT_DTYPE),
        "device": (str(engine.device), DEFAULT_DEVICE),
    }
    return {name: value for name, (value, default) in arguments.items() if value != default}


def as_python(engine: Engine, strategies: list[Strategy], point: str | None) -> str:
    """Python that tags a text file as the page does."""
    loaded = ", ".join(
        repr(value) if name == "model" else f"{name}={value!r}" for name, value in load_arguments(engine).items()
    )
    lines = [
        "from pathlib import Path",
        "",
        "from engine import load_engine",
        "",
        f"engine = load_engine({loaded})",
        'text = Path("text.txt").read_text(encoding="utf-8")',
    ]
    for strategy in strategies:
        knobs = "".join(f", {name}={value!r}" for name, value in changed_knobs(engine, strategy, point).items())
        lines.append(f"print(engine.tag(text, {strategy.name!r}, {point!r}{knobs}).entities)")
    return "\n".join(lines) + "\n"


def as_command(engine: Engine, strategies: list[Strategy], point: str | None) -> str:
    """Command lines that tag a text file as the page does."""
    loaded = [f"--{name}={value}" for name, value in load_arguments(engine).items()]
    at_point = [f"--point={point}"] if point else []
    lines = []
    for strategy in strategies:
        knobs = changed_knobs(engine, strategy, point).items()
        changes = [f"--set={name.rstrip('_')}={_typed(value)}" for name, value in knobs]
        tag = ["python", "-m", "engine.tag", "text.txt", f"--strategy={strategy.name}"]
        lines.append(shlex.join([*tag, *at_point, *changes, *loaded]))
    return "\n".join(lines) + "\n"


def _typed(value: Any) -> str:
    """A knob's value as `engine.pruning.knobs.parse_knob` reads it."""
    return value if isinstance(value, str) else json.dumps(value).strip("[]").replace(" ", "")


def trace_json(engine: Engine, text: str, strategies: list[Strategy]) -> str:
    """Everything about the text under each strategy, word by word, as JSON."""
    results = [engine.tag(text, strategy) for strategy in strategies]
    traces = [result_record(result) | {"trace": trace_record(result)} for result in results]
    record = environment_record(engine) | {"text": printable(text), "results": traces}
    return json.dumps(record, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def build(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab, which follows the settings above it."""

    def on_show(text: str, names: list[str], point: str | None, *others: Any) -> list[str]:
        try:
            strategies = chosen_strategies(engine, check_strategies(names), point, *others)
        except InputError as error:
            return [f"# {error}\n", f"# {error}\n", ""]
        link = escape(make_link(engine, text, names, point, *others))
        about = (
            f'<p class="note"><a href="{link}">Link to this page with these settings</a>. It names the example if the '
            "text is one, and never contains a text of your own.</p>"
        )
        return [as_python(engine, strategies, point), as_command(engine, strategies, point), about]

    def on_trace(text: str, names: list[str], *settings: Any) -> Iterator[str | None]:
        try:
            strategies = chosen_strategies(engine, check_strategies(names), *settings)
            trace = trace_json(engine, check_text(text), strategies)
        except InputError as error:
            raise gr.Error(escape(str(error)), print_exception=False) from error
        # Gradio copies the file at the yield; ours is deleted after it.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trace.json"
            path.write_text(trace, encoding="utf-8")
            yield str(path)

    link = gr.HTML()
    python = gr.Code(language="python", label="Python", interactive=False)
    command = gr.Code(language="shell", label="Command line", interactive=False)
    make = gr.Button("Create the trace of this text as JSON")
    trace = gr.File(label="Trace", interactive=False)
    values = [inputs.text, inputs.strategies, *inputs.settings]
    # The text matters only if it is an example, so it is not sent at each keystroke.
    changes = [inputs.text.blur, *inputs.changed, *(part.change for part in (inputs.strategies, *inputs.settings))]
    redraw_when_visible(inputs, tab, values, changes, on_show, [python, command, link], **QUIET)
    make.click(on_trace, values, trace, api_visibility="private", **MODEL_WORK)
