"""Unlabelled texts: JSON lines of whole texts, or plain sentences, which are joined into texts as long as abstracts."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.data.formats import SUFFIXES, read_documents
from engine.data.formats.place import Ids, Place
from engine.data.formats.source import readable
from engine.errors import InputError
from engine.text.words import words_of

WORDS_PER_TEXT = 200


def digest(texts: Iterable[str]) -> str:
    """SHA-256 of texts and their order."""
    return hashlib.sha256("\0".join(texts).encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Texts:
    """Unlabelled texts, to which soft labels belong.

    ``words``: the words of each text, or of each of the first texts.
    ``sha256``: of the texts, or of the unpacked file that they were read from.
    """

    words: list[list[str]]
    sha256: str

    @classmethod
    def of(cls, texts: Sequence[str], count: int) -> Texts:
        """These texts, with the words of the first ``count`` of them."""
        return cls([words_of(text) for text in texts[:count]], digest(texts))

    @classmethod
    def read(cls, path: Path) -> Texts:
        """Reads the texts of a file, gzipped if its name ends in ``.gz``.

        Args:
            path: ``.jsonl``: an object with ``text`` on each line, each a separate text; else one sentence per line.

        Raises:
            InputError: no such file, one of another format, a line that is not as it should be, or no texts.
        """
        if markup := [suffix for suffix in path.suffixes if suffix in SUFFIXES and suffix != ".jsonl"]:
            raise InputError(
                f"expected sentences, one a line, or JSON lines in {path}, got a file of {markup[0]}; convert it with "
                "python -m engine.tag FILE --format jsonl"
            )
        with readable(path):
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            lines = content.removesuffix(b"\n").split(b"\n")
            if ".jsonl" in path.suffixes:
                words = [words_of(document.text) for document in read_documents(path)]
            else:
                numbered = enumerate(lines, start=1)
                words = list(join_sentences(Place(str(path), number, Ids()).decoded(line) for number, line in numbered))
        if not any(words):
            raise InputError(f"expected texts in {path}, got none; choose another file")
        return cls(words, hashlib.sha256(content).hexdigest())


def join_sentences(sentences: Iterable[str]) -> Iterator[list[str]]:
    """Texts of at least ``WORDS_PER_TEXT`` words (the last one may be shorter), each as its words."""
    text: list[str] = []
    for sentence in sentences:
        text += words_of(sentence)
        if len(text) >= WORDS_PER_TEXT:
            yield text
            text = []
    if text:
        yield text
