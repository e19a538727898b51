"""The tab Take away: the current settings as Python, as a command and as a link, and the trace as a file."""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from demo.html.escape import escape, printable
from demo.limits import MODEL_WORK, check_strategies, check_text
from demo.page.inputs import QUIET, Inputs
from demo.page.links import make_link
from demo.page.seen import draw_when_seen
from demo.records import environment_record, result_record, trace_record
from demo.settings import chosen_strategy
from engine import Engine, InputError, Strategy
from engine.checkpoint import SHIPPED


def changed_knobs(engine: Engine, strategy: Strategy, point: str | None) -> dict[str, Any]:
    """The settings of a strategy that are not those of its operating point."""
    own = engine.strategy(strategy.name, point).knobs()
    return {name: value for name, value in strategy.knobs().items() if value != own[name]}


def loading(engine: Engine) -> dict[str, str]:
    """What the engine was loaded with, but for defaults: model (as it was given), dtype, device."""
    model = {} if engine.source == str(SHIPPED) else {"model": engine.source}
    others = {"dtype": (engine.dtype, "float32"), "device": (str(engine.device), "cpu")}
    return model | {name: value for name, (value, default) in others.items() if value != default}


def as_python(engine: Engine, strategies: list[Strategy], point: str | None) -> str:
    """Python that tags a text file as the page does."""
    loaded = ", ".join(repr(v) if name == "model" else f"{name}={v!r}" for name, v in loading(engine).items())
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
    """Command lines that tag a file as the page does."""
    loaded = [f"--{name}={value}" for name, value in loading(engine).items()]
    lines = []
    for strategy in strategies:
        at = [f"--point={point}"] if point else []
        knobs = changed_knobs(engine, strategy, point).items()
        settings = [f"--set={name.rstrip('_')}={_typed(value)}" for name, value in knobs]
        command = ["python", "-m", "engine.tag", "text.txt", f"--strategy={strategy.name}", *at, *settings, *loaded]
        lines.append(shlex.join(command))
    return "\n".join(lines) + "\n"


def _typed(value: Any) -> str:
    """A knob's value as `engine.pruning.strategy.typed_knob` reads it."""
    return value if isinstance(value, str) else json.dumps(value).strip("[]").replace(" ", "")


def trace_json(engine: Engine, text: str, strategies: list[Strategy]) -> str:
    """Everything about the text under each strategy, word by word, as JSON."""
    results = [engine.tag(text, strategy) for strategy in strategies]
    traces = [result_record(result) | {"trace": trace_record(result)} for result in results]
    record = environment_record(engine) | {"text": printable(text), "results": traces}
    return json.dumps(record, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def build_takeaway(engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
    """Builds the tab, which follows the settings above it."""

    def chosen(names: list[str], point: str | None, trigger: str | None, values: tuple[float, ...]) -> list[Strategy]:
        return [chosen_strategy(engine, name, point, trigger, values) for name in check_strategies(names)]

    def on_show(text: str, names: list[str], point: str | None, trigger: str | None, *values: float) -> list[str]:
        try:
            strategies = chosen(names, point, trigger, values)
        except InputError as error:
            return [f"# {error}\n", f"# {error}\n", ""]
        link = escape(make_link(engine, text, names, point, trigger, values))
        page = f'<p class="conditions"><a href="{link}">Link to this page with these settings</a>; a text of your own '
        page += "is not in it, an example is.</p>"
        return [as_python(engine, strategies, point), as_command(engine, strategies, point), page]

    def on_trace(
        text: str, names: list[str], point: str | None, trigger: str | None, *values: float
    ) -> Iterator[str | None]:
        try:
            trace = trace_json(engine, check_text(text), chosen(names, point, trigger, values))
        except InputError as error:
            raise gr.Error(escape(str(error)), print_exception=False) from error
        # Gradio copies the file at the yield; ours is gone after it.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trace.json"
            path.write_text(trace, encoding="utf-8")
            yield str(path)

    link = gr.HTML()
    python = gr.Code(language="python", label="As Python", interactive=False)
    command = gr.Code(language="shell", label="As command lines", interactive=False)
    make = gr.Button("Make the trace of this text as JSON")
    trace = gr.File(label="Trace", interactive=False)
    values = [inputs.text, inputs.strategies, *inputs.settings]
    # The text matters only if it is an example, so it is not sent at each keystroke.
    changes = [inputs.text.blur, *inputs.changed, *(part.change for part in (inputs.strategies, *inputs.settings))]
    draw_when_seen(inputs, tab, values, changes, on_show, [python, command, link], **QUIET)
    make.click(on_trace, values, trace, api_visibility="private", **MODEL_WORK)
