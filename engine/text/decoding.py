"""From label distributions to entities: the best valid sequence of labels, then short forms as their long forms.

This is the one decoder behind every network. `LabelSet.decode`, which takes each word's likeliest label, reads tags.
"""

import hashlib
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from engine.text.abbreviations import find_abbreviations
from engine.text.documents import Entity
from engine.text.labels import LabelSet
from engine.text.words import Span

CERTAIN = 0.95  # probability from which a word has its likeliest label, unless that is invalid beside another
IMPOSSIBLE = -1e4  # score of a transition that the label scheme excludes
IOB1 = 0.2  # probability of B, per I that begins an entity, below which a text's labels are IOB1
LEAST = 1e-9  # lower probabilities count as this one
# Why a label is not the word's likeliest:
SEQUENCE = "the best sequence of labels"
PASSAGE = "the end of a passage"


@dataclass(frozen=True, eq=False)
class Decoded:
    """The entities of a text, in order, and the labels of its words, which agree with them."""

    entities: tuple[Entity, ...]
    labels: np.ndarray  # int64 (words,)
    changed: Mapping[int, str] = field(default_factory=dict)  # word → why its label is not its likeliest


class Decoder:
    """Decodes a model's label distributions; any number of threads may call it at once.

    Args:
        labels: the model's.
        transitions: scores, float ``(labels, labels)``, added to the log-probability of a label (column) after another
            (row); the begin and the end of a text count as ``O``. ``None`` for 0 everywhere.
        constraints: whether label sequences that the scheme excludes, such as ``O I-Disease``, are excluded.
        abbreviations: whether short forms are labelled as their long forms.
    """

    def __init__(
        self,
        labels: LabelSet,
        transitions: np.ndarray | None = None,
        constraints: bool = True,
        abbreviations: bool = True,
    ) -> None:
        self.labels, self.transitions = labels, transitions
        self.constraints, self.abbreviations = constraints, abbreviations
        scores = np.zeros((len(labels), len(labels))) if transitions is None else transitions
        self._scores = np.where(labels.may_follow, scores, IMPOSSIBLE)

    def digest(self) -> str:
        """SHA-256 of all that entities depend on besides the distributions."""
        switches = self.transitions is not None, self.constraints, self.abbreviations
        return hashlib.sha256(repr((switches, self._scores.tolist())).encode()).hexdigest()

    def decode(
        self, text: str, words: Sequence[Span], probabilities: np.ndarray, breaks: Sequence[int] = ()
    ) -> Decoded:
        """Decodes a text with its words' spans and label distributions, ``(words, labels)``.

        No entity and no long form crosses one of the ``breaks``, characters at which passages end.
        The score of an entity is the lowest probability of its words' labels; that of a short form is its long form's.
        """
        likeliest = labels = probabilities.argmax(axis=1)
        if self.constraints:
            labels = self._best_sequence(probabilities, likeliest)
        changed = dict.fromkeys(np.flatnonzero(labels != likeliest).tolist(), SEQUENCE)
        entities = self.labels.spans(text, words, labels, probabilities)
        if any(crosses(breaks, entity.start, entity.end) for entity in entities):
            entities, labels = self._cut(text, words, entities, labels, breaks)
            changed = dict.fromkeys(np.flatnonzero(labels != likeliest).tolist(), PASSAGE) | changed
        if self.abbreviations and "(" in text:
            entities, labels, reasons = self._with_abbreviations(text, words, entities, labels, breaks)
            changed |= reasons
        kept = {word: why for word, why in changed.items() if labels[word] != likeliest[word]}
        return Decoded(tuple(entities), labels, kept)

    def _best_sequence(self, probabilities: np.ndarray, likeliest: np.ndarray) -> np.ndarray:
        """Labels, int64 ``(words,)``, of the best sequence by Viterbi, over the words whose labels are uncertain.

        Without transitions, likeliest labels that are valid are the best. A text of IOB1, where ``I`` begins entities
        and ``B`` has next to no probability, is left as it is.
        """
        invalid = ~self.labels.may_follow[np.append(0, likeliest), np.append(likeliest, 0)]  # before each word
        if self.transitions is None:
            is_iob1 = probabilities[:, self.labels.begins].sum() < IOB1 * invalid.sum()
            if not invalid.any() or (self.labels.may_be_iob1 and is_iob1):
                return likeliest
        uncertain = (probabilities.max(axis=1, initial=0) < CERTAIN) | invalid[:-1] | invalid[1:]
        if not uncertain.any():
            return likeliest
        return viterbi(probabilities, likeliest, uncertain, self._scores)

    def _cut(
        self, text: str, words: Sequence[Span], entities: list[Entity], labels: np.ndarray, breaks: Sequence[int]
    ) -> tuple[list[Entity], np.ndarray]:
        """Entities, cut where they cross a break, and the labels of their words."""
        labels, kept = labels.copy(), list[Entity]()
        for entity in entities:
            inside = [(index, *word) for index, word in enumerate(words) if entity.start <= word[0] < entity.end]
            for _, part in groupby(inside, lambda word: bisect_right(breaks, word[1])):
                (first, start, end), *others = part
                last, _, end = others[-1] if others else (first, start, end)
                kept.append(replace(entity, start=start, end=end, text=text[start:end]))
                if kept[-1] != entity:
                    labels[first : last + 1] = self.labels.encode(words[first : last + 1], kept[-1:])
        return kept, labels

    def _with_abbreviations(
        self, text: str, words: Sequence[Span], entities: list[Entity], labels: np.ndarray, breaks: Sequence[int]
    ) -> tuple[list[Entity], np.ndarray, dict[int, str]]:
        """Entities and labels in which short forms agree with their long forms, and why words changed.

        An entity that ends where a long form ends, and covers at least half of it, gives its type to every occurrence
        of the short form that no entity overlaps or that covers those that do. Where no entity overlaps the long form,
        entities of exactly the short form go.
        """
        labels, changed, done = labels.copy(), dict[int, str](), set[str]()
        starts, ends = [start for start, _ in words], [end for _, end in words]
        first, last = set(starts), set(ends)
        of_word: list[Entity | None] = [None] * len(words)  # to find what overlaps in time that no text makes quadratic

        def inside(start: int, end: int) -> slice:
            return slice(bisect_right(ends, start), bisect_left(starts, end))

        def fill(start: int, end: int, entity: Entity | None) -> None:
            span = inside(start, end)
            of_word[span] = [entity] * (span.stop - span.start)

        for entity in entities:
            fill(entity.start, entity.end, entity)
        for found in find_abbreviations(text, breaks):
            (start, end), short, long = found.long, text[slice(*found.short)], text[slice(*found.long)]
            if short in done or crosses(breaks, start, end):
                continue
            done.add(short)
            overlapping = list(dict.fromkeys(filter(None, of_word[inside(start, end)])))
            same = [e for e in overlapping if e.end == end and e.start >= start and 2 * (end - e.start) >= end - start]
            if overlapping and not same:
                continue
            why = f"short form of {long}" if same else f"short form of {long}, which is no entity"
            for match in re.finditer(re.escape(short), text):
                at = match.span()
                if at[0] not in first or at[1] not in last or crosses(breaks, *at):
                    continue
                covered = list(dict.fromkeys(filter(None, of_word[inside(*at)])))
                new = [replace(same[0], start=at[0], end=at[1], text=short)] if same else []
                if not all(at[0] <= entity.start and entity.end <= at[1] for entity in covered) or not (
                    new or [(entity.start, entity.end) for entity in covered] == [at]
                ):
                    continue
                fill(*at, new[0] if new else None)
                labels[inside(*at)] = self.labels.encode(words[inside(*at)], new)
                changed |= dict.fromkeys(range(inside(*at).start, inside(*at).stop), why)
        return list(dict.fromkeys(filter(None, of_word))), labels, changed


def crosses(breaks: Sequence[int], start: int, end: int) -> bool:
    """Whether a span begins before one of the breaks and ends after it."""
    return any(start < at < end for at in breaks)


def viterbi(probabilities: np.ndarray, labels: np.ndarray, chosen: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The best label sequence of a text, int64 ``(words,)``; words that are not ``chosen`` keep their ``labels``.

    Args:
        probabilities: label distributions, ``(words, labels)``.
        labels: int64 ``(words,)``; label 0 is before the first word and after the last.
        chosen: bool ``(words,)``, at least one.
        scores: of transitions, ``(labels, labels)``, added to log-probabilities.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]  # of runs of chosen words, which are independent
    order = np.argsort(-lengths, kind="stable")
    starts, lengths = starts[order], lengths[order]
    left = np.searchsorted(-lengths, -np.arange(lengths[0]))  # number of runs that are longer
    emissions, padded = np.log(np.maximum(probabilities, LEAST)), np.concatenate([[0], labels, [0]])
    to_from, back = np.ascontiguousarray(scores.T), list[np.ndarray]()
    best = emissions[starts] + scores[padded[starts]]
    for step in range(1, lengths[0]):
        reached = best[: left[step], None, :] + to_from  # (runs, to, from)
        back.append(reached.argmax(axis=2))
        best[: left[step]] = reached.max(axis=2) + emissions[starts[: left[step]] + step]
    labels = labels.copy()
    labels[starts + lengths - 1] = (best + to_from[padded[starts + lengths + 1]]).argmax(axis=1)
    for step, previous in zip(range(lengths[0] - 1, 0, -1), reversed(back), strict=True):
        at = starts[: left[step]] + step
        labels[at - 1] = previous[np.arange(left[step]), labels[at]]
    return labels


def count_transitions(labels: LabelSet, sequences: Sequence[np.ndarray], weight: float = 0.2) -> np.ndarray:
    """Transition scores of annotated texts, float ``(labels, labels)``: ``weight · log(P(next | label) ÷ P(next))``.

    ``sequences``: the labels of each text's words, int64 ``(words,)``. P(next | label) is smoothed by one observation
    that follows P(next).
    """
    counts = np.zeros((len(labels), len(labels)))
    for sequence in sequences:
        np.add.at(counts, (np.append(0, sequence), np.append(sequence, 0)), 1)
    prior = np.maximum(counts.sum(axis=0), 1) / counts.sum()
    return weight * np.log((counts + prior) / (counts.sum(axis=1, keepdims=True) + 1) / prior)
