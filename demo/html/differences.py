"""Where a strategy's entities differ from those of ``dense`` on the same text, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine import Entity, Result
from engine.inspection.trace import WordTrace

KINDS = ("lost", "new", "boundary changed", "type changed", "kept")
EXPLAINED = 2  # words of one difference
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")


@dataclass(frozen=True)
class Difference:
    """An entity of the strategy (or, if it is lost, of ``dense``), what became of it (one of ``KINDS``), and why."""

    kind: str
    entity: Entity
    reason: str


def differences(result: Result, dense: Result) -> list[Difference]:
    """Every entity of the strategy, and those of ``dense`` in whose place it has none, in order of ``KINDS`` and text.

    An entity that overlaps others of ``dense`` without being one of them has another boundary, or another type.
    """
    keys = {entity.key for entity in result.entities} & {entity.key for entity in dense.entities}
    ours, theirs = ([one for one in entities if one.key not in keys] for entities in (result.entities, dense.entities))
    found = [Difference("kept", entity, _why_kept(result, entity)) for entity in result.entities if entity.key in keys]
    for entity in ours:
        others = _overlapping(entity, theirs)
        same = [(entity.start, entity.end)] == [(other.start, other.end) for other in others]
        kind = "type changed" if same else "boundary changed" if others else "new"
        start, end = min(e.start for e in (entity, *others)), max(e.end for e in (entity, *others))
        found.append(Difference(kind, entity, _why_changed(result, dense, start, end)))
    lost = (entity for entity in theirs if not _overlapping(entity, ours))
    found += [Difference("lost", entity, _why_changed(result, dense, entity.start, entity.end)) for entity in lost]
    return sorted(found, key=lambda difference: (KINDS.index(difference.kind), difference.entity.start))


def _overlapping(entity: Entity, others: Sequence[Entity]) -> list[Entity]:
    return [other for other in others if other.start < entity.end and entity.start < other.end]


def agreement(result: Result, dense: Result) -> tuple[int, int]:
    """How many words have the label that ``dense`` gives them, and how many words there are."""
    pairs = zip(result.trace.words, dense.trace.words, strict=True)
    return sum(mine.label == theirs.label for mine, theirs in pairs), len(dense.trace.words)


def label_name(label: str) -> str:
    """An IOB2 label in words: ``outside``, ``begin Chemical``, ``inside Chemical``."""
    prefix, _, type_ = label.partition("-")
    return {"O": "outside", "B": f"begin {type_}", "I": f"inside {type_}"}[prefix]


def _within(result: Result, start: int, end: int) -> list[WordTrace]:
    return [word for word in result.trace.words if word.start < end and start < word.end]


def _why_kept(result: Result, entity: Entity) -> str:
    words = _within(result, entity.start, entity.end)
    if any(word.state == "recovered" for word in words):
        return "left, came back, and has dense's labels"
    left = sorted({word.layer for word in words if word.state == "left"})
    if not left:
        return "went through all layers"
    layers = f"layer{'s' if len(left) > 1 else ''} {' and '.join(map(str, left))}"
    some = "left" if all(word.state == "left" for word in words) else "partly left"
    return f"{some} at {layers}, with dense's labels"


def _why_changed(result: Result, dense: Result, start: int, end: int) -> str:
    words = _within(result, start, end)
    pruned = any(word.state != "kept" for word in result.trace.words)
    pairs = zip(words, _within(dense, start, end), strict=True)
    changed = [(place, mine, theirs) for place, (mine, theirs) in enumerate(pairs) if mine.label != theirs.label]
    reasons = [
        f"{_place(place, len(words))} {_fate(mine, pruned=pruned)}, labelled {label_name(mine.label)}, "
        f"by dense {label_name(theirs.label)}"
        for place, mine, theirs in changed[:EXPLAINED]
    ]
    if len(changed) > EXPLAINED:
        reasons.append(f"and {len(changed) - EXPLAINED} more words")
    return "; ".join(reasons)


def _place(place: int, words: int) -> str:
    if words == 1:
        return "its word"
    return f"{_ORDINALS[place]} word" if place < len(_ORDINALS) else f"word {place + 1}"


def _fate(word: WordTrace, *, pruned: bool) -> str:
    if word.state == "left":
        return f"left at layer {word.layer}"
    if word.state == "recovered":
        return f"left at layer {word.layer} and came back"
    return "stayed to the end" + (", beside words that had left" if pruned else "")
