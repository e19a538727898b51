"""Labels texts with a teacher: ``python -m engine.training.soft_labels``.

Stores the label distributions of words, as uint8, and a checksum of the texts, but no text.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import time
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from engine.cli.command import as_command
from engine.cli.runs import replacing
from engine.errors import InputError
from engine.formats.texts import read_texts
from engine.loaded import DTYPES
from engine.tagger import Engine, load_engine
from engine.text.windows import WordPieces
from engine.text.words import words_of
from engine.training.data import Example, digest, make_examples

logger = logging.getLogger(__name__)

SAVE_S, SAVING = 60, 0.1  # minimum seconds between two saves; approximate maximum share of the time spent saving
CALL = 16  # texts that are labelled together


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """Label distributions of the words of all texts in a file, or of the first texts.

    ``targets``: uint8 ``(words, labels)``; rows sum to about 255.
    ``counts``: words of each text, int64 ``(texts,)``.
    ``names``: names of the labels.
    ``sha256``: SHA-256 of all texts, see `digest`.
    ``teacher``: what identifies the teacher.
    """

    targets: np.ndarray
    counts: np.ndarray
    names: tuple[str, ...]
    sha256: str
    teacher: str

    def save(self, path: Path) -> None:
        """Writes an ``.npz`` file, atomically replacing an older one."""
        with replacing(path) as fresh, fresh.open("wb") as file:
            np.savez_compressed(file, **vars(self))

    @classmethod
    def load(cls, path: Path) -> SoftLabels:
        """Loads a file that `save` wrote."""
        try:
            with np.load(path) as file:
                names, sha256, teacher = tuple(file["names"].tolist()), str(file["sha256"]), str(file["teacher"])
                return cls(file["targets"], file["counts"], names, sha256, teacher)
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(
                f"expected soft labels in {path}, got none: {error}; "
                "make them with python -m engine.training.soft_labels"
            ) from error

    def ordered(self, names: tuple[str, ...]) -> SoftLabels:
        """Puts the labels in the order of ``names``, which must contain all of them."""
        return replace(self, targets=self.targets[:, [self.names.index(name) for name in names]], names=names)

    def examples(self, texts: Sequence[str], pieces: WordPieces) -> list[Example]:
        """Cuts all labelled texts into windows with targets."""
        parts = zip(np.split(self.targets, self.counts.cumsum()[:-1]), texts, strict=False)
        return [example for targets, text in parts for example in make_examples(words_of(text), targets, pieces)]


def store_labels(teacher: Engine, texts: Sequence[str], out: Path, deadline: float = math.inf) -> SoftLabels:
    """Labels texts in order and saves the labels regularly, so that an interrupted run continues.

    ``out`` is the ``.npz`` file. Labelling ends at the deadline, by `time.monotonic`, but the first call's texts are
    labelled anyway.
    """
    identity = json.dumps(teacher.fingerprint | {"dtype": teacher.dtype})
    names, sha256 = teacher.labels.names, digest(texts)
    stored = SoftLabels(np.zeros((0, len(names)), np.uint8), np.zeros(0, np.int64), names, sha256, identity)
    if out.exists():
        stored = SoftLabels.load(out)
        if (stored.names, stored.sha256, stored.teacher) != (names, sha256, identity):
            raise InputError(
                f"expected soft labels of the same texts by the same teacher in {out}, got others; use another --out"
            )
    done, count, started = len(stored.counts), len(texts), time.monotonic()
    fresh, due = list[np.ndarray](), started + SAVE_S
    for begin in tqdm(range(done, count, CALL), desc="labels", disable=None):
        results = teacher.tag_batch(texts[begin : begin + CALL], "dense")
        fresh += [(result.probabilities * 255).round().astype(np.uint8) for result in results]
        now, number = time.monotonic(), min(begin + CALL, count)
        last = number == count or now >= deadline
        if now >= due or last:
            counts = [*stored.counts, *map(len, fresh)]
            stored = replace(stored, targets=np.concatenate([stored.targets, *fresh]), counts=np.array(counts))
            stored.save(out)  # the whole file: the longer that takes, the less often it is done
            fresh, saving = [], time.monotonic() - now
            due = now + max(SAVE_S, saving / SAVING)
            left = min(deadline - now, (now - started) / (number - done) * (count - number))
            logger.info("%d of %d texts, %s left", number, count, tqdm.format_interval(max(0, left)))
        if last:
            break
    return stored


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.soft_labels", description=__doc__)
    add = parser.add_argument
    add("--teacher", required=True, help="folder or hub id of a token-classification model")
    add("--texts", required=True, help="file of texts in any format (.txt: one a line)")
    add("--dtype", default="float32", choices=DTYPES, help="dtype of the teacher (default %(default)s)")
    add("--out", required=True, type=Path, help="the .npz file; an interrupted run continues")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    texts = read_texts([arguments.texts])
    teacher = load_engine(arguments.teacher, arguments.dtype)
    labels = store_labels(teacher, texts, arguments.out)
    print(f"labelled {len(labels.targets)} words in {len(labels.counts)} texts; the labels are in {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
