"""Computes F1, difference from dense and keep rate by group of mentions, for ``subgroups.csv`` and ``gaps.csv``.

Groups are defined by properties that gold mentions and predictions share: type, span, text and document. So each group
has its own matches, predictions, gold mentions and F1; a prediction with a wrong boundary may fall into a different
group than the mention it misses. ``recall`` considers only gold mentions. ``keep_rate`` is the share of layers that the
words of the group's gold mentions went through, 1 for recovered words.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from engine.text.documents import Document, Entity
from engine.text.scoring import Counts, count_matches
from eval import schema
from eval.analysis.comparison import Compared, Word
from eval.schema import DENSE, MIN_SUPPORT, OF_TRAINING
from eval.statistics import FEWEST, resamples

FREQUENT = 5  # mentions in the training split
LENGTHS = {150: "up to 150 words", 250: "151–250 words", np.inf: "over 250 words"}  # of a document
PIECES = {1: "1", 2: "up to 2", np.inf: "over 2"}
SEEN, FREQUENCY = OF_TRAINING

GroupKey = tuple[str, str]  # dimension, group


def normalised(text: str) -> str:
    """Normalises case and blanks for comparing mentions."""
    return " ".join(text.casefold().split())


def training_mentions(documents: Iterable[Document]) -> Counter[str]:
    """Counts each mention text in some documents."""
    return Counter(normalised(entity.text) for document in documents for entity in document.entities)


def is_abbreviation(text: str) -> bool:
    """Whether text is one word of at most 10 characters; at least two and half its letters are capitals."""
    letters = [c for c in text if c.isalpha()]
    capitals = sum(c.isupper() for c in letters)
    return len(text) <= 10 and not re.search(r"\s", text) and capitals >= 2 and 2 * capitals >= len(letters)


@dataclass(frozen=True)
class Mention:
    """A gold mention or prediction with its words, document and training mention counts (``None``: unknown)."""

    entity: Entity
    words: Sequence[Word]
    document: Document
    document_words: int
    training: Mapping[str, int] | None


def _position(mention: Mention) -> str | None:
    end = mention.document.title_end
    return None if end is None else "title" if mention.entity.start < end else "abstract"


def _bucket(value: float, buckets: Mapping[float, str]) -> str:
    return next(name for limit, name in buckets.items() if value <= limit)


def _pieces_per_word(mention: Mention) -> float:
    return sum(word.pieces for word in mention.words) / max(len(mention.words), 1)


def _seen(mention: Mention) -> str | None:
    if mention.training is None:
        return None
    return "seen" if mention.training.get(normalised(mention.entity.text), 0) else "unseen"


def _frequency(mention: Mention) -> str | None:
    count = mention.training.get(normalised(mention.entity.text), 0) if mention.training else 0
    return None if not count else f"rare (1–{FREQUENT - 1})" if count < FREQUENT else f"frequent ({FREQUENT}+)"


DIMENSIONS: dict[str, Callable[[Mention], str | None]] = {
    "type": lambda mention: mention.entity.type,
    SEEN: _seen,
    FREQUENCY: _frequency,
    "words": lambda mention: "one" if len(mention.words) <= 1 else "several",
    "abbreviation": lambda mention: "abbreviation" if is_abbreviation(mention.entity.text) else "full form",
    "position": _position,
    "document": lambda mention: _bucket(mention.document_words, LENGTHS),
    "pieces per word": lambda mention: _bucket(_pieces_per_word(mention), PIECES),
}


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

    Args:
        layers: of the encoder.
        training: mention counts of the training split; without them the dimensions ``OF_TRAINING`` are left out.
    """

    def __init__(self, layers: int, training: Mapping[str, int] | None = None) -> None:
        self._layers = layers
        self._training = training
        self._documents: Counter[str] = Counter()
        self._tallies: dict[str, dict[GroupKey, _Tally]] = {}

    def add(self, compared: Compared) -> None:
        """Counts one document; all strategies must see the same documents in the same order."""
        number = self._documents[compared.strategy]
        self._documents[compared.strategy] += 1
        tallies = self._tallies.setdefault(compared.strategy, {})
        gold, found = self._grouped(compared, compared.gold), self._grouped(compared, compared.found)
        for group in {**gold, **found}:
            mentions = gold.get(group, [])
            tally = tallies.setdefault(group, _Tally())
            wanted, got = ([mention.entity for mention in side] for side in (mentions, found.get(group, [])))
            tally.counts[number] = count_matches(wanted, got, compared.types)
            for word in (word for mention in mentions for word in mention.words):
                tally.layers += word.layer if word.state == "exited" else self._layers
                tally.all_layers += self._layers

    def _grouped(self, compared: Compared, entities: Iterable[Entity]) -> dict[GroupKey, list[Mention]]:
        words = compared.findings.words
        starts, ends = [word.start for word in words], [word.end for word in words]
        groups: dict[GroupKey, list[Mention]] = {}
        for entity in entities:
            own = words[bisect_right(ends, entity.start) : bisect_left(starts, entity.end)]
            mention = Mention(entity, own, compared.document, len(words), self._training)
            for dimension, of in DIMENSIONS.items():
                group = of(mention)
                if group is not None:
                    groups.setdefault((dimension, group), []).append(mention)
        return groups

    def _groups(self) -> list[GroupKey]:
        found = {group for tallies in self._tallies.values() for group in tallies}
        buckets = ["", *LENGTHS.values(), *PIECES.values()]

        def place(group: GroupKey) -> tuple[int, int, str]:
            bucket = buckets.index(group[1]) if group[1] in buckets else 0
            return list(DIMENSIONS).index(group[0]), bucket, group[1]

        return sorted(found, key=place)

    def _resampled(self, seed: int) -> dict[str, np.ndarray]:
        """F1 of every strategy, ``(resamples, groups)``: paired, on the same draws of documents.

        NaN if a group is in too few documents: many draws would miss it.
        """
        documents, groups = self._documents[DENSE], self._groups()
        found = {}
        for strategy, tallies in self._tallies.items():
            table = np.zeros((2, documents, len(groups)))
            for column, group in enumerate(groups):
                counted = tallies.get(group, _Tally()).counts
                if len(counted) < FEWEST:
                    table[:, :, column] = np.nan
                    continue
                for number, counts in counted.items():
                    table[:, number, column] = counts.correct, counts.predicted + counts.gold
            correct, size = np.concatenate([weights @ table for weights in resamples(documents, seed)], axis=1)
            found[strategy] = 2 * correct / np.maximum(size, 1)
        return found

    def rows(self, seed: int) -> tuple[list[schema.Group], list[schema.Gap]]:
        """The rows of ``subgroups.csv`` and of ``gaps.csv``, with 95 % intervals of a paired bootstrap over documents.

        ``difference`` is F1 minus dense's in the same group. A gap is one group's difference minus that of another in
        the same dimension; its interval holds jointly for all gaps of the strategy (max-t; Westfall & Young 1993),
        since the largest of many gaps is partly due to chance.
        """
        rows: list[schema.Group] = []
        gaps: list[schema.Gap] = []
        if not self._documents:
            return rows, gaps
        groups, resampled = self._groups(), self._resampled(seed)
        for strategy, tallies in self._tallies.items():
            draws = resampled[strategy]
            differences = draws - resampled[DENSE]
            of_strategy: list[schema.Group] = []
            for column, group in enumerate(groups):
                tally, reference = tallies.get(group, _Tally()), self._tallies[DENSE].get(group, _Tally())
                total = tally.total
                f1_low, f1_high = np.quantile(draws[:, column], (0.025, 0.975))
                low, high = np.quantile(differences[:, column], (0.025, 0.975))
                of_strategy.append(
                    {
                        "strategy": strategy,
                        "dimension": group[0],
                        "group": group[1],
                        "support": total.gold,
                        "documents": sum(counts.gold > 0 for counts in tally.counts.values()),
                        "correct": total.correct,
                        "predicted": total.predicted,
                        "f1": total.f1,
                        "f1_low": f1_low,
                        "f1_high": f1_high,
                        "recall": total.recall,
                        "difference": total.f1 - reference.total.f1,
                        "low": low,
                        "high": high,
                        "significant": bool(low > 0 or high < 0),
                        "keep_rate": tally.layers / tally.all_layers if tally.all_layers else float("nan"),
                    }
                )
            rows += of_strategy
            if strategy != DENSE:
                gaps += _gaps(of_strategy, differences)
        return rows, gaps


def _gaps(rows: Sequence[schema.Group], differences: np.ndarray) -> Iterator[schema.Gap]:
    """Gaps within the dimensions of one strategy; ``differences`` ``(resamples, groups)`` in the order of its rows."""
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
