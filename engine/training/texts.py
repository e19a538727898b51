"""Texts to learn from and texts that are held out, without torch."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from itertools import accumulate

from engine.errors import InputError, quoted
from engine.text.windows import WordPieces
from engine.text.words import split_words, words_of

MIN_WINDOWS, MIN_TEXTS = 100, 2  # to choose operating points on; a single text has no standard error
WANTED_WINDOWS = 1200  # to hold out, from at most a third of the texts


def digest(texts: Iterable[str]) -> str:
    """SHA-256 of texts and their order."""
    return hashlib.sha256("\0".join(texts).encode(errors="surrogatepass")).hexdigest()


def distinct_texts(texts: Iterable[str], what: str) -> list[str]:
    """Returns the distinct texts in order, without those that have no word, as `engine.formats.texts.read_texts` does.

    Raises an `InputError` that says ``what`` should hold texts, if it is one string or holds something else.
    """
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise InputError(f"expected a list of texts as {what}, got {quoted(repr(texts))}; put texts into a list")
    given = list(texts)
    if not all(isinstance(text, str) for text in given):
        raise InputError(f"expected strings as {what}, got something else among them; convert them to str")
    return [text for text in dict.fromkeys(given) if split_words(text)]


def count_windows(texts: Iterable[str], pieces: WordPieces) -> list[int]:
    """Counts the windows of each text."""
    return [len(pieces.windows(words_of(text))) for text in texts]


def min_texts(windows: Sequence[int]) -> int:
    """Returns how many of the first texts suffice to choose operating points on, given the windows of each text."""
    totals = enumerate(accumulate(windows), start=1)
    return next(count for count, total in totals if total >= MIN_WINDOWS and count >= MIN_TEXTS)


def split_texts(
    texts: Sequence[str], held_out: Sequence[str], pieces: WordPieces, seed: int
) -> tuple[list[str], list[str]]:
    """Returns training and held-out texts in random order. No text is in both, not even with different spacing.

    If there are no ``held_out``, up to a third of ``texts`` is held out.
    """
    training, apart = (random.Random(seed).sample(given, len(given)) for given in (texts, held_out))
    remedy = f"give {MIN_TEXTS} or more after --held-out"
    if not held_out:
        windows = 0
        while len(apart) < len(texts) // 3 and (windows < WANTED_WINDOWS or len(apart) < MIN_TEXTS):
            apart.append(training[len(apart)])
            windows += len(pieces.windows(words_of(apart[-1])))
        remedy = f"a third of the texts is held out: give three times as many as are missing, or {remedy}"
    total = sum(count_windows(apart, pieces))
    if total < MIN_WINDOWS or len(apart) < MIN_TEXTS:
        raise InputError(
            f"expected at least {MIN_WINDOWS} windows in at least {MIN_TEXTS} held-out texts, got {total} in "
            f"{len(apart)}; {remedy}"
        )
    words_apart = {tuple(words_of(text)) for text in apart}
    training = [text for text in training if tuple(words_of(text)) not in words_apart]
    if not training:
        raise InputError("expected texts to learn from, got only held-out ones; give others after --texts")
    return training, apart
