"""A strategy beside dense: its times, and how its entities differ: same, lost, new or changed, and why."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from demo.common.markup import depth, label_name
from demo.common.timing import Timing
from demo.settings import describe_settings, label
from engine import Engine, Entity, Result, Strategy
from engine.inspection.trace import WordTrace

LOST, NEW, CHANGED, SAME = KINDS = ("lost", "new", "changed", "same")
SIGNS = {LOST: "− ", NEW: "+ ", CHANGED: "↔ ", SAME: ""}
EXPLAINED = 2  # words per difference
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
S = TypeVar("S", Entity, WordTrace)


@dataclass(frozen=True)
class Difference:
    """An entity beside the entities of dense.

    ``kind``: ``same`` if dense has it too, ``lost`` if only dense has it, ``new`` if dense has none there, ``changed``
    if dense has it with another border or type.
    ``entity``: the strategy's or, if it is lost, that of dense.
    ``word``: index of its first word.
    """

    kind: str
    entity: Entity
    word: int
    reason: str


def differences(result: Result, dense: Result) -> list[Difference]:
    """All entities of the strategy, and those of dense that it lost, sorted by ``KINDS`` and position."""
    only_dense, only_result = unshared_entities(result, dense)
    starts = [word.start for word in result.trace.words]

    def difference(kind: str, entity: Entity, reason: str) -> Difference:
        return Difference(kind, entity, bisect_left(starts, entity.start), reason)

    found = []
    for entity in result.entities:
        if entity not in only_result:
            found.append(difference(SAME, entity, _why_same(result, entity)))
            continue
        others = _overlapping(only_dense, entity.start, entity.end)
        start, end = min(one.start for one in (entity, *others)), max(one.end for one in (entity, *others))
        found.append(difference(CHANGED if others else NEW, entity, _why_other(result, dense, start, end)))
    for entity in only_dense:
        if not _overlapping(only_result, entity.start, entity.end):
            found.append(difference(LOST, entity, _why_other(result, dense, entity.start, entity.end)))
    return sorted(found, key=lambda one: (KINDS.index(one.kind), one.entity.start))


def unshared_entities(result: Result, dense: Result) -> tuple[tuple[Entity, ...], tuple[Entity, ...]]:
    """The entities that only dense has, and those that only the strategy has, by borders and type."""
    shared = {entity.key for entity in dense.entities} & {entity.key for entity in result.entities}
    only_dense, only_result = (
        tuple(entity for entity in one.entities if entity.key not in shared) for one in (dense, result)
    )
    return only_dense, only_result


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
        return "reached the last layer"
    after = f"after layer{'s' if len(layers) > 1 else ''} {' and '.join(map(str, layers))}"
    exited = "exited" if all(word.state == "exited" for word in words) else "partly exited"
    return f"{exited} {after}, with the same labels as dense"


def _why_other(result: Result, dense: Result, start: int, end: int) -> str:
    """The first words between start and end whose labels differ from those of dense."""
    words = _overlapping(result.trace.words, start, end)
    pairs = zip(words, _overlapping(dense.trace.words, start, end), strict=True)
    changed = [(place, mine, theirs) for place, (mine, theirs) in enumerate(pairs) if mine.label != theirs.label]
    # A word that went through every layer can differ only because others exited.
    beside = " while others exited" if any(word.state != "kept" for word in result.trace.words) else ""
    reasons = [
        f"{_place_in_words(place, len(words))} {depth(mine)}{beside if mine.state == 'kept' else ''}, "
        f"labelled {label_name(mine.label)} instead of {label_name(theirs.label)}"
        for place, mine, theirs in changed[:EXPLAINED]
    ]
    if len(changed) > EXPLAINED:
        reasons.append(f"and {len(changed) - EXPLAINED} more")
    return "; ".join(reasons)


def _place_in_words(place: int, words: int) -> str:
    if words == 1:
        return "its word"
    return f"{_ORDINALS[place]} word" if place < len(_ORDINALS) else f"word {place + 1}"


@dataclass(frozen=True)
class Candidate:
    """A strategy to run.

    ``label``: its name with operating point and dtype.
    ``settings``: those that differ from the operating point, in words; empty if there are none.
    """

    strategy: Strategy
    label: str
    settings: str

    @classmethod
    def of(cls, engine: Engine, strategy: Strategy, point: str | None) -> Candidate:
        """A strategy as the page describes it."""
        return cls(strategy, label(engine, strategy, point), describe_settings(engine, strategy, point))


@dataclass(frozen=True)
class Compared:
    """A candidate's result and times, and those of dense, with which it is compared."""

    candidate: Candidate
    timing: Timing
    dense: Timing

    @property
    def label(self) -> str:
        """Its name with operating point, dtype and changed settings."""
        return ", ".join(filter(None, (self.candidate.label, self.candidate.settings)))

    @property
    def name(self) -> str:
        """The name of the strategy."""
        return self.candidate.strategy.name

    @property
    def result(self) -> Result:
        """The strategy's result."""
        return self.timing.result

    @property
    def is_dense(self) -> bool:
        """Whether it is the full pass itself."""
        return self.timing is self.dense

    @property
    def kept(self) -> float:
        """Its computation as a share of dense's, 0–1."""
        return self.result.cost.token_layers_kept

    @cached_property
    def differences(self) -> list[Difference]:
        """Its entities and those that it lost, beside dense's."""
        return differences(self.result, self.dense.result)

    def of_kind(self, kind: str) -> list[Difference]:
        """The differences of one kind."""
        return [one for one in self.differences if one.kind == kind]

    @property
    def unlike(self) -> list[Difference]:
        """All that is not the same as in dense."""
        return [one for one in self.differences if one.kind != SAME]


def compare_all(candidates: Sequence[Candidate], timings: Sequence[Timing]) -> list[Compared]:
    """The candidates that ran, of which the first is dense."""
    return [Compared(one, timing, timings[0]) for one, timing in zip(candidates, timings, strict=False)]
