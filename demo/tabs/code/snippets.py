"""The current text and settings as ready-to-run code: installation, Python, command lines."""

import json
import re
import shlex
from collections.abc import Sequence

from demo.common.commands import load_arguments, options
from demo.settings import Chosen
from engine import Engine

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
    model = [value for name, value in load_arguments(engine).items() if name == "model"]
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
