"""Computes F1, its difference from dense and the keep rate by group of mentions: ``subgroups.csv`` and ``gaps.csv``.

Groups are defined by properties that gold mentions and predictions have in common: type, span, text and document. So
each group has its own matches, predictions, gold mentions and F1; a prediction with a wrong boundary may fall into a
different group than the mention that it misses. ``recall`` considers only gold mentions. ``keep_rate`` is the share of
layers that the words of the group's gold mentions went through, 1 for recovered words.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from engine.text.documents import Document, Entity
from engine.text.scoring import Counts, count_matches
from eval import schema
from eval.analysis.comparison import DocumentComparison, Word
from eval.schema import DENSE, MIN_SUPPORT, TRAINING_DIMENSIONS
from eval.statistics import FEWEST, resample_f1

FREQUENT = 5  # mentions in the training split
LENGTHS = {150: "up to 150 words", 250: "151–250 words", np.inf: "over 250 words"}  # of a document
PIECES = {1: "1", 2: "up to 2", np.inf: "over 2"}  # word pieces per word
SEEN, FREQUENCY = TRAINING_DIMENSIONS
DIMENSIONS = ("type", SEEN, FREQUENCY, "words", "abbreviation", "position", "document", "pieces per word")

Group = tuple[str, str]  # dimension and name


def normalise(text: str) -> str:
    """Normalises case and blanks, to compare mentions."""
    return " ".join(text.casefold().split())


def count_mentions(documents: Iterable[Document]) -> Counter[str]:
    """Counts the mentions of each normalised text in some documents."""
    return Counter(normalise(entity.text) for document in documents for entity in document.entities)


def is_abbreviation(text: str) -> bool:
    """Whether text is one word of at most 10 characters with at least two capitals, which are half of its letters."""
    letters = [c for c in text if c.isalpha()]
    capitals = sum(c.isupper() for c in letters)
    return len(text) <= 10 and not re.search(r"\s", text) and capitals >= 2 and 2 * capitals >= len(letters)


def groups_of(
    entity: Entity, words: Sequence[Word], document: Document, document_words: int, training: Mapping[str, int] | None
) -> dict[str, str]:
    """The group of a mention or prediction in each dimension that applies.

    ``training``: number of mentions of each normalised text in the training split, if there is one.
    """
    pieces = sum(word.pieces for word in words) / max(len(words), 1)
    groups = {
        "type": entity.type,
        "words": "one" if len(words) <= 1 else "several",
        "abbreviation": "abbreviation" if is_abbreviation(entity.text) else "full form",
        "document": next(name for limit, name in LENGTHS.items() if document_words <= limit),
        "pieces per word": next(name for limit, name in PIECES.items() if pieces <= limit),
    }
    if document.title_end is not None:
        groups["position"] = "title" if entity.start < document.title_end else "abstract"
    if training is not None:
        count = training.get(normalise(entity.text), 0)
        groups[SEEN] = "seen" if count else "unseen"
        if count:
            groups[FREQUENCY] = f"rare (1–{FREQUENT - 1})" if count < FREQUENT else f"frequent ({FREQUENT}+)"
    return groups


@dataclass
class _Tally:
    """One group's counts by document number, and how many of all layers its gold words went through."""

    counts: dict[int, Counts] = field(default_factory=dict)
    layers: int = 0
    all_layers: int = 0

    @property
    def total(self) -> Counts:
        return Counts.total(self.counts.values())


class Subgroups:
    """Counts by group over documents, for each strategy.

    Without ``training`` (see `groups_of`), the dimensions ``TRAINING_DIMENSIONS`` are left out.
    """

    def __init__(self, layers: int, training: Mapping[str, int] | None = None) -> None:
        self._layers = layers
        self._training = training
        self._documents: Counter[str] = Counter()
        self._tallies: dict[str, dict[Group, _Tally]] = {}

    def add(self, comparison: DocumentComparison) -> None:
        """Counts one document; all strategies must see the same documents in the same order."""
        number = self._documents[comparison.strategy]
        self._documents[comparison.strategy] += 1
        tallies = self._tallies.setdefault(comparison.strategy, {})
        gold, found = self._by_group(comparison, comparison.gold), self._by_group(comparison, comparison.found)
        for group in {**gold, **found}:
            mentions = gold.get(group, [])
            tally = tallies.setdefault(group, _Tally())
            wanted, got = ([entity for entity, _ in side] for side in (mentions, found.get(group, [])))
            tally.counts[number] = count_matches(wanted, got, comparison.types)
            for word in (word for _, words in mentions for word in words):
                tally.layers += word.layer if word.state == "exited" else self._layers
                tally.all_layers += self._layers

    def _by_group(
        self, comparison: DocumentComparison, entities: Iterable[Entity]
    ) -> dict[Group, list[tuple[Entity, Sequence[Word]]]]:
        """The entities of each group, each with its words."""
        words = comparison.words
        starts, ends = [word.start for word in words], [word.end for word in words]
        by_group: dict[Group, list[tuple[Entity, Sequence[Word]]]] = {}
        for entity in entities:
            own = words[bisect_right(ends, entity.start) : bisect_left(starts, entity.end)]
            for group in groups_of(entity, own, comparison.document, len(words), self._training).items():
                by_group.setdefault(group, []).append((entity, own))
        return by_group

    def _groups(self) -> list[Group]:
        ordered = ["", *LENGTHS.values(), *PIECES.values()]

        def place(group: Group) -> tuple[int, int, str]:
            return DIMENSIONS.index(group[0]), ordered.index(group[1]) if group[1] in ordered else 0, group[1]

        return sorted({group for tallies in self._tallies.values() for group in tallies}, key=place)

    def _resample(self, groups: Sequence[Group], seed: int) -> dict[str, np.ndarray]:
        """F1 of every strategy, ``(resamples, groups)``, paired: all on the same draws of documents.

        NaN if a group is in too few documents, because many draws would miss it.
        """
        found = {}
        for strategy, tallies in self._tallies.items():
            table = np.zeros((len(groups), self._documents[DENSE], 2))
            for row, group in enumerate(groups):
                counted = tallies.get(group, _Tally()).counts
                for number, counts in counted.items():
                    table[row, number] = counts.correct, counts.predicted + counts.gold
                if len(counted) < FEWEST:
                    table[row] = np.nan
            found[strategy] = resample_f1(table, seed)
        return found

    def rows(self, seed: int) -> tuple[list[schema.Group], list[schema.Gap]]:
        """The rows of ``subgroups.csv`` and of ``gaps.csv``, with 95 % intervals of a paired bootstrap over documents.

        ``difference`` is F1 minus dense's in the same group. A gap is one group's difference minus that of another in
        the same dimension; its interval holds jointly for all gaps of the strategy (max-t; Westfall & Young 1993),
        because the largest of many gaps is partly due to chance.
        """
        rows: list[schema.Group] = []
        gaps: list[schema.Gap] = []
        if not self._documents:
            return rows, gaps
        groups = self._groups()
        resampled = self._resample(groups, seed)
        for strategy, tallies in self._tallies.items():
            differences = resampled[strategy] - resampled[DENSE]
            f1_ends, ends = (np.quantile(of, (0.025, 0.975), axis=0).T for of in (resampled[strategy], differences))
            own: list[schema.Group] = []
            for (dimension, name), (f1_low, f1_high), (low, high) in zip(groups, f1_ends, ends, strict=True):
                tally, dense = (of.get((dimension, name), _Tally()) for of in (tallies, self._tallies[DENSE]))
                total = tally.total
                own.append(
                    {
                        "strategy": strategy,
                        "dimension": dimension,
                        "group": name,
                        "support": total.gold,
                        "documents": sum(counts.gold > 0 for counts in tally.counts.values()),
                        "correct": total.correct,
                        "predicted": total.predicted,
                        "f1": total.f1,
                        "f1_low": f1_low,
                        "f1_high": f1_high,
                        "recall": total.recall,
                        "difference": total.f1 - dense.total.f1,
                        "low": low,
                        "high": high,
                        "significant": bool(low > 0 or high < 0),
                        "keep_rate": tally.layers / tally.all_layers if tally.all_layers else float("nan"),
                    }
                )
            rows += own
            if strategy != DENSE:
                gaps += _gaps(own, differences)
        return rows, gaps


def _gaps(rows: Sequence[schema.Group], differences: np.ndarray) -> Iterator[schema.Gap]:
    """Yields the gaps within the dimensions of one strategy.

    ``differences``: from dense, ``(resamples, groups)`` in the order of the rows.
    """
    pairs = [
        (one, other) if rows[one]["difference"] <= rows[other]["difference"] else (other, one)
        for one, other in combinations(range(len(rows)), 2)
        if rows[one]["dimension"] == rows[other]["dimension"]
        and min(rows[one]["support"], rows[other]["support"]) >= MIN_SUPPORT
        and not np.isnan([rows[one]["low"], rows[other]["low"]]).any()
    ]
    if not pairs:
        return
    worse, better = map(list, zip(*pairs, strict=True))
    draws = differences[:, worse] - differences[:, better]
    error = draws.std(axis=0)
    deviations = np.abs(draws - draws.mean(axis=0)) / np.where(error > 0, error, 1)
    critical = float(np.quantile(deviations.max(axis=1), 0.95))
    for (one, other), width in zip(pairs, critical * error, strict=True):
        gap = rows[one]["difference"] - rows[other]["difference"]
        yield {
            "strategy": rows[one]["strategy"],
            "dimension": rows[one]["dimension"],
            "group": rows[one]["group"],
            "other": rows[other]["group"],
            "gap": gap,
            "low": gap - width,
            "high": gap + width,
            "significant": bool(gap + width < 0),
            "compared": len(pairs),
        }
