"""Reads texts without annotations, from any supported format or plain text with one text per line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from engine.errors import InputError
from engine.formats import read_documents
from engine.text.words import split_words


def read_texts(files: Iterable[str | Path]) -> list[str]:
    """Returns the distinct texts of files in order, skipping texts without a word. Plain text has one text per line.

    Raises an `InputError` if a file cannot be read, is malformed, or contains no text.
    """
    texts: dict[str, None] = {}
    for file in files:
        documents = read_documents(file, lines_are_texts=True)
        new = [document.text for document in documents if split_words(document.text)]
        if not new:
            raise InputError(f"expected texts in {file}, got none with a word in it; choose another file")
        texts |= dict.fromkeys(new)
    return list(texts)
