"""A strategy beside dense: how its entities differ: same, lost, new or changed, and why."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from demo.common.markup import depth, label_name, percent
from demo.settings import Chosen
from engine import Entity, Result, Strategy
from engine.pruning.cost import Cost
from engine.pruning.trace import WordTrace

LOST, NEW, CHANGED, SAME = KINDS = ("lost", "new", "changed", "same")
SAID = {LOST: "only under all layers", NEW: "only here", CHANGED: "other border or type", SAME: "same"}
SIGNS = {LOST: "− ", NEW: "+ ", CHANGED: "↔ ", SAME: ""}
EXPLAINED = 2  # words per difference
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
    shared = {entity.key for entity in dense.entities} & {entity.key for entity in result.entities}
    only_dense, only_result = (
        [entity for entity in side.entities if entity.key not in shared] for side in (dense, result)
    )
    words, of_dense = result.trace.words, dense.trace.words
    starts = [word.start for word in words]

    def difference(kind: str, entity: Entity, reason: str) -> Difference:
        return Difference(kind, entity, bisect_left(starts, entity.start), reason)

    found = []
    for entity in result.entities:
        if entity.key in shared:
            depths = dict.fromkeys(map(depth, overlapping(words, entity.start, entity.end)))
            found.append(difference(SAME, entity, f"{' and '.join(depths)}, with the same labels as dense"))
            continue
        others = overlapping(only_dense, entity.start, entity.end)
        start, end = min(each.start for each in (entity, *others)), max(each.end for each in (entity, *others))
        found.append(difference(CHANGED if others else NEW, entity, _why_other(words, of_dense, start, end)))
    for entity in only_dense:
        if not overlapping(only_result, entity.start, entity.end):
            found.append(difference(LOST, entity, _why_other(words, of_dense, entity.start, entity.end)))
    return sorted(found, key=lambda difference: (KINDS.index(difference.kind), difference.entity.start))


def overlapping(spans: Sequence[S], start: int, end: int) -> Sequence[S]:
    """The words or entities that overlap start to end; the spans are sorted and do not overlap each other."""
    first = bisect_right(spans, start, key=lambda span: span.end)
    return spans[first : bisect_left(spans, end, key=lambda span: span.start)]


def _why_other(words: Sequence[WordTrace], of_dense: Sequence[WordTrace], start: int, end: int) -> str:
    """The first words between start and end whose labels differ from those of dense."""
    pairs = zip(overlapping(words, start, end), overlapping(of_dense, start, end), strict=True)
    changed = [(mine, theirs) for mine, theirs in pairs if mine.label != theirs.label]
    # A word that went through every layer can differ only because others exited.
    beside = " while others exited" if any(word.state != "kept" for word in words) else ""
    reasons = [
        f"“{mine.text}” {depth(mine)}{beside if mine.state == 'kept' else ''}, "
        f"labelled {label_name(mine.label)} instead of {label_name(theirs.label)}"
        for mine, theirs in changed[:EXPLAINED]
    ]
    if len(changed) > EXPLAINED:
        reasons.append(f"and {len(changed) - EXPLAINED} more")
    return "; ".join(reasons)


def computation(strategy: Strategy, costs: Sequence[Cost]) -> float:
    """The share of dense's computation, 0–1: token-layers; of a cascade, whose stages differ in size, MACs."""
    if len(strategy.stages) > 1:
        own, dense = sum(cost.macs for cost in costs), sum(cost.dense_macs for cost in costs)
    else:
        own, dense = sum(cost.token_layers for cost in costs), sum(cost.dense_token_layers for cost in costs)
    return own / dense if dense else 1.0


@dataclass(frozen=True, eq=False)
class Compared:
    """What a strategy found in a text and how long it took, beside the full pass.

    ``runs_ms``: end-to-end milliseconds of each timed round; empty until they are measured.
    ``full``, ``full_ms``: the result and the times of dense.
    """

    chosen: Chosen
    result: Result
    runs_ms: tuple[float, ...]
    full: Result
    full_ms: tuple[float, ...]

    @property
    def name(self) -> str:
        return self.chosen.name

    @property
    def label(self) -> str:
        return self.chosen.label

    @property
    def is_dense(self) -> bool:
        return self.result is self.full

    @property
    def kept(self) -> float:
        """Its computation as a share of dense's; above 1 if recovery or both stages of a cascade cost more."""
        return computation(self.result.strategy, [self.result.cost])

    @property
    def saved(self) -> str:
        """Its computation beside dense's: ``67 % less``."""
        return f"{percent(1 - self.kept)} less" if self.kept <= 1 else f"{percent(self.kept - 1)} more"

    @cached_property
    def differences(self) -> list[Difference]:
        return differences(self.result, self.full)

    def of_kind(self, kind: str) -> list[Difference]:
        return [difference for difference in self.differences if difference.kind == kind]

    @property
    def unlike(self) -> list[Difference]:
        """All that is not the same as in dense."""
        return [difference for difference in self.differences if difference.kind != SAME]
