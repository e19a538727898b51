"""Command lines that do what the page does."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from demo.settings import Chosen
from engine import Engine
from engine.models.shipped import DEFAULT, short_name


def load_arguments(engine: Engine) -> dict[str, str]:
    """The model, labels, dtype and device that the engine was loaded with, except defaults."""
    arguments = {
        "model": (short_name(engine.source), DEFAULT),
        "labels": (engine.folder.labels_file, ""),
        "dtype": ("" if engine.why else engine.dtype, ""),  # none if `auto`, the default, chose it
        "device": (engine.device, "cpu"),
    }
    return {name: value for name, (value, default) in arguments.items() if value != default}


def options(engine: Engine, chosen: Chosen) -> list[str]:
    """The options of ``engine.tag`` and ``engine.bulk`` for a strategy and the engine's model."""
    return [
        f"--strategy={chosen.name}",
        *([f"--point={chosen.stored.point}"] if chosen.stored.point else []),
        *(f"--set={name.rstrip('_')}={_as_typed(value)}" for name, value in chosen.changed.items()),
        *(f"--{name}={value}" for name, value in load_arguments(engine).items()),
    ]


def files_commands(engine: Engine, chosen: Chosen, files: Sequence[str] = ("FILE",)) -> str:
    """Command lines that tag files of any size, one after another or many at once."""
    tag = shlex.join(["python", "-m", "engine.tag", *files, *options(engine, chosen)])
    bulk = shlex.join(["python", "-m", "engine.bulk", "FOLDER", "--out=tagged", *options(engine, chosen)])
    return f"{tag} > tagged.pubtator\n# whole folders, which continue after an interruption:\n{bulk}\n"


def _as_typed(value: Any) -> str:
    """A setting's value in the form that `engine.cli.options.parse_setting` reads."""
    return value if isinstance(value, str) else json.dumps(value).strip("[]").replace(" ", "")
