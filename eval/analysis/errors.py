"""Classifies errors against gold and dense, finds those that pruning caused or fixed, and counts words that exit.

Files: ``errors.csv``, ``confusion.csv`` and ``exits.csv``.

**Outcomes.** Mentions of the reference (gold, or what dense found) are paired with predictions one to one: first those
with the same span and type, then overlapping ones, preferring equal spans, then equal types, then longer overlaps. A
pair is ``exact`` (span and type), ``wrong boundary`` (type only) or ``wrong type`` (any span); a mention without a
partner is ``missed``, a prediction without one is ``spurious``. So exact + wrong boundary + wrong type + missed is the
number of reference mentions, and exact + wrong boundary + wrong type + spurious that of predictions.

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

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from engine.text.documents import Entity
from eval import schema
from eval.analysis import Comparison, DocumentComparison, overlap
from eval.schema import AGAINST_DENSE, AGAINST_GOLD, CAUSED, DENSE, EXACT, FIXED, NO_PARTNER, OUTCOMES, SPURIOUS, WAYS


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


def changes(comparison: DocumentComparison, *, recovers: bool = False) -> Iterator[Change]:
    """Yields the errors that pruning caused and fixed in one document; ``recovers``: whether words may come back."""
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
                yield Change(part, pair.outcome, _find_way(comparison, part, entity, recovers), entity)


def _find_way(comparison: DocumentComparison, part: str, entity: Entity, recovers: bool) -> str:
    labels, dense_labels = comparison.labels(comparison.found), comparison.labels(comparison.found_by_dense)
    exits, touched = comparison.exits, comparison.words_of(entity, *comparison.near(entity))
    some_exited = any(exits[index] > 0 for index in touched if labels[index] != dense_labels[index])
    if part == FIXED:
        return schema.RIGHT_AT_GATE if some_exited else schema.LESS_CONTEXT
    if not some_exited:
        return schema.CONTEXT
    if recovers:
        return schema.NOT_RECOVERED
    return schema.CUT if len({exits[index] for index in comparison.words_of(entity)}) > 1 else schema.AT_GATE


def all_changes(comparison: Comparison) -> Iterator[tuple[DocumentComparison, Change]]:
    """Yields the errors that a variant caused and fixed, document by document."""
    recovers = comparison.variant.strategy is not None and comparison.variant.strategy.recovery is not None
    for document in comparison.documents:
        yield from ((document, change) for change in changes(document, recovers=recovers))


def error_rows(comparison: Comparison) -> Iterator[tuple[object, ...]]:
    """Yields the cells of a variant's rows of ``errors.csv``, see `eval.schema.ErrorCount`."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for document in comparison.documents:
        counts.update((AGAINST_GOLD, pair.outcome, "") for pair in align(document.gold, document.found))
        counts.update((AGAINST_DENSE, pair.outcome, "") for pair in align(document.found_by_dense, document.found))
    counts.update((change.part, change.outcome, change.how) for _, change in all_changes(comparison))
    is_dense = comparison.variant.kind == DENSE
    for part in (AGAINST_GOLD,) if is_dense else (AGAINST_GOLD, AGAINST_DENSE, CAUSED, FIXED):
        for outcome in OUTCOMES if part not in WAYS else OUTCOMES[1:]:
            for how in WAYS.get(part, ("",)):
                yield comparison.variant.name, part, outcome, how, counts[part, outcome, how]


def confusion_rows(comparison: Comparison) -> Iterator[tuple[object, ...]]:
    """Yields the cells of a variant's rows of ``confusion.csv``: pairs by type, whatever their boundaries."""
    counts: Counter[tuple[str, str]] = Counter()
    for document in comparison.documents:
        pairs = align(document.gold, document.found)
        counts.update((_type_of(pair.reference), _type_of(pair.predicted)) for pair in pairs)
    types = dict.fromkeys(type_ for document in comparison.documents for type_ in document.types)
    names = (*types, NO_PARTNER)
    for pair in list(product(names, names))[:-1]:  # the last would have neither mention nor prediction
        yield comparison.variant.name, *pair, counts[pair]


def exit_rows(comparison: Comparison) -> Iterator[tuple[object, ...]]:
    """Yields the cells of a variant's rows for each gate and label, ``O`` included, see `eval.schema.Exit`.

    ``words`` have this gold label. ``exited`` of them exit after ``layer``: they keep the gate's label, right or
    wrong, or are recovered and end up right or wrong. ``dense_right`` counts the wrong ones that dense gets right. A
    label is right if it equals the gold one, B or I included.
    """
    words: Counter[str] = Counter()
    fates: Counter[tuple[int, str, str]] = Counter()
    dense_right: Counter[tuple[int, str]] = Counter()
    names: tuple[str, ...] = ()
    variant = comparison.variant
    for document in comparison.documents if variant.gates else ():
        names = document.label_set.names
        sides = (document.gold, document.found, document.found_by_dense)
        labels = (document.labels(entities).tolist() for entities in sides)
        for layer, wanted, got, got_by_dense in zip(document.exits, *labels, strict=True):
            words[names[wanted]] += 1
            if layer:
                verdict = "right" if got == wanted else "wrong"
                fate = f"{verdict}_at_gate" if layer > 0 else f"recovered_{verdict}"
                fates[abs(layer), names[wanted], fate] += 1
                dense_right[abs(layer), names[wanted]] += got != wanted == got_by_dense
    for layer in variant.gates:
        for label in (*names[1:], *names[:1]):
            of_label = [fates[layer, label, fate] for fate in schema.FATES]
            exited = sum(of_label)
            share = exited / words[label] if words[label] else 0.0
            yield variant.name, layer, label, words[label], exited, share, *of_label, dense_right[layer, label]


def _type_of(entity: Entity | None) -> str:
    return entity.type if entity else NO_PARTNER
