"""Unlabelled texts: JSON lines of whole texts, or plain sentences, which are joined into texts as long as abstracts."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.data.formats import read_jsonl
from engine.errors import InputError
from engine.text.words import split_words

WORDS_PER_TEXT = 200


@dataclass(frozen=True)
class Texts:
    """The texts of a file.

    ``words``: the words of each text.
    ``sha256``: of the unpacked file.
    """

    words: list[list[str]]
    sha256: str


def read_texts(path: Path) -> Texts:
    """Reads a file of texts, gzipped where its name ends in ``.gz``.

    Args:
        path: ``.jsonl``: an object with ``text`` on each line, each a text of its own; else one sentence a line.

    Raises:
        InputError: no such file, a line that is not as it should be, or no texts.
    """
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        lines = content.removesuffix(b"\n").split(b"\n")
        if ".jsonl" in path.suffixes:
            words = [_words(document.text) for document in read_jsonl(lines, str(path))]
        else:
            words = list(join_sentences(line.decode() for line in lines))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"expected a file of texts, got {path}: {error}; check the path") from error
    if not words:
        raise InputError(f"expected texts in {path}, got none; choose another file")
    return Texts(words, hashlib.sha256(content).hexdigest())


def join_sentences(sentences: Iterable[str]) -> Iterator[list[str]]:
    """Texts of at least ``WORDS_PER_TEXT`` words (the last one may be shorter), each as its words."""
    text: list[str] = []
    for sentence in sentences:
        text += _words(sentence)
        if len(text) >= WORDS_PER_TEXT:
            yield text
            text = []
    if text:
        yield text


def _words(text: str) -> list[str]:
    return [text[start:end] for start, end in split_words(text)]
