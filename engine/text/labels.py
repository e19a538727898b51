"""Converts entity spans to word labels and back; no other module does.

Supports every scheme that decodes to spans: IO, IOB1, IOB2, BIOES and variants (BILOU, BMEWO), with or without types.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from engine.errors import InputError
from engine.text.documents import Entity
from engine.text.words import Span

OUTSIDE = "O"
UNTYPED = "Entity"  # the type of labels that name none
_PREFIXED = re.compile(r"([BIESLUMW])[-_](.+)", re.DOTALL)
_SUFFIXED = re.compile(r"(.+)[-_]([BIESLUMW])", re.DOTALL)
_BARE = set("BIESLUMW")
_SPELLINGS = {"L": "E", "U": "S", "M": "I", "W": "S"}


class LabelSet:
    """The labels of a set of entity types, ``O`` first.

    A label is ``O`` or a type with a prefix: B begins an entity, I is inside, E ends one, S is a single word.
    """

    def __init__(self, types: Sequence[str]) -> None:
        """Creates IOB2 labels: ``O``, then ``B-T`` and ``I-T`` for each type T."""
        self._set([OUTSIDE, *(f"{prefix}-{type_}" for type_ in types for prefix in "BI")])

    @classmethod
    def from_names(cls, names: Sequence[str]) -> LabelSet:
        """The label set of a checkpoint whose ``id2label`` has these names in any order.

        Names without prefixes (``O``, ``Chemical``, ``Disease``) are IO labels.

        Raises an `InputError` if ``O`` or any other label is missing, or only some of the names have a prefix.
        """
        others = [name for name in names if name != OUTSIDE]
        odd = [name for name in others if not _PREFIXED.fullmatch(name)]
        generic = all(re.fullmatch(r"LABEL_\d+", name) for name in names)
        if len(others) != len(names) - 1 or not others or len(set(names)) < len(names) or generic:
            raise InputError(
                f"The labels {_quoted(names)} are neither O and TYPE nor O, B-TYPE, I-TYPE, … (IO, IOB1, IOB2, BIOES). "
                "Say what they mean with --labels FILE, or choose a token-classification checkpoint."
            )
        if odd and len(odd) < len(others):
            raise InputError(
                f"The labels {_quoted(odd)} have no prefix (B, I, E, S), others do; rename them with --labels FILE."
            )
        labels = cls.__new__(cls)
        labels._set([OUTSIDE, *others])
        return labels

    def _set(self, names: Sequence[str]) -> None:
        parts = [label_parts(name) for name in names]
        self.names = tuple(names)
        self._types = tuple(type_ for _, type_ in parts)
        self.types = tuple(dict.fromkeys(self._types[1:]))
        self._index = {part: index for index, part in enumerate(parts)}
        prefixes = np.array([prefix for prefix, _ in parts])
        numbers = np.array([-1, *map(self.types.index, self._types[1:])])
        # A word continues the previous word's entity if its `continuing` equals that word's `opens`.
        self.opens = np.where(np.isin(prefixes, ["B", "I"]), numbers, -1)
        self.continuing = np.where(np.isin(prefixes, ["I", "E"]), numbers, -2)
        self.begins = prefixes == "B"
        self.inside = (self.continuing >= 0) & np.isin(prefixes, ["B", "S"]).any()
        self.may_be_iob1 = set(prefixes.tolist()) == {"O", "B", "I"}
        # Where a type has labels that begin an entity, the others must continue one; likewise at its end.
        known = {type_: {prefix for prefix, of in parts if of == type_} for type_ in self._types}
        must_continue = np.array([prefix in "IE" and "B" in known[type_] for prefix, type_ in parts])
        must_go_on = np.array([_must_go_on(prefix, known[type_]) for prefix, type_ in parts])
        # Bool (labels, labels): whether the scheme lets a label (column) follow another (row).
        self.may_follow = (self.opens[:, None] == self.continuing) | ~(must_go_on[:, None] | must_continue)

    def __len__(self) -> int:
        return len(self.names)

    def type_of(self, label: int) -> str:
        """The entity type of a label, ``""`` for ``O``."""
        return self._types[label]

    def continues(self, labels: np.ndarray) -> np.ndarray:
        """Words, bool ``(words,)``, that continue the previous word's entity, given labels int64 ``(words,)``."""
        continues = np.zeros(len(labels), dtype=bool)
        continues[1:] = self.opens[labels[:-1]] == self.continuing[labels[1:]]
        return continues

    def encode(self, words: Sequence[Span], entities: Iterable[Entity]) -> np.ndarray:
        """Labels words by entities, int64 ``(words,)``. Of entities sharing a word, the longest, then first, wins."""
        labels = np.zeros(len(words), dtype=np.int64)
        starts = np.array([start for start, _ in words])
        ends = np.array([end for _, end in words])
        known = set(self.types)
        for entity in sorted(entities, key=lambda e: (e.start - e.end, e.start)):
            if entity.type not in known:
                continue
            inside = np.flatnonzero((starts < entity.end) & (ends > entity.start))
            if len(inside) and not labels[inside].any():
                labels[inside] = self._label(entity.type, "I")
                labels[inside[-1]] = self._label(entity.type, "EI")
                labels[inside[0]] = self._label(entity.type, "BI" if len(inside) > 1 else "SBI")
        return labels

    def _label(self, type_: str, prefixes: str) -> int:
        """The type's label with the first of these prefixes that the scheme has, or else with any prefix."""
        known = [self._index[prefix, type_] for prefix in prefixes + "BIES" if (prefix, type_) in self._index]
        return known[0]

    def decode(self, text: str, words: Sequence[Span], probabilities: np.ndarray) -> tuple[Entity, ...]:
        """Decodes word probabilities ``(words, labels)`` to entities: each word takes its most probable label."""
        return tuple(self.spans(text, words, probabilities.argmax(axis=1), probabilities))

    def spans(self, text: str, words: Sequence[Span], labels: np.ndarray, probabilities: np.ndarray) -> list[Entity]:
        """The entities of labelled words, int64 ``(words,)``, with scores from probabilities ``(words, labels)``.

        A label that continues no entity begins one, whatever its prefix.
        """
        continues = self.continues(labels)
        entities: list[Entity] = []
        for index in np.flatnonzero(labels).tolist():
            label = int(labels[index])
            score = float(probabilities[index, label])
            start, end = words[index]
            if continues[index]:
                head = entities.pop()
                start, score = head.start, min(head.score, score)
            entities.append(Entity(start, end, self.type_of(label), text[start:end], score))
        return entities


def _must_go_on(prefix: str, known: set[str]) -> bool:
    """Whether a label cannot end an entity, because its type has others that do."""
    return {"B": {"E", "S"} <= known, "I": {"B", "E"} <= known}.get(prefix, False)


def normalised(names: Sequence[str]) -> list[str]:
    """Normalises a checkpoint's label names to prefix and type.

    Bare prefixes (``B``, ``I``, ``O``) get the type ``Entity``. Suffixes (``Disease-B``) become prefixes if every label
    but ``O`` has one, ``B`` and ``I`` (or ``M``) are among them, and some label has no prefix.
    """
    others = set(names) - {OUTSIDE}
    if {"B", "I"} <= others <= _BARE:
        return [name if name == OUTSIDE else f"{name}-{UNTYPED}" for name in names]
    suffixes = {match[2] if (match := _SUFFIXED.fullmatch(name)) else "" for name in others}
    if "B" in suffixes <= _BARE and suffixes & {"I", "M"} and not all(map(_PREFIXED.fullmatch, others)):
        return [_SUFFIXED.sub(r"\2-\1", name) for name in names]
    return list(names)


def label_parts(name: str) -> tuple[str, str]:
    """Splits a label's name into prefix (O, B, I, E or S) and type; names without a prefix get I."""
    if name == OUTSIDE:
        return OUTSIDE, ""
    if match := _PREFIXED.fullmatch(name):
        return _SPELLINGS.get(match[1], match[1]), match[2]
    return "I", name


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:6]))
    return f"{shown}, …" if len(names) > 6 else shown
