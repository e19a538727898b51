"""A teacher's labels for unlabelled sentences: ``python -m engine.training.soft_labels``.

Sentences are joined into texts as long as abstracts. What is kept is word-level and without text: label distributions
as uint8, by sentence number, together with the checksum of the file of sentences.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from engine.errors import InputError
from engine.text.windows import WordPieces
from engine.text.words import split_words
from engine.training.data import Example, make_examples
from engine.training.teacher import load_teacher

logger = logging.getLogger(__name__)

WORDS_PER_TEXT = 200
SAVE_EVERY = 500  # texts


@dataclass(frozen=True)
class SoftLabels:
    """Label distributions of the words of the first sentences of a file.

    ``targets`` uint8 ``(words, labels)``, rows sum to about 255; ``texts`` int64 ``(texts,)``: sentences that were
    joined into each text; ``names``: the labels; ``sha256``: of the unpacked sentences' file.
    """

    targets: np.ndarray
    texts: np.ndarray
    names: tuple[str, ...]
    sha256: str

    def save(self, path: Path) -> None:
        """Writes an ``.npz`` file, at once."""
        fresh = path.with_name(path.name + ".new")
        with fresh.open("wb") as file:
            np.savez_compressed(
                file, targets=self.targets, texts=self.texts, names=np.array(self.names), sha256=np.array(self.sha256)
            )
        fresh.replace(path)

    @classmethod
    def load(cls, path: Path) -> SoftLabels:
        """The inverse of `save`.

        Raises:
            InputError: no such file.
        """
        try:
            with np.load(path) as file:
                return cls(file["targets"], file["texts"], tuple(file["names"].tolist()), str(file["sha256"]))
        except (OSError, KeyError, ValueError) as error:
            raise InputError(
                f"expected soft labels in {path}, got none: {error}; "
                "make them with python -m engine.training.soft_labels"
            ) from error

    def examples(self, sentences: Path, pieces: WordPieces, names: tuple[str, ...]) -> list[Example]:
        """Windows of all texts with their targets.

        Raises:
            InputError: other sentences or other labels than those that the teacher saw.
        """
        lines, sha256 = read_sentences(sentences)
        if sha256 != self.sha256:
            raise InputError(f"expected sentences with SHA-256 {self.sha256} in {sentences}, got another file; find it")
        if names != self.names:
            raise InputError(f"expected soft labels for {list(names)}, got {list(self.names)}; use another teacher")
        examples: list[Example] = []
        begin = 0
        for words in islice(join_sentences(lines, self.texts.tolist()), len(self.texts)):
            examples += make_examples(words, self.targets[begin : begin + len(words)], pieces)
            begin += len(words)
        return examples


def read_sentences(path: Path) -> tuple[list[str], str]:
    """The lines of a text file, which may be gzipped, and the SHA-256 of its unpacked content.

    Raises:
        InputError: no such file.
    """
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        return content.decode().rstrip("\n").split("\n"), hashlib.sha256(content).hexdigest()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"expected a file of sentences, one a line, got {path}: {error}; check the path") from error


def sentences_per_text(sentences: Iterable[str]) -> Iterator[int]:
    """How many sentences, one after the other, make texts of at least ``WORDS_PER_TEXT`` words."""
    count = words = 0
    for sentence in sentences:
        count += 1
        words += len(split_words(sentence))
        if words >= WORDS_PER_TEXT:
            yield count
            count = words = 0
    if count:
        yield count


def join_sentences(sentences: Iterable[str], counts: Iterable[int]) -> Iterator[list[str]]:
    """The words of texts that are made of so many sentences each."""
    lines = iter(sentences)
    for count in counts:
        yield [line[start:end] for line in islice(lines, count) for start, end in split_words(line)]


def label(teacher_folder: str, sentences: Path, count: int, out: Path) -> SoftLabels:
    """Labels the first ``count`` sentences, and those that end the last text.

    What ``out`` already holds is kept, so a run that was cut goes on, and one with a larger count adds to it.

    Raises:
        InputError: no such teacher or file, or an ``out`` that was made from other sentences.
    """
    teacher = load_teacher(teacher_folder)
    names = tuple(teacher.labels.names)
    lines, sha256 = read_sentences(sentences)
    texts = np.fromiter(sentences_per_text(lines), dtype=np.int64)
    texts = texts[: texts.cumsum().searchsorted(count) + 1]
    parts, done = [np.zeros((0, len(names)), dtype=np.uint8)], 0
    if out.exists():
        before = SoftLabels.load(out)
        done = len(before.texts)
        if before.sha256 != sha256 or before.names != names or before.texts.tolist() != texts[:done].tolist():
            raise InputError(f"expected soft labels of the same sentences in {out}, got others; use another --out")
        parts.append(before.targets)
    labels = SoftLabels(np.concatenate(parts), texts[:done], names, sha256)
    remaining = islice(join_sentences(lines, texts.tolist()), done, None)
    bar = tqdm(teacher.probabilities(remaining), total=len(texts), initial=done, unit="text", disable=None)
    for number, probabilities in enumerate(bar, start=done + 1):
        parts.append((probabilities * 255).round().astype(np.uint8))
        if number % SAVE_EVERY == 0 or number == len(texts):
            labels = SoftLabels(np.concatenate(parts), texts[:number], names, sha256)
            labels.save(out)
            parts = [labels.targets]
            logger.info("%d of %d texts", number, len(texts))
    return labels


def main(argv: list[str] | None = None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.soft_labels", description=__doc__)
    parser.add_argument("--teacher", required=True, help="folder or hub id of a token-classification model")
    parser.add_argument("--sentences", required=True, type=Path, help="text file, one sentence a line; may be gzipped")
    parser.add_argument("--count", type=int, default=20_000, help="sentences to label (default 20000)")
    parser.add_argument("--out", required=True, type=Path, help="the .npz file; a cut run goes on where it ended")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        if arguments.count < 1:
            raise InputError(f"expected --count of 1 or more, got {arguments.count}; choose another")
        labels = label(arguments.teacher, arguments.sentences, arguments.count, arguments.out)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(labels.targets)} words in {len(labels.texts)} texts labelled; they are in {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
