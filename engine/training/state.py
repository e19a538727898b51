"""What a run keeps for its next start: JSON files, replaced atomically; and the limits of settings."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from engine.errors import InputError, first_line
from engine.runs import LOCK, replacing

SEEDS = 0, 2**31


def check_limits(name: str, value: float, limits: tuple[float, float]) -> None:
    """Raises `InputError` for a setting outside its limits."""
    low, high = limits
    if not low <= value <= high:
        raise InputError(f"expected {name} between {low} and {high}, got {value}; change it")


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Writes a JSON file, atomically replacing an older one; creates its folder if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as fresh:
        fresh.write_text(json.dumps(values, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The inverse of `write_json`.

    Raises:
        InputError: no JSON, e.g. a file that an earlier version left half-written.
    """
    try:
        values: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(
            f"expected JSON in {path}, got {first_line(error)}; restore the file, or use another --out"
        ) from error
    return values


def check_free(out: Path, settings: Path | None = None) -> None:
    """Makes sure that nothing is overwritten.

    Args:
        out: the folder of a run.
        settings: the file that a run keeps there, if it can be continued.

    Raises:
        InputError: the folder holds something else than a run.
    """
    if (settings is not None and settings.is_file()) or not out.exists():
        return
    if not out.is_dir() or any(file.is_file() and file.name != LOCK for file in out.rglob("*")):
        raise InputError(f"expected a new folder, got {out} with other files in it; use another --out")


def claim(settings: Path, config: dict[str, Any], *, resume: bool, free: Collection[str] = ()) -> None:
    """Makes sure that a folder is new, or with ``resume`` that it holds the same run.

    Args:
        settings: the file that keeps them.
        config: the settings.
        resume: whether the folder may hold a run.
        free: settings that may differ between two starts.

    Raises:
        InputError: it holds another run.
    """
    folder = settings.parent
    if resume and settings.is_file():
        config = json.loads(json.dumps(config))
        stored = read_json(settings)
        changed = sorted(key for key, value in config.items() if key not in free and stored.get(key) != value)
        if changed:
            raise InputError(
                f"expected the settings of the run in {folder}, got different {changed}; "
                "repeat them, or use another --out"
            )
    elif settings.exists():
        raise InputError(f"expected a new folder, got {folder} with a run in it; add --resume, or use another --out")
