"""Texts without gold: any of our formats, or one text per line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from engine.data.formats import read_documents
from engine.errors import InputError
from engine.text.words import split_words


def read_texts(files: Iterable[str | Path]) -> list[str]:
    """The distinct texts of files, in order, without those that have no word. Plain text is one text per line.

    Raises:
        InputError: a file that cannot be read, is broken, or holds no text.
    """
    texts: dict[str, None] = {}
    for file in files:
        found = [document.text for document in read_documents(file, lines_are_texts=True) if split_words(document.text)]
        if not found:
            raise InputError(f"expected texts in {file}, got none with a word in it; choose another file")
        texts |= dict.fromkeys(found)
    return list(texts)
