"""Computes F1, its difference from dense and the keep rate by group of mentions: ``subgroups.csv`` and ``gaps.csv``.

Groups are defined by properties that gold mentions and predictions have in common: type, span, text and document. So
each group has its own matches, predictions, gold mentions and F1; a prediction with a wrong boundary may fall into a
different group than the mention that it misses. ``recall`` considers only gold mentions. ``keep_rate`` is the share of
layers that the words of the group's gold mentions went through, 1 for recovered words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from engine.text.documents import Document, Entity
from engine.text.scoring import Counts, count_matches
from eval import schema
from eval.analysis import DocumentComparison
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


def groups_of(entity: Entity, comparison: DocumentComparison, training: Mapping[str, int] | None) -> dict[str, str]:
    """The group of a mention or prediction in each dimension that applies.

    ``training``: number of mentions of each normalised text in the training split, if there is one.
    """
    document, words = comparison.document, comparison.words_of(entity)
    pieces = sum(comparison.words[index].pieces for index in words) / max(len(words), 1)
    groups = {
        "type": entity.type,
        "words": "one" if len(words) <= 1 else "several",
        "abbreviation": "abbreviation" if is_abbreviation(entity.text) else "full form",
        "document": next(name for limit, name in LENGTHS.items() if len(comparison.words) <= limit),
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


class Subgroups:
    """Counts by group over documents, for each strategy.

    Without ``training`` (see `groups_of`), the dimensions ``TRAINING_DIMENSIONS`` are left out.
    """

    def __init__(self, layers: int, training: Mapping[str, int] | None = None) -> None:
        self._layers = layers
        self._training = training
        self._documents: Counter[str] = Counter()  # by strategy
        # For strategy, number of the document and group: matches, predictions and gold mentions; of the words of gold
        # mentions, the layers that they went through, and their number.
        self._counted: dict[tuple[str, int, Group], tuple[int, int, int, int, int]] = {}

    def add(self, comparison: DocumentComparison) -> None:
        """Counts one document; all strategies must see the same documents in the same order."""
        strategy, number = comparison.strategy, self._documents[comparison.strategy]
        self._documents[strategy] += 1
        gold, found = (self._by_group(comparison, side) for side in (comparison.gold, comparison.found))
        for group in {**gold, **found}:
            mentions = gold.get(group, [])
            counts = count_matches(mentions, found.get(group, []), comparison.types)
            words = [comparison.words[index] for mention in mentions for index in comparison.words_of(mention)]
            layers = sum(word.layer if word.state == "exited" else self._layers for word in words)
            counted = counts.correct, counts.predicted, counts.gold, layers, len(words)
            self._counted[strategy, number, group] = counted

    def _by_group(self, comparison: DocumentComparison, entities: Iterable[Entity]) -> dict[Group, list[Entity]]:
        by_group: dict[Group, list[Entity]] = {}
        for entity in entities:
            for group in groups_of(entity, comparison, self._training).items():
                by_group.setdefault(group, []).append(entity)
        return by_group

    def _groups(self) -> list[Group]:
        ordered = ["", *LENGTHS.values(), *PIECES.values()]

        def place(group: Group) -> tuple[int, int, str]:
            return DIMENSIONS.index(group[0]), ordered.index(group[1]) if group[1] in ordered else 0, group[1]

        return sorted({group for _, _, group in self._counted}, key=place)

    def rows(self, seed: int) -> tuple[list[schema.Group], list[schema.Gap]]:
        """The rows of ``subgroups.csv`` and of ``gaps.csv``, with 95 % intervals of a paired bootstrap over documents.

        ``difference`` is F1 minus dense's in the same group. A gap is one group's difference minus that of another in
        the same dimension; its interval holds jointly for all gaps of the strategy (max-t; Westfall & Young 1993),
        because the largest of many gaps is partly due to chance.
        """
        groups = self._groups()
        places = {group: place for place, group in enumerate(groups)}
        shape = len(groups), self._documents[DENSE], 5
        tables = {strategy: np.zeros(shape, dtype=np.int64) for strategy in self._documents}
        for (strategy, number, group), counted in self._counted.items():
            tables[strategy][places[group], number] = counted
        resampled = {strategy: _resample(table, seed) for strategy, table in tables.items()}
        rows: list[schema.Group] = []
        gaps: list[schema.Gap] = []
        for strategy, table in tables.items():
            differences = resampled[strategy] - resampled[DENSE]
            f1_ends, ends = (np.quantile(of, (0.025, 0.975), axis=0).T for of in (resampled[strategy], differences))
            own: list[schema.Group] = []
            for place, (dimension, name) in enumerate(groups):
                *counts, layers, words = table[place].sum(axis=0).tolist()
                total, dense = Counts(*counts), Counts(*tables[DENSE][place].sum(axis=0).tolist()[:3])
                (f1_low, f1_high), (low, high) = f1_ends[place], ends[place]
                own.append(
                    {
                        "strategy": strategy,
                        "dimension": dimension,
                        "group": name,
                        "support": total.gold,
                        "documents": int((table[place, :, 2] > 0).sum()),
                        "correct": total.correct,
                        "predicted": total.predicted,
                        "f1": total.f1,
                        "f1_low": f1_low,
                        "f1_high": f1_high,
                        "recall": total.recall,
                        "difference": total.f1 - dense.f1,
                        "low": low,
                        "high": high,
                        "significant": bool(low > 0 or high < 0),
                        "keep_rate": layers / (words * self._layers) if words else float("nan"),
                    }
                )
            rows += own
            if strategy != DENSE:
                gaps += _gaps(own, differences)
        return rows, gaps


def _resample(table: np.ndarray, seed: int) -> np.ndarray:
    """F1 of each group, ``(resamples, groups)``, on the same draws of documents for every strategy.

    NaN if a group is in too few documents, because many draws would miss it.
    """
    counts = np.stack([table[..., 0], table[..., 1] + table[..., 2]], axis=-1).astype(float)
    counts[(counts[..., 1] > 0).sum(axis=1) < FEWEST] = np.nan
    return resample_f1(counts, seed)


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
