"""Classifies errors against gold and dense, finds those that pruning caused or fixed, and counts words that exit.

**Outcomes.** Mentions of the reference (gold, or what dense found) are paired with predictions one to one: first those
with the same span and type, then overlapping ones, preferring equal spans, then equal types, then longer overlaps. A
pair is ``exact`` (span and type), ``wrong boundary`` (type only) or ``wrong type`` (any span); a mention without a
partner is ``missed``, a prediction without one is ``spurious``.

**Caused** are mentions that dense found exactly and the strategy did not, and spurious predictions that overlap no
wrong prediction of dense. **Fixed** is the reverse. An error that only changed is neither. Caused minus fixed mentions
is dense's lead in exact matches.

**How** is decided from the words of the mention (or spurious prediction) and of everything that overlaps it in either
run. *Changed* words have different labels in the two runs. A caused error is the first of these that holds:

- ``context lost``: all changed words were computed to the end, so only their context differs from dense;
- ``not recovered``: some exited with their label, and the strategy could have recovered them but did not;
- ``span cut``: some exited, and the mention's own words did not all exit at the same layer;
- ``mislabelled at the gate``: the mention's words exited together with labels other than dense's, because of too few
  layers or because other words had exited before; a trace cannot tell.

A fixed error is ``less context`` if all changed words were computed to the end, else ``right at the gate``.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import product

from engine.paths import State
from engine.text.documents import Entity
from engine.text.labels import LabelSet
from eval import schema
from eval.analysis import Comparison, DocumentComparison, overlap
from eval.schema import CAUSED, EXACT, EXIT_COLUMNS, FIXED, NO_PARTNER, OUTCOMES, REASONS, SPURIOUS, Row

DENSE_RIGHT = "dense_right"  # the column of ``exits.csv``

# A reference mention and its prediction; one of them is ``None`` if the other has no partner.
Pair = tuple[Entity | None, Entity | None]


def outcome(pair: Pair) -> str:
    """One of ``OUTCOMES``."""
    reference, predicted = pair
    if reference is None:
        return SPURIOUS
    if predicted is None:
        return schema.MISSED
    if reference.type != predicted.type:
        return schema.TYPE
    return EXACT if reference.key == predicted.key else schema.BOUNDARY


def align(reference: Iterable[Entity], predicted: Iterable[Entity]) -> list[Pair]:
    """Pairs mentions with predictions; each is in exactly one pair. Keys must be distinct on either side."""
    mentions, predictions = ({entity.key: entity for entity in side} for side in (reference, predicted))
    pairs: list[Pair] = [(mentions.pop(key), predictions.pop(key)) for key in mentions.keys() & predictions.keys()]
    candidates = sorted(
        (key[:2] != other_key[:2], mention.type != other.type, -overlap(mention, other), key, other_key)
        for key, mention in mentions.items()
        for other_key, other in predictions.items()
        if overlap(mention, other)
    )
    for *_, key, other_key in candidates:
        if key in mentions and other_key in predictions:
            pairs.append((mentions.pop(key), predictions.pop(other_key)))
    alone: list[Pair] = [(mention, None) for mention in mentions.values()]
    return pairs + alone + [(None, prediction) for prediction in predictions.values()]


def changes(comparison: DocumentComparison, *, recovers: bool = False) -> Iterator[tuple[str, str, str]]:
    """Yields the errors that pruning caused and fixed in a document: part, outcome and one of `eval.schema.REASONS`.

    ``recovers``: whether words may come back.
    """
    pruned, dense = (align(comparison.gold, found) for found in (comparison.found, comparison.found_by_dense))
    for part, wrong, right in ((CAUSED, pruned, dense), (FIXED, dense, pruned)):
        exact = {pair[0] for pair in right if outcome(pair) == EXACT}
        false = [pair[1] for pair in right if pair[1] and outcome(pair) != EXACT]
        for pair in wrong:
            result, entity = outcome(pair), pair[0] or pair[1]
            assert entity is not None, "a pair has a mention or a prediction"
            if result == SPURIOUS:
                changed = not any(overlap(entity, other) for other in false)
            else:
                changed = result != EXACT and entity in exact
            if changed:
                yield part, result, _reason(comparison, part, entity, recovers)


def _reason(comparison: DocumentComparison, part: str, entity: Entity, recovers: bool) -> str:
    labels, dense_labels = comparison.labels(comparison.found), comparison.labels(comparison.found_by_dense)
    near = [other for other in (*comparison.found, *comparison.found_by_dense) if overlap(entity, other)]
    paths, touched = comparison.paths, comparison.words_of(entity, *near)
    some_exited = any(paths.exited[index] for index in touched if labels[index] != dense_labels[index])
    if part == FIXED:
        return schema.RIGHT_AT_GATE if some_exited else schema.LESS_CONTEXT
    if not some_exited:
        return schema.CONTEXT
    if recovers:
        return schema.NOT_RECOVERED
    words = comparison.words_of(entity)
    exits = set(zip(paths.layer[words].tolist(), paths.state[words].tolist(), strict=True))
    return schema.AT_GATE if len(exits) == 1 else schema.CUT


def error_rows(comparison: Comparison) -> Iterator[Row]:
    """Yields the rows of a variant in ``errors.csv``."""
    counts: Counter[tuple[str, str, str]] = Counter()
    variant = comparison.variant
    recovers = variant.strategy is not None and variant.strategy.recovery is not None
    for document in comparison.documents:
        for part, reference in ((schema.AGAINST_GOLD, document.gold), (schema.AGAINST_DENSE, document.found_by_dense)):
            counts.update((part, outcome(pair), "") for pair in align(reference, document.found))
        counts.update(changes(document, recovers=recovers))
    parts = [schema.AGAINST_GOLD, schema.AGAINST_DENSE, CAUSED, FIXED]
    for part in parts[:1] if variant.kind == schema.DENSE else parts:
        for result in OUTCOMES if part not in REASONS else OUTCOMES[1:]:
            for how in REASONS.get(part, ("",)):
                cells = {"variant": variant.name, "part": part, "outcome": result, "how": how}
                yield cells | {"count": counts[part, result, how]}


def confusion_rows(comparison: Comparison) -> Iterator[Row]:
    """Yields the rows of a variant in ``confusion.csv``: pairs by type, whatever their boundaries."""
    counts: Counter[tuple[str, ...]] = Counter()
    for document in comparison.documents:
        for pair in align(document.gold, document.found):
            counts[tuple(entity.type if entity else NO_PARTNER for entity in pair)] += 1
    names = (*dict.fromkeys(type_ for document in comparison.documents for type_ in document.types), NO_PARTNER)
    for gold, predicted in list(product(names, names))[:-1]:  # the last would have neither mention nor prediction
        counted = counts[gold, predicted]
        yield {"variant": comparison.variant.name, "gold": gold, "predicted": predicted, "count": counted}


def exit_rows(comparison: Comparison) -> Iterator[Row]:
    """Yields the rows of a variant in ``exits.csv``, for each gate and label, ``O`` included.

    ``words`` have this gold label. ``exited`` of them exit after ``layer``: they keep the gate's label, right or
    wrong, or are recovered and end up right or wrong. ``dense_right`` counts the wrong ones that dense gets right. A
    label is right if it equals the gold one, B or I included.
    """
    words: Counter[str] = Counter()
    counts: Counter[tuple[int, str, str]] = Counter()
    names: tuple[str, ...] = ()
    variant = comparison.variant
    for document in comparison.documents if variant.gates else ():
        names = LabelSet(document.types).names
        sides = (document.gold, document.found, document.found_by_dense)
        labels = (document.labels(entities).tolist() for entities in sides)
        where = document.paths.layer.tolist(), document.paths.state.tolist()
        for layer, state, gold, got, got_by_dense in zip(*where, *labels, strict=True):
            words[names[gold]] += 1
            if state != State.KEPT:
                label_is = "right" if got == gold else "wrong"
                column = f"{label_is}_at_gate" if state == State.EXITED else f"recovered_{label_is}"
                counts[layer, names[gold], column] += 1
                counts[layer, names[gold], DENSE_RIGHT] += got != gold == got_by_dense
    for layer, label in product(variant.gates, (*names[1:], *names[:1])):
        columns = {column: counts[layer, label, column] for column in (*EXIT_COLUMNS, DENSE_RIGHT)}
        exited = sum(columns[column] for column in EXIT_COLUMNS)
        share = exited / words[label] if words[label] else 0.0
        cells = {"variant": variant.name, "layer": layer, "gold": label, "words": words[label], "exited": exited}
        yield cells | {"share_exited": share, **columns}
