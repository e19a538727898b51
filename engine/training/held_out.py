"""Which texts are learned from, and which are held out to choose operating points on."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from engine.data.texts import read_texts
from engine.errors import InputError
from engine.text.windows import WordPieces
from engine.text.words import words_of

NEEDED = 100  # windows to choose points on
NEEDED_TEXTS = 2  # one gives no standard error
STEADY = 1000  # windows from which points hardly depend on chance
WANTED = 1200  # windows to hold back, from at most a third of the texts
# A stored fact of a run → what a later start must find unchanged.
COMPARED = {"sha256": "texts", "weights": "checkpoint", "labels": "labels of the checkpoint"}


@dataclass(frozen=True, eq=False)
class TextSplit:
    """Texts to learn from, and texts held out to choose points on, with the number of ``windows`` of each of these."""

    learned: list[str]
    held_out: list[str]
    windows: list[int]

    @property
    def needed(self) -> int:
        """How many of the first texts held out are enough to choose points on."""
        totals = enumerate(accumulate(self.windows), start=1)
        return next(count for count, windows in totals if windows >= NEEDED and count >= NEEDED_TEXTS)


def split_texts(files: Sequence[str], held_out_files: Sequence[str], pieces: WordPieces, seed: int) -> TextSplit:
    """Reads texts in random order; none is both learned from and held out, even with different spacing.

    Args:
        files: to learn from.
        held_out_files: to choose points on; without any, some of the others are held out.
        pieces: cut texts into windows.
        seed: of the order of the texts.

    Raises:
        InputError: unusable files, or too few texts.
    """
    texts = read_texts(files)
    random.Random(seed).shuffle(texts)

    def windows_of(text: str) -> int:
        return len(pieces.windows(words_of(text)))

    if held_out_files:
        held_out = read_texts(held_out_files)
        random.Random(seed).shuffle(held_out)
        windows = [windows_of(text) for text in held_out]
        remedy = "give texts with {} more after --held-out"
    else:
        windows = []
        while len(windows) < len(texts) // 3 and (sum(windows) < WANTED or len(windows) < NEEDED_TEXTS):
            windows.append(windows_of(texts[len(windows)]))
        held_out = texts[: len(windows)]
        remedy = (
            "give three times as many as the {} that are missing, since a third is held out, or name texts to choose "
            "points on with --held-out"
        )
    if (found := sum(windows)) < NEEDED:
        raise InputError(
            f"expected at least {NEEDED} windows of text held out, got {found}; {remedy.format(NEEDED - found)}"
        )
    if len(held_out) < NEEDED_TEXTS:
        raise InputError(
            f"expected at least {NEEDED_TEXTS} texts held out, got {len(held_out)}; give {3 * NEEDED_TEXTS} or more "
            f"after --texts, or {NEEDED_TEXTS} or more after --held-out"
        )
    apart = {tuple(words_of(text)) for text in held_out}
    learned = [text for text in texts if tuple(words_of(text)) not in apart]
    if not learned:
        raise InputError("expected texts to learn from, got none but those held out; give others after --texts")
    return TextSplit(learned, held_out, windows)


def check_same(stored: Mapping[str, Any], found: Mapping[str, Any], out: Path) -> None:
    """Compares what a run was begun with and what a later start finds.

    Args:
        stored: facts of the run; those that an earlier version did not store are not compared.
        found: facts of this start.
        out: the folder of the run.

    Raises:
        InputError: they differ.
    """
    for fact, what in COMPARED.items():
        if stored.get(fact, found[fact]) != found[fact]:
            raise InputError(
                f"expected the {what} with which the run in {out} was begun, got others; "
                "restore them, or use another --out"
            )
