"""Predictions as files: one per strategy, in any format that the engine writes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from engine.data.formats import WRITERS
from engine.errors import InputError
from engine.runs import replacing
from engine.text.documents import Document


def predictions_file(folder: str | Path, strategy: str, format_: str = "pubtator") -> Path:
    """The file that `write_predictions` writes; one per strategy name.

    Raises:
        InputError: unknown format.
    """
    if format_ not in WRITERS:
        raise InputError(f"expected a format out of {list(WRITERS)}, got {format_!r}; choose one of them")
    return Path(folder) / (quote(strategy, safe="@+ ()") + WRITERS[format_].suffix)


def write_predictions(
    folder: str | Path, strategy: str, documents: Iterable[Document], format_: str = "pubtator"
) -> Path:
    """Writes a strategy's predictions, document by document; a file under its final name is complete.

    Args:
        folder: created if missing.
        strategy: its name, e.g. ``random@entropy``; the file is named after it.
        documents: with the predicted entities in place of gold.
        format_: a key of `engine.data.formats.WRITERS`.

    Returns:
        The file.
    """
    path, writer = predictions_file(folder, strategy, format_), WRITERS[format_]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as fresh, fresh.open("w", encoding="utf-8", errors="replace", newline="") as file:
        file.writelines(writer.write(documents))
    return path
