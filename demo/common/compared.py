"""One strategy of one model on a text, and where and why its entities differ from those of its reference."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from demo.common.markup import depth, label_name
from demo.common.timing import LEAST_RUNS, Measured
from engine import Entity, Result
from engine.inspection.trace import WordTrace

KINDS = ("lost", "new", "changed", "same")
SIGNS = {"lost": "− ", "new": "+ ", "changed": "↔ ", "same": ""}
MARGIN = 1.05  # how far a measured speed-up may exceed the theoretical one
S = TypeVar("S", Entity, WordTrace)
EXPLAINED = 2  # words per difference
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")


@dataclass(frozen=True)
class Difference:
    """What became of an entity.

    ``kind``: ``same``: both have it; ``lost``: only ``dense`` has it; ``new``: ``dense`` has none there; ``changed``:
    ``dense`` has it with another border or type.
    ``entity``: the strategy's, or that of ``dense`` if it is lost.
    ``word``: the number of its first word.
    """

    kind: str
    entity: Entity
    word: int
    reason: str


def differences(result: Result, dense: Result) -> list[Difference]:
    """All entities of the strategy, and those of ``dense`` that it lost, sorted by ``KINDS`` and position."""
    missing, new = missing_and_new(result, dense)
    shared = {entity.key for entity in result.entities} - {entity.key for entity in new}
    starts = [word.start for word in result.trace.words]

    def difference(kind: str, entity: Entity, reason: str) -> Difference:
        return Difference(kind, entity, bisect_left(starts, entity.start), reason)

    found = [
        difference("same", entity, _why_same(result, entity)) for entity in result.entities if entity.key in shared
    ]
    for entity in new:
        others = _overlapping(missing, entity.start, entity.end)
        start, end = min(one.start for one in (entity, *others)), max(one.end for one in (entity, *others))
        found.append(difference("changed" if others else "new", entity, _why_not(result, dense, start, end)))
    for entity in missing:
        if not _overlapping(new, entity.start, entity.end):
            found.append(difference("lost", entity, _why_not(result, dense, entity.start, entity.end)))
    return sorted(found, key=lambda one: (KINDS.index(one.kind), one.entity.start))


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


def _why_same(result: Result, entity: Entity) -> str:
    words = _overlapping(result.trace.words, entity.start, entity.end)
    if any(word.state == "recovered" for word in words):
        return "exited and came back, with the same labels as dense"
    layers = sorted({word.layer for word in words if word.state == "exited"})
    if not layers:
        return "went through every layer"
    after = f"after layer{'s' if len(layers) > 1 else ''} {' and '.join(map(str, layers))}"
    exited = "exited" if all(word.state == "exited" for word in words) else "partly exited"
    return f"{exited} {after}, with the same labels as dense"


def _why_not(result: Result, dense: Result, start: int, end: int) -> str:
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
    """As `depth`; a word that went through every layer can only differ in label because other words exited."""
    return depth(word) + (" while others exited" if pruned and word.state == "kept" else "")


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

    def of_kind(self, kind: str) -> list[Difference]:
        """The differences of one kind."""
        return [one for one in self.differences if one.kind == kind]

    @property
    def is_reference(self) -> bool:
        """Whether it is its own reference."""
        return self.measured is self.reference

    @property
    def speedup(self) -> float:
        """The reference's latency ÷ its own; no figure to show if there is a `doubt`."""
        return self.measured.speedup_over(self.reference)

    @property
    def doubt(self) -> str:
        """Why the times tell nothing about the speed-up; empty if they do."""
        if len(self.measured.runs_ms) < LEAST_RUNS:
            return "too few runs to tell"
        if not (self.measured.steady and self.reference.steady):
            return "the times of the runs differ too much to tell"
        theoretical = self.reference.result.cost.macs / max(1, self.result.cost.macs)
        if not self.reference_model and self.speedup > MARGIN * theoretical:
            return "the times differ by more than the computation saved, so something else slowed some of them"
        return ""

    @property
    def decided(self) -> bool:
        """Whether one of the two was faster in every run."""
        one, other = self.measured, self.reference
        return not self.doubt and (one.faster_than(other) or other.faster_than(one))
