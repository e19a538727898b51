"""Classifies errors against gold and dense, finds those that pruning caused or fixed, and collects cases.

Files: ``errors.csv``, ``confusion.csv`` and ``cases.json``, which contains corpus text: do not publish it.

**Outcomes.** Reference mentions (gold, or what dense found) are paired with predictions one to one: first those of the
same span and type, then overlapping ones, preferring equal spans, then equal types, then longer overlaps. A pair is
``exact`` (span and type), ``wrong boundary`` (type only) or ``wrong type`` (any span); a mention without a partner is
``missed``, a prediction without one ``spurious``. So exact + wrong boundary + wrong type + missed is the number of
reference mentions, and exact + wrong boundary + wrong type + spurious that of predictions.

**Caused** are mentions that dense found exactly and the strategy did not, and spurious predictions that overlap no
wrong prediction of dense. **Fixed** are mentions that the strategy found exactly and dense did not, and spurious
predictions of dense that overlap no wrong prediction of the strategy. An error that only changed is neither. Caused
minus fixed mentions is dense's lead in exact matches.

**How** is decided from the words of the mention (or spurious prediction) and of everything overlapping it in either
run. *Changed* words have different labels in the two runs. A caused error is the first of these that holds:

- ``context lost``: all changed words were computed to the end, so only their context differs from dense;
- ``not recovered``: some exited with their label, and the strategy could have recovered them but did not;
- ``span cut``: some exited, and the mention's own words did not all exit at the same layer;
- ``mislabelled at the gate``: the mention's words exited together, with labels other than dense's (too few layers, or
  other words had exited before: a trace cannot tell).

A fixed error is ``less context`` if all changed words were computed to the end, else ``right at the gate``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from engine.text.documents import Entity
from eval import schema
from eval.analysis.comparison import Compared, Word, overlap
from eval.schema import (
    AGAINST_DENSE,
    AGAINST_GOLD,
    AT_GATE,
    BOUNDARY,
    CASES_OF_A_KIND,
    CAUSED,
    CONTEXT,
    CUT,
    DENSE,
    EXACT,
    FIXED,
    LESS_CONTEXT,
    MISSED,
    NO_PARTNER,
    NOT_RECOVERED,
    OUTCOMES,
    RIGHT_AT_GATE,
    SPURIOUS,
    TYPE,
    WAYS,
)

AROUND = 4  # words of a case shown on either side


@dataclass(frozen=True)
class Pair:
    """A mention of the reference and its prediction; one of them is ``None`` if there is no partner."""

    reference: Entity | None
    predicted: Entity | None

    @property
    def outcome(self) -> str:
        """One of ``OUTCOMES``."""
        if self.reference is None:
            return SPURIOUS
        if self.predicted is None:
            return MISSED
        if self.reference.type != self.predicted.type:
            return TYPE
        return EXACT if self.reference.key == self.predicted.key else BOUNDARY


def align(reference: Iterable[Entity], predicted: Iterable[Entity]) -> list[Pair]:
    """Pairs mentions with predictions; each is in exactly one pair. Keys must be distinct on either side."""
    mentions, predictions = ({entity.key: entity for entity in side} for side in (reference, predicted))
    pairs = [Pair(mentions.pop(key), predictions.pop(key)) for key in mentions.keys() & predictions.keys()]
    candidates = sorted(
        ((one.start, one.end) != (other.start, other.end), one.type != other.type, -overlap(one, other), key, other_key)
        for key, one in mentions.items()
        for other_key, other in predictions.items()
        if overlap(one, other)
    )
    for *_, key, other_key in candidates:
        if key in mentions and other_key in predictions:
            pairs.append(Pair(mentions.pop(key), predictions.pop(other_key)))
    return pairs + [Pair(one, None) for one in mentions.values()] + [Pair(None, one) for one in predictions.values()]


@dataclass(frozen=True)
class Change:
    """An error that pruning caused or fixed (``part``). ``entity``: the gold mention, or the spurious prediction."""

    part: str
    outcome: str
    how: str
    entity: Entity


def changes(compared: Compared) -> Iterator[Change]:
    """What pruning caused and fixed in one document."""
    own, dense = align(compared.gold, compared.found), align(compared.gold, compared.found_by_dense)
    for part, wrong, right in ((CAUSED, own, dense), (FIXED, dense, own)):
        exact = {pair.reference for pair in right if pair.outcome == EXACT}
        false = [pair.predicted for pair in right if pair.predicted and pair.outcome != EXACT]
        for pair in wrong:
            entity = pair.reference or pair.predicted
            assert entity is not None, "a pair has a mention or a prediction"
            if pair.outcome == SPURIOUS:
                changed = not any(overlap(entity, other) for other in false)
            else:
                changed = pair.outcome != EXACT and entity in exact
            if changed:
                yield Change(part, pair.outcome, _how(compared, part, entity), entity)


def _how(compared: Compared, part: str, entity: Entity) -> str:
    labels, dense_labels = compared.labels(compared.found), compared.labels(compared.found_by_dense)
    touching = [other for other in (*compared.found, *compared.found_by_dense) if overlap(entity, other)]
    words = compared.findings.words
    changed = [i for i in compared.words_of(entity, *touching) if labels[i] != dense_labels[i]]
    some_exited = any(words[index].state == "exited" for index in changed)
    if part == FIXED:
        return RIGHT_AT_GATE if some_exited else LESS_CONTEXT
    if not some_exited:
        return CONTEXT
    if compared.findings.recovers:
        return NOT_RECOVERED
    ends = {(words[index].state == "exited", words[index].layer) for index in compared.words_of(entity)}
    return CUT if len(ends) > 1 else AT_GATE


class Errors:
    """Counts errors over documents, by strategy."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[str, str, str]]] = {}
        self._types: dict[str, Counter[tuple[str, str]]] = {}

    def add(self, compared: Compared) -> None:
        """Counts one document."""
        counts = self._counts.setdefault(compared.strategy, Counter())
        types = self._types.setdefault(compared.strategy, Counter())
        for pair in align(compared.gold, compared.found):
            counts[AGAINST_GOLD, pair.outcome, ""] += 1
            types[_type(pair.reference), _type(pair.predicted)] += 1
        if compared.is_dense:
            return
        for pair in align(compared.found_by_dense, compared.found):
            counts[AGAINST_DENSE, pair.outcome, ""] += 1
        for change in changes(compared):
            counts[change.part, change.outcome, change.how] += 1

    def rows(self) -> Iterator[schema.ErrorCount]:
        """The rows of ``errors.csv``; ``how`` is empty except for caused and fixed errors."""
        for strategy, counts in self._counts.items():
            for part in (AGAINST_GOLD, AGAINST_DENSE, CAUSED, FIXED):
                if part != AGAINST_GOLD and strategy == DENSE:
                    continue
                for outcome in OUTCOMES if part not in WAYS else OUTCOMES[1:]:
                    for how in WAYS.get(part, ("",)):
                        count = counts[part, outcome, how]
                        yield {"strategy": strategy, "part": part, "outcome": outcome, "how": how, "count": count}

    def confusion_rows(self, types: Iterable[str]) -> Iterator[schema.Confusion]:
        """The rows of ``confusion.csv``: pairs by gold and predicted type, regardless of boundaries."""
        names = (*types, NO_PARTNER)
        for strategy, counts in self._types.items():
            for gold in names:
                for predicted in names:
                    if (gold, predicted) != (NO_PARTNER, NO_PARTNER):
                        count = counts[gold, predicted]
                        yield {"strategy": strategy, "gold": gold, "predicted": predicted, "count": count}


def _type(entity: Entity | None) -> str:
    return entity.type if entity else NO_PARTNER


class Cases:
    """Keeps the first real cases of each kind (strategy, part and way), word by word."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str, str]] = Counter()
        self._cases: dict[str, list[dict[str, Any]]] = {}

    def add(self, compared: Compared) -> None:
        """Collects one document's cases."""
        if compared.is_dense:
            return
        for change in changes(compared):
            kind = (compared.strategy, change.part, change.how)
            self._seen[kind] += 1
            if self._seen[kind] <= CASES_OF_A_KIND:
                self._cases.setdefault(compared.strategy, []).append(case(compared, change))

    def record(self) -> list[dict[str, Any]]:
        """For each strategy, the number of cases of each kind and the first of them, see `case`."""
        found = []
        for strategy, cases in self._cases.items():
            counts = sorted((part, how, count) for (name, part, how), count in self._seen.items() if name == strategy)
            found.append({"strategy": strategy, "counts": counts, "cases": cases})
        return found


def case(compared: Compared, change: Change) -> dict[str, Any]:
    """One case: the entities of gold, dense and the strategy, and the surrounding words with labels and gates."""
    near = [other for other in (*compared.found, *compared.found_by_dense) if overlap(change.entity, other)]
    shown = compared.words_of(change.entity, *near)
    first, end = max(0, shown[0] - AROUND), min(len(compared.findings.words), shown[-1] + 1 + AROUND)
    names = compared.label_set.names
    sides = {"gold": compared.gold, "dense": compared.found_by_dense, compared.strategy: compared.found}
    labels = [compared.labels(entities) for entities in sides.values()]
    words = compared.findings.words
    return {
        "part": change.part,
        "outcome": change.outcome,
        "how": change.how,
        "document": compared.document.id,
        "entities": {side: _near(change.entity, entities) for side, entities in sides.items()},
        "words": [_word(words[index], [names[label[index]] for label in labels]) for index in range(first, end)],
    }


def _near(entity: Entity, entities: Iterable[Entity]) -> list[tuple[str, str]]:
    return [(other.type, other.text) for other in entities if overlap(entity, other)]


def _word(word: Word, labels: list[str]) -> dict[str, Any]:
    return {"text": word.text, "labels": labels, "state": word.state, "layer": word.layer, "gates": word.gates}
