"""One strategy of one model on a text, and where and why its entities differ from those of its reference."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from demo.common.markup import depth, label_name
from demo.common.timing import Measured
from engine import Entity, Result
from engine.inspection.trace import WordTrace

KINDS = ("lost", "new", "boundary changed", "type changed", "kept")
S = TypeVar("S", Entity, WordTrace)
EXPLAINED = 2  # words per difference
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")


@dataclass(frozen=True)
class Difference:
    """An entity of the strategy (of ``dense`` if lost), what happened to it (one of ``KINDS``), and why."""

    kind: str
    entity: Entity
    reason: str


def differences(result: Result, dense: Result) -> list[Difference]:
    """All entities of the strategy, and those of ``dense`` that it lost, sorted by ``KINDS`` and position.

    An entity that overlaps entities of ``dense`` but equals none has a different boundary or type.
    """
    keys = {entity.key for entity in result.entities} & {entity.key for entity in dense.entities}
    ours, theirs = ([one for one in entities if one.key not in keys] for entities in (result.entities, dense.entities))
    found = [Difference("kept", entity, _why_kept(result, entity)) for entity in result.entities if entity.key in keys]
    for entity in ours:
        others = _overlapping(theirs, entity.start, entity.end)
        same_span = [(entity.start, entity.end)] == [(other.start, other.end) for other in others]
        kind = "type changed" if same_span else "boundary changed" if others else "new"
        start, end = min(e.start for e in (entity, *others)), max(e.end for e in (entity, *others))
        found.append(Difference(kind, entity, _why_changed(result, dense, start, end)))
    lost = (entity for entity in theirs if not _overlapping(ours, entity.start, entity.end))
    found += [Difference("lost", entity, _why_changed(result, dense, entity.start, entity.end)) for entity in lost]
    return sorted(found, key=lambda difference: (KINDS.index(difference.kind), difference.entity.start))


def agreement(result: Result, dense: Result) -> tuple[int, int]:
    """The number of words with the same label as under ``dense``, and the number of words."""
    pairs = zip(result.trace.words, dense.trace.words, strict=True)
    return sum(mine.label == theirs.label for mine, theirs in pairs), len(dense.trace.words)


def missing_and_new(result: Result, dense: Result) -> tuple[tuple[Entity, ...], tuple[Entity, ...]]:
    """The entities that only ``dense`` has, and those that only the strategy has."""
    return _without(dense.entities, result.entities), _without(result.entities, dense.entities)


def _without(entities: Sequence[Entity], others: Sequence[Entity]) -> tuple[Entity, ...]:
    keys = {other.key for other in others}
    return tuple(entity for entity in entities if entity.key not in keys)


def _overlapping(spans: Sequence[S], start: int, end: int) -> Sequence[S]:
    """The words or entities that overlap start to end; the spans are sorted and do not overlap each other."""
    first = bisect_right(spans, start, key=lambda span: span.end)
    return spans[first : bisect_left(spans, end, key=lambda span: span.start)]


def _why_kept(result: Result, entity: Entity) -> str:
    words = _overlapping(result.trace.words, entity.start, entity.end)
    if any(word.state == "recovered" for word in words):
        return "left and came back, with the same labels as dense"
    layers = sorted({word.layer for word in words if word.state == "exited"})
    if not layers:
        return "went through every layer"
    after = f"after layer{'s' if len(layers) > 1 else ''} {' and '.join(map(str, layers))}"
    left = "left" if all(word.state == "exited" for word in words) else "partly left"
    return f"{left} {after}, with the same labels as dense"


def _why_changed(result: Result, dense: Result, start: int, end: int) -> str:
    words = _overlapping(result.trace.words, start, end)
    pruned = any(word.state != "kept" for word in result.trace.words)
    pairs = zip(words, _overlapping(dense.trace.words, start, end), strict=True)
    changed = [(place, mine, theirs) for place, (mine, theirs) in enumerate(pairs) if mine.label != theirs.label]
    reasons = [
        f"{_place(place, len(words))} {_depth(mine, pruned=pruned)}, labelled {label_name(mine.label)} "
        f"instead of {label_name(theirs.label)}"
        for place, mine, theirs in changed[:EXPLAINED]
    ]
    if len(changed) > EXPLAINED:
        reasons.append(f"and {len(changed) - EXPLAINED} more")
    return "; ".join(reasons)


def _place(place: int, words: int) -> str:
    if words == 1:
        return "its word"
    return f"{_ORDINALS[place]} word" if place < len(_ORDINALS) else f"word {place + 1}"


def _depth(word: WordTrace, *, pruned: bool) -> str:
    """As `depth`; a word that went through every layer can only differ in label because other words left."""
    return depth(word) + (" while others left" if pruned and word.state == "kept" else "")


@dataclass(frozen=True)
class Compared:
    """A measured strategy.

    ``model``: name and dtype of its model.
    ``settings``: operating point and changed settings, in words; empty if there are none.
    ``reference``: ``dense`` of the same model; a second model's ``dense`` is compared with the first model's.
    ``reference_model``: name and dtype of that first model; empty if the reference is the same model's.
    """

    model: str
    settings: str
    measured: Measured
    reference: Measured
    reference_model: str = ""

    @property
    def name(self) -> str:
        """The name of the strategy."""
        return self.result.strategy.name

    @property
    def of_reference(self) -> str:
        """`` of MODEL``, to follow the name of a reference from another model."""
        return f" of {self.reference_model}" if self.reference_model else ""

    def name_among(self, compared: Sequence[Compared]) -> str:
        """The name of the strategy, with its model if there are several."""
        return self.name if len({one.model for one in compared}) == 1 else f"{self.name}, {self.model}"

    @property
    def result(self) -> Result:
        """What the strategy found."""
        return self.measured.result

    @cached_property
    def differences(self) -> list[Difference]:
        """What became of each entity: the strategy's own and the reference's."""
        return differences(self.result, self.reference.result)

    @property
    def is_reference(self) -> bool:
        """Whether it is its own reference."""
        return self.measured is self.reference
