"""What is on the screen as commands and code."""

import json
import shlex
from pathlib import Path
from typing import Any

from demo.settings import Selection
from engine import Engine
from engine.models.shipped import DEFAULT, short_name

ADDRESS = "http://127.0.0.1:7860"  # of the app, unless a browser says another
INLINED = 300  # characters; a longer text is read from a file


def load_arguments(engine: Engine) -> dict[str, str]:
    """The model, labels, dtype and device that the engine was loaded with, except defaults."""
    arguments = {
        "model": (short_name(engine.source), DEFAULT),
        "labels": (engine.folder.labels_file, ""),
        "dtype": ("" if engine.why else engine.dtype, ""),  # none if `auto`, the default, chose it
        "device": (engine.device, "cpu"),
    }
    return {name: value for name, (value, default) in arguments.items() if value != default}


def options(engine: Engine, selection: Selection) -> list[str]:
    """The options of ``bioner tag`` and ``bioner bulk`` for a strategy and the engine's model."""
    return [
        *([f"--strategy={selection.name}"] if selection.name != engine.default_strategy else []),
        *([f"--point={selection.stored.point}"] if selection.stored.point else []),
        *(f"--set={name.rstrip('_')}={_as_typed(value)}" for name, value in selection.changed.items()),
        *(f"--{name}={value}" for name, value in load_arguments(engine).items()),
    ]


def as_commands(engine: Engine, selection: Selection) -> str:
    """Command lines: tag a file, a folder, make one's own checkpoint faster, export."""
    given = load_arguments(engine)
    model = [f"--model={given['model']}"] if "model" in given else []
    package = ["bioner", "export", *model, f"--strategy={selection.stored.title}", "--out=tagger"]
    one_pass = selection.strategy.recovery is None and len(selection.strategy.stages) == 1
    lines = [
        "# a file, to standard output",
        shlex.join(["bioner", "tag", "FILE", *options(engine, selection)]),
        "# a folder; continues after an interruption",
        shlex.join(["bioner", "bulk", "FOLDER", "--out=tagged", *options(engine, selection)]),
        "# your own checkpoint, made faster with your texts",
        "bioner accelerate CHECKPOINT --texts FILE --dtype int8 --out faster && bioner app --model faster",
        *(["# a package that needs only ONNX Runtime", shlex.join(package)] if one_pass else []),
    ]
    return "\n".join(lines) + "\n"


def as_python(engine: Engine, selection: Selection, text: str, address: str = ADDRESS) -> str:
    """Python that tags the text as the page does, and the same over HTTP."""
    loaded = ", ".join(
        repr(value) if name == "model" else f"{name}={value!r}" for name, value in load_arguments(engine).items()
    )
    model = f", model={Path(short_name(engine.source)).name!r}" if "model" in load_arguments(engine) else ""
    given = repr(text) if len(text) <= INLINED else 'open("text.txt", encoding="utf-8", newline="").read()'
    arguments = {"strategy": selection.name, "point": selection.stored.point, **selection.changed}
    settings = "".join(f", {name}={value!r}" for name, value in arguments.items() if value)
    return (
        f"from engine import load_engine\n\nengine = load_engine({loaded})\ntext = {given}\n"
        f"for entity in engine.tag(text{settings}).entities:\n"
        "    print(entity.start, entity.end, entity.type, entity.text)\n\n"
        "# over HTTP, from this app\nfrom gradio_client import Client\n\n"
        f'Client({json.dumps(address)}).predict(text, strategy={selection.stored.title!r}{model}, api_name="/tag")\n'
    )


def _as_typed(value: Any) -> str:
    """A setting's value in the form that `engine.cli.options.parse_setting` reads."""
    return value if isinstance(value, str) else json.dumps(value).strip("[]").replace(" ", "")
