"""Words, word labels (IOB2) and entity spans: the one way from gold to labels and from labels back to spans."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from engine.errors import InputError
from engine.text.documents import Entity

# Runs of 100 characters and more are not language: cutting them keeps any word within an encoder's window.
_WORD = re.compile(r"\w{1,100}|[^\w\s]")

Span = tuple[int, int]


def split_words(text: str) -> list[Span]:
    """Character spans of the words: matches of ``\\w+`` (cut every 100 characters) or one other non-space."""
    return [match.span() for match in _WORD.finditer(text)]


class LabelSet:
    """IOB2 labels of some entity types: ``O``, then ``B-T``, ``I-T`` for each type T."""

    def __init__(self, types: Sequence[str]) -> None:
        self.types = tuple(types)
        self.names = ("O", *(f"{prefix}-{type_}" for type_ in self.types for prefix in "BI"))

    @classmethod
    def from_names(cls, names: Sequence[str]) -> LabelSet:
        """The label set of a checkpoint whose ``id2label`` has these names in any order.

        Raises:
            InputError: if the names are not O and pairs of B-T, I-T.
        """
        labels = cls([name[2:] for name in names if name.startswith("B-")])
        if sorted(labels.names) != sorted(names):
            raise InputError(
                f"expected the labels O, B-TYPE, I-TYPE (IOB2), got {list(names)}; "
                "choose a token-classification checkpoint, or fine-tune one with python -m engine.training.finetune"
            )
        return labels

    def __len__(self) -> int:
        return len(self.names)

    def encode(self, words: Sequence[Span], entities: Iterable[Entity]) -> np.ndarray:
        """Labels of words, int64 ``(words,)``. A word belongs to the first longest entity that overlaps it."""
        labels = np.zeros(len(words), dtype=np.int64)
        starts = np.array([start for start, _ in words])
        ends = np.array([end for _, end in words])
        for entity in sorted(entities, key=lambda e: (e.start - e.end, e.start)):
            if entity.type not in self.types:
                continue
            inside = np.flatnonzero((starts < entity.end) & (ends > entity.start))
            if len(inside) and not labels[inside].any():
                begin = 1 + 2 * self.types.index(entity.type)
                labels[inside] = begin + 1
                labels[inside[0]] = begin
        return labels

    def decode(self, text: str, words: Sequence[Span], probabilities: np.ndarray) -> tuple[Entity, ...]:
        """Entities from word probabilities ``(words, labels)``: argmax; an inside label without a head becomes one."""
        best = probabilities.argmax(axis=1)
        entities: list[Entity] = []
        previous = -1
        for index in np.flatnonzero(best).tolist():
            type_ = self.types[(int(best[index]) - 1) // 2]
            score = float(probabilities[index, best[index]])
            start, end = words[index]
            inside = best[index] % 2 == 0
            if inside and entities and previous == index - 1 and entities[-1].type == type_:
                head = entities.pop()
                start, score = head.start, min(head.score, score)
            entities.append(Entity(start, end, type_, text[start:end], score))
            previous = index
        return tuple(entities)
