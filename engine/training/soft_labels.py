"""Labels texts with a teacher: the label distributions of its dense pass, as uint8, with a checksum of the texts."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from engine.cli.progress import Progress
from engine.cli.runs import replacing
from engine.errors import InputError
from engine.tagger import Engine
from engine.text.labels import LabelSet
from engine.text.windows import WordPieces
from engine.text.words import words_of
from engine.training.examples import Example, make_examples
from engine.training.texts import digest

FILE = "labels.npz"  # in the folder of a run
SAVE_S = 10  # minimum seconds between two saves
CALL = 16  # texts that are labelled together


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """Label distributions for the words of texts; interrupted labelling leaves the first texts only.

    ``targets``: uint8 ``(words, labels)``, the words of all texts in order.
    ``counts``: int64 ``(texts,)``, number of words in each labelled text.
    ``names``: label names. ``sha256``: checksum of all texts. ``teacher``: JSON of the teacher's fingerprint.
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
        with np.load(path) as file:
            names, sha256, teacher = tuple(file["names"].tolist()), str(file["sha256"]), str(file["teacher"])
            return cls(file["targets"], file["counts"], names, sha256, teacher)

    def examples(self, texts: Sequence[str], pieces: WordPieces, labels: LabelSet) -> list[Example]:
        """Cuts all labelled texts into windows with targets in the order of ``labels``, which must be the same ones."""
        targets = self.targets[:, [self.names.index(name) for name in labels.names]]
        parts = zip(np.split(targets, self.counts.cumsum()[:-1]), texts, strict=False)
        return [example for part, text in parts for example in make_examples(words_of(text), part, pieces)]


def label_texts(teacher: Engine, texts: Sequence[str], file: Path, until: float = math.inf) -> SoftLabels:
    """Labels texts in order and saves the labels regularly, so that interrupted labelling continues.

    ``file`` is the ``.npz`` file. Labelling ends at the time ``until``, by `time.monotonic`, but not before the first
    `CALL` texts.

    Raises:
        InputError: if the file holds labels of other texts or by another teacher.
    """
    identity = json.dumps(teacher.fingerprint | {"dtype": teacher.dtype})
    names, sha256 = teacher.labels.names, digest(texts)
    labels = SoftLabels(np.zeros((0, len(names)), np.uint8), np.zeros(0, np.int64), names, sha256, identity)
    if file.exists():
        labels = SoftLabels.load(file)
        if (labels.names, labels.sha256, labels.teacher) != (names, sha256, identity):
            raise InputError(
                f"expected labels of the same texts by the same teacher in {file}, got others; use another --out"
            )
    fresh, saved = list[np.ndarray](), time.monotonic()
    with Progress(f"Label {len(texts)} texts with {teacher.source}", len(texts), len(labels.counts)) as progress:
        for begin in range(len(labels.counts), len(texts), CALL):
            results = teacher.tag_batch(texts[begin : begin + CALL], "dense")
            fresh += [(result.probabilities * 255).round().astype(np.uint8) for result in results]
            progress.advance(len(results))
            now = time.monotonic()
            last = begin + CALL >= len(texts) or now >= until
            if last or now >= saved + SAVE_S:
                counts = np.array([*labels.counts, *map(len, fresh)])
                labels = replace(labels, targets=np.concatenate([labels.targets, *fresh]), counts=counts)
                labels.save(file)
                fresh, saved = [], time.monotonic()
            if last:
                break
    return labels
