"""Labels texts with teachers: ``python -m engine.training.soft_labels``.

Stores the label distributions of words, as uint8, and the checksum of the file of texts, but no text.
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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from engine.command import as_command
from engine.errors import InputError
from engine.runs import replacing
from engine.tagger import DTYPES, Engine, load_engine
from engine.text.labels import LabelSet
from engine.text.windows import WordPieces
from engine.training.data import Example, Texts, make_examples

logger = logging.getLogger(__name__)

SAVE_S, SAVING = 60, 0.1  # minimum seconds between two saves; approximate maximum share of the time spent saving
CALL = 16  # texts that are labelled together


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """Label distributions of the words of all texts in a file, or of the first texts.

    ``targets``: uint8 ``(words, labels)``; rows sum to about 255.
    ``counts``: words of each text, int64 ``(texts,)``.
    ``names``: names of the labels.
    ``sha256``: SHA-256 of the unpacked file of texts.
    ``teachers``: what identifies the teachers.
    """

    targets: np.ndarray
    counts: np.ndarray
    names: tuple[str, ...]
    sha256: str
    teachers: str

    def save(self, path: Path) -> None:
        """Writes an ``.npz`` file, atomically replacing an older one."""
        with replacing(path) as fresh, fresh.open("wb") as file:
            np.savez_compressed(file, **vars(self))

    @classmethod
    def load(cls, path: Path) -> SoftLabels:
        """Loads a file that `save` wrote."""
        try:
            with np.load(path) as file:
                names, sha256, teachers = tuple(file["names"].tolist()), str(file["sha256"]), str(file["teachers"])
                return cls(file["targets"], file["counts"], names, sha256, teachers)
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(
                f"expected soft labels in {path}, got none: {error}; "
                "make them with python -m engine.training.soft_labels"
            ) from error

    def match(self, texts: Texts) -> bool:
        """Whether these are labels of the texts, or of the first of them."""
        counts = [len(words) for words in texts.words[: len(self.counts)]]
        return self.sha256 == texts.sha256 and self.counts.tolist() == counts

    def ordered(self, names: tuple[str, ...]) -> SoftLabels:
        """Puts the labels in the order of ``names``, which must contain all of them."""
        return replace(self, targets=self.targets[:, [self.names.index(name) for name in names]], names=names)

    def examples(self, texts: Iterable[list[str]], pieces: WordPieces) -> list[Example]:
        """Cuts all labelled texts, given as words, into windows with targets."""
        parts = zip(np.split(self.targets, self.counts.cumsum()[:-1]), texts, strict=False)
        return [example for targets, words in parts for example in make_examples(words, targets, pieces)]


def columns_of(types: Sequence[str], labels: LabelSet) -> list[int]:
    """The indices of ``O`` and of all labels of some types, in the order of the types."""
    return [0, *(label for type_ in types for label in range(1, len(labels)) if labels.type_of(label) == type_)]


def ensemble(teachers: Sequence[Engine], texts: Sequence[str], types: Sequence[str]) -> Iterator[np.ndarray]:
    """Yields the mean of the teachers' dense label distributions for each text, float32 ``(words, labels)``.

    The labels are those of ``types``; ``O`` also gets the probabilities of all other types.
    """
    columns = [columns_of(types, teacher.labels) for teacher in teachers]
    for begin in range(0, len(texts), CALL):
        call = texts[begin : begin + CALL]
        for results in zip(*(teacher.tag_batch(call, "dense") for teacher in teachers), strict=True):
            found = [result.probabilities[:, of] for result, of in zip(results, columns, strict=True)]
            for probabilities in found:
                probabilities[:, 0] += 1 - probabilities.sum(axis=1)
            yield np.mean(found, axis=0)


def common_names(teachers: Sequence[Engine], types: Sequence[str]) -> tuple[str, ...]:
    """The names of the labels that every teacher has for some types."""
    names = []
    for teacher in teachers:
        if unknown := set(types) - set(teacher.labels.types):
            raise InputError(
                f"expected --types that {teacher.source!r} knows, which are {list(teacher.labels.types)}, got "
                f"{sorted(unknown)}; choose types that every teacher knows"
            )
        names.append(tuple(teacher.labels.names[column] for column in columns_of(types, teacher.labels)))
    if len(set(names)) > 1:
        raise InputError(f"expected teachers of one label scheme, got the labels {names}; choose other teachers")
    return names[0]


def store_labels(
    distributions: Callable[[int], Iterable[np.ndarray]],
    count: int,
    names: Sequence[str],
    sha256: str,
    teachers: str,
    out: Path,
    deadline: float = math.inf,
) -> SoftLabels:
    """Labels texts in order and saves the labels regularly, so that an interrupted run continues.

    ``distributions`` yields ``(words, labels)`` for each text from the one with a given index on, ``sha256`` and
    ``teachers`` identify texts and teachers, and ``out`` is the ``.npz`` file. Labelling ends at the deadline, by
    `time.monotonic`, but some texts are labelled anyway.
    """
    stored = SoftLabels(np.zeros((0, len(names)), np.uint8), np.zeros(0, np.int64), tuple(names), sha256, teachers)
    if out.exists():
        stored, wanted = SoftLabels.load(out), stored
        if (stored.names, stored.sha256, stored.teachers) != (wanted.names, sha256, teachers):
            raise InputError(
                f"expected soft labels of the same texts and types by the same teachers in {out}, got others; "
                "use another --out"
            )
    done, started = len(stored.counts), time.monotonic()
    if done >= count:
        return stored
    bar = tqdm(distributions(done), total=count, initial=done, unit="text", disable=None)
    fresh, due = list[np.ndarray](), started + SAVE_S
    for number, probabilities in enumerate(bar, start=done + 1):
        fresh.append((probabilities * 255).round().astype(np.uint8))
        begin = time.monotonic()
        last = number == count or (number >= CALL and begin >= deadline)
        if begin >= due or last:
            counts = [*stored.counts, *map(len, fresh)]
            stored = replace(stored, targets=np.concatenate([stored.targets, *fresh]), counts=np.array(counts))
            stored.save(out)  # the whole file: the longer that takes, the less often it is done
            fresh, now = [], time.monotonic()
            due = now + max(SAVE_S, (now - begin) / SAVING)
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
    add(
        "--teacher",
        required=True,
        help="folder or hub id of a token-classification model; several joined by commas are averaged over --types",
    )
    add("--texts", required=True, type=Path, help="one sentence per line, or .jsonl of whole texts; may end in .gz")
    add(
        "--types",
        help="joined by commas (default: those of the first teacher); probabilities of other types are added to O",
    )
    add("--dtype", default="float32", choices=DTYPES, help="dtype of the teachers (default %(default)s)")
    add("--out", required=True, type=Path, help="the .npz file; an interrupted run continues")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    texts = Texts.read(arguments.texts)
    teachers = [load_engine(source, arguments.dtype) for source in arguments.teacher.split(",")]
    types = list(dict.fromkeys(arguments.types.split(",") if arguments.types else teachers[0].labels.types))
    labels = store_labels(
        lambda done: ensemble(teachers, [" ".join(words) for words in texts.words[done:]], types),
        len(texts.words),
        common_names(teachers, types),
        texts.sha256,
        json.dumps([one.fingerprint | {"dtype": one.dtype} for one in teachers]),
        arguments.out,
    )
    print(f"labelled {len(labels.targets)} words in {len(labels.counts)} texts; the labels are in {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
