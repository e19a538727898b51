"""Classifies errors against gold and dense, finds those that pruning caused or fixed, and collects cases.

Files: ``errors.csv``, ``confusion.csv`` and ``cases.json``, which contains corpus text and must not be published.

**Outcomes.** Mentions of the reference (gold, or what dense found) are paired with predictions one to one: first those
with the same span and type, then overlapping ones, preferring equal spans, then equal types, then longer overlaps. A
pair is ``exact`` (span and type), ``wrong boundary`` (type only) or ``wrong type`` (any span); a mention without a
partner is ``missed``, a prediction without one is ``spurious``. So exact + wrong boundary + wrong type + missed is the
number of reference mentions, and exact + wrong boundary + wrong type + spurious that of predictions. Where dense is the
reference, pages say same, changed, lost and new (``BESIDE_DENSE``).

**Caused** are mentions that dense found exactly and the strategy did not, and spurious predictions that overlap no
wrong prediction of dense. **Fixed** are mentions that the strategy found exactly and dense did not, and spurious
predictions of dense that overlap no wrong prediction of the strategy. An error that only changed is neither. Caused
minus fixed mentions is dense's lead in exact matches.

**How** is decided from the words of the mention (or spurious prediction) and of everything that overlaps it in either
run. *Changed* words have different labels in the two runs. A caused error is the first of these that holds:

- ``context lost``: all changed words were computed to the end, so only their context differs from dense;
- ``not recovered``: some exited with their label, and the strategy could have recovered them but did not;
- ``span cut``: some exited, and the mention's own words did not all exit at the same layer;
- ``mislabelled at the gate``: the mention's words exited together with labels other than dense's, because of too few
  layers or because other words had exited before; a trace cannot tell.

A fixed error is ``less context`` if all changed words were computed to the end, else ``right at the gate``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from engine.text.documents import Entity
from eval import schema
from eval.analysis import DocumentComparison, overlap
from eval.schema import AGAINST_DENSE, AGAINST_GOLD, CAUSED, DENSE, EXACT, FIXED, NO_PARTNER, OUTCOMES, SPURIOUS, WAYS

AROUND = 4  # words that a case shows on either side


@dataclass(frozen=True)
class Pair:
    """A reference mention and its prediction; one of them is ``None`` if it has no partner."""

    reference: Entity | None
    predicted: Entity | None

    @property
    def outcome(self) -> str:
        """One of ``OUTCOMES``."""
        if self.reference is None:
            return SPURIOUS
        if self.predicted is None:
            return schema.MISSED
        if self.reference.type != self.predicted.type:
            return schema.TYPE
        return EXACT if self.reference.key == self.predicted.key else schema.BOUNDARY


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
    """An error that pruning caused or fixed."""

    part: str  # ``CAUSED`` or ``FIXED``
    outcome: str  # one of ``OUTCOMES``
    how: str  # one of ``WAYS``
    entity: Entity  # the gold mention, or the spurious prediction


def changes(comparison: DocumentComparison) -> Iterator[Change]:
    """Yields the errors that pruning caused and fixed in one document."""
    own, dense = (align(comparison.gold, found) for found in (comparison.found, comparison.found_by_dense))
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
                yield Change(part, pair.outcome, _find_way(comparison, part, entity), entity)


def _find_way(comparison: DocumentComparison, part: str, entity: Entity) -> str:
    labels, dense_labels = comparison.labels(comparison.found), comparison.labels(comparison.found_by_dense)
    words, touched = comparison.words, comparison.words_of(entity, *comparison.near(entity))
    some_exited = any(words[index].state == "exited" for index in touched if labels[index] != dense_labels[index])
    if part == FIXED:
        return schema.RIGHT_AT_GATE if some_exited else schema.LESS_CONTEXT
    if not some_exited:
        return schema.CONTEXT
    if comparison.recovers:
        return schema.NOT_RECOVERED
    ends = {(words[index].state == "exited", words[index].layer) for index in comparison.words_of(entity)}
    return schema.CUT if len(ends) > 1 else schema.AT_GATE


class Errors:
    """Counts errors over documents, by strategy, and keeps the first real cases of each part and way."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[tuple[str, str, str]]] = defaultdict(Counter)  # by part, outcome and way
        self._types: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)  # by gold and predicted type
        self._seen: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)  # changes by part and way
        self._cases: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def add(self, comparison: DocumentComparison) -> None:
        """Counts one document."""
        name = comparison.strategy
        counts, types, seen = self._counts[name], self._types[name], self._seen[name]
        for pair in align(comparison.gold, comparison.found):
            counts[AGAINST_GOLD, pair.outcome, ""] += 1
            types[_type_of(pair.reference), _type_of(pair.predicted)] += 1
        if name == DENSE:
            return
        for pair in align(comparison.found_by_dense, comparison.found):
            counts[AGAINST_DENSE, pair.outcome, ""] += 1
        for change in changes(comparison):
            counts[change.part, change.outcome, change.how] += 1
            seen[change.part, change.how] += 1
            if seen[change.part, change.how] <= schema.CASES_OF_A_KIND:
                self._cases[name].append(_describe_case(comparison, change))

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Yields the cells of the rows of ``errors.csv``, see `eval.schema.ErrorCount`."""
        for strategy, counts in self._counts.items():
            for part in (AGAINST_GOLD, AGAINST_DENSE, CAUSED, FIXED):
                if part != AGAINST_GOLD and strategy == DENSE:
                    continue
                for outcome in OUTCOMES if part not in WAYS else OUTCOMES[1:]:
                    for how in WAYS.get(part, ("",)):
                        yield strategy, part, outcome, how, counts[part, outcome, how]

    def confusion_rows(self, types: Iterable[str]) -> Iterator[tuple[object, ...]]:
        """Yields the cells of the rows of ``confusion.csv``: pairs by type, whatever their boundaries."""
        names = (*types, NO_PARTNER)
        pairs = list(product(names, names))[:-1]  # the last would have neither mention nor prediction
        for strategy, counts in self._types.items():
            yield from ((strategy, *pair, counts[pair]) for pair in pairs)

    def cases(self) -> list[dict[str, Any]]:
        """For each strategy, the number of changes of each kind and its first cases, as JSON objects."""
        return [
            {
                "strategy": strategy,
                "counts": sorted((part, how, count) for (part, how), count in self._seen[strategy].items()),
                "cases": cases,
            }
            for strategy, cases in self._cases.items()
        ]


def _type_of(entity: Entity | None) -> str:
    return entity.type if entity else NO_PARTNER


def _describe_case(comparison: DocumentComparison, change: Change) -> dict[str, Any]:
    """The entities of gold, dense and the strategy, and the surrounding words with their labels and gates."""
    shown = comparison.words_of(change.entity, *comparison.near(change.entity))
    first, end = max(0, shown[0] - AROUND), shown[-1] + 1 + AROUND
    names = comparison.label_set.names
    sides = {"gold": comparison.gold, "dense": comparison.found_by_dense, comparison.strategy: comparison.found}
    labels = zip(*(comparison.labels(entities)[first:end].tolist() for entities in sides.values()), strict=True)
    return {
        "part": change.part,
        "outcome": change.outcome,
        "how": change.how,
        "document": comparison.document.id,
        "entities": {
            side: [(other.type, other.text) for other in entities if overlap(change.entity, other)]
            for side, entities in sides.items()
        },
        "words": [
            {
                "text": word.text,
                "labels": [names[label] for label in of_word],
                "state": word.state,
                "layer": word.layer,
                "gates": [(gate.layer, gate.label, gate.probability) for gate in word.gates],
            }
            for word, of_word in zip(comparison.words[first:end], labels, strict=True)
        ],
    }
