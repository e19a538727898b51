"""F1 by group of mentions, and how it differs from dense, in ``subgroups.csv``.

Mentions are grouped by entity type, and by whether their text is a mention in the corpus' training split. Gold mentions
and predictions alike have a group, so that each group has its own F1; ``recall`` considers only gold mentions.
"""

from collections.abc import Iterable, Iterator, Sequence, Set

from engine.text.documents import Document, Entity
from engine.text.scoring import Counts, count_matches
from eval.analysis import Comparison, DocumentComparison
from eval.schema import TRAINING, Row
from eval.statistics import compare_f1

Group = tuple[str, str]  # dimension and name


def normalise(text: str) -> str:
    """Without case and further blanks, to compare mentions."""
    return " ".join(text.casefold().split())


def groups_of(entity: Entity, seen: Set[str] | None) -> Iterator[Group]:
    """The groups of a mention or prediction; ``seen``: normalised mentions of the training split, if there is one."""
    yield "type", entity.type
    if seen is not None:
        yield TRAINING, "seen" if normalise(entity.text) in seen else "unseen"


def group_rows(comparisons: Sequence[Comparison], training: Sequence[Document]) -> Iterator[Row]:
    """Yields the rows of ``subgroups.csv``, compared with the first variant, which is dense in float32.

    ``support`` counts gold mentions. Intervals are over its documents.
    """
    seen = {normalise(e.text) for document in training for e in document.entities} if training else None
    reference = _count(comparisons[0].documents, seen)
    for comparison in comparisons:
        counted = _count(comparison.documents, seen)
        for group in sorted(reference, key=lambda group: (group[0] == TRAINING, group[1])):
            pairs = zip(counted[group], reference[group], strict=True)
            # Resamples of all documents would often have none of a rare group.
            counts, others = zip(*((a, b) for a, b in pairs if a.gold or a.predicted or b.predicted), strict=True)
            total = Counts.total(counts)
            yield {
                "variant": comparison.variant.name,
                "against": comparisons[0].variant.name,
                "dimension": group[0],
                "group": group[1],
                "support": total.gold,
                "documents": sum(count.gold > 0 for count in counts),
                "correct": total.correct,
                "predicted": total.predicted,
                "recall": total.recall,
                **compare_f1([counts], [others]),
            }


def _count(documents: Sequence[DocumentComparison], seen: Set[str] | None) -> dict[Group, list[Counts]]:
    """The counts of each document, for each group with gold mentions."""
    groups = {group for document in documents for mention in document.gold for group in groups_of(mention, seen)}

    def inside(entities: Iterable[Entity], group: Group) -> list[Entity]:
        return [entity for entity in entities if group in groups_of(entity, seen)]

    return {
        group: [count_matches(inside(d.gold, group), inside(d.found, group), d.types) for d in documents]
        for group in groups
    }
