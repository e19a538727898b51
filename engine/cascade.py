"""A cascade: a small model tags every text, and a large one reads the windows that the small one doubts.

Everything here is pure code on arrays; `engine.tagger.Engine`, the engine of the large model, runs it. Doubt is scored
word by word and summed over the words that a window of the large model labels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from engine.errors import InputError, first_line
from engine.pruning.settings import setting
from engine.pruning.signals import neighbour_max, normalised_entropy
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import CASCADE, check_point, default_point, parse
from engine.text.labels import LabelSet
from engine.text.windows import Window

UNCERTAIN = 0.2  # normalised entropy above which a word counts as uncertain


def uncertain(probabilities: np.ndarray) -> np.ndarray:
    """1 for each word whose normalised entropy is above `UNCERTAIN`: ``(words, labels)`` → ``(words,)``."""
    return (normalised_entropy(probabilities) > UNCERTAIN).astype(float)


def wrong(probabilities: np.ndarray) -> np.ndarray:
    """Probability that each word's label is wrong, whose sum is the expected number of wrong words."""
    return 1 - probabilities.max(axis=1)


def wrong_near_entities(probabilities: np.ndarray) -> np.ndarray:
    """The same inside predicted entities and on the words beside them; 0 elsewhere."""
    inside = probabilities.argmax(axis=1) > 0
    near = neighbour_max(inside, np.zeros(len(inside)), reach=1)
    return wrong(probabilities) * near


MEASURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "uncertain": uncertain,
    "wrong": wrong,
    "wrong-near-entities": wrong_near_entities,
}
DISAGREEMENT = "disagreement"
DOUBTS = (*MEASURES, DISAGREEMENT)


def features(probabilities: np.ndarray) -> np.ndarray:
    """What the regression of `DISAGREEMENT` sees of each word: 1 and all measures, ``(words, 1 + measures)``."""
    return np.column_stack([np.ones(len(probabilities)), *(of(probabilities) for of in MEASURES.values())])


@dataclass(frozen=True)
class Doubt:
    """How much a word is doubted.

    Args:
        kind: one of `MEASURES`, or `DISAGREEMENT`: the probability, by logistic regression on all measures, that the
            large model gives the word another label.
        coefficients: those of the regression, a constant first; other kinds have none.
    """

    kind: str
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in DOUBTS:
            raise InputError(f"expected a kind of doubt, one of {list(DOUBTS)}, got {self.kind!r}; choose one")
        object.__setattr__(self, "coefficients", tuple(self.coefficients))
        wanted = 1 + len(MEASURES) if self.kind == DISAGREEMENT else 0
        if len(self.coefficients) != wanted or not np.isfinite(self.coefficients).all():
            raise InputError(f"expected {wanted} coefficients of {self.kind}, got {self.coefficients}; restore them")

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Scores words, 0–1: ``(words, labels)`` → ``(words,)``."""
        if self.kind in MEASURES:
            return MEASURES[self.kind](probabilities)
        return 1 / (1 + np.exp(-features(probabilities) @ self.coefficients))

    @classmethod
    def from_json(cls, record: Any) -> Doubt:
        """Builds the doubt from its fields in JSON; raises an `InputError` if they are anything else."""
        try:
            return cls(**record)
        except TypeError as error:
            raise InputError(f"expected kind and coefficients of a doubt, got {record!r}; restore them") from error


@dataclass(frozen=True)
class JudgedWindow:
    """A window of the large model, as the small one judged it.

    ``first``, ``end``: it labels the words ``[first, end)`` of the text.
    ``doubt``: the doubt of these words together.
    ``read``: whether the large model read it.
    """

    first: int
    end: int
    doubt: float
    read: bool


@dataclass(frozen=True, kw_only=True)
class Cascade(Strategy):
    """The strategy of a large model that reads only the windows that a small one doubts.

    Args:
        small: strategy of the small model, which tags every text.
        doubt: how doubt is scored.
        threshold: the large model reads the windows of this doubt or more.
        weight: weight of the small model's probabilities in these windows; those of the large one have the rest.
    """

    small: Strategy
    doubt: Doubt
    threshold: float = setting(0.0, "doubt from which the large model reads a window", 0, 1_000_000)
    weight: float = setting(0.0, "weight of the small model where the large one reads, too")

    @property
    def kind(self) -> str:
        """The name of the strategy, without operating point."""
        return CASCADE

    def settings(self) -> dict[str, Any]:
        """Those of the large model's strategy, and the cascade's own."""
        return super().settings() | {"threshold": self.threshold, "weight": self.weight}

    def to_json(self) -> dict[str, Any]:
        """Converts it to a JSON object."""
        own = {"doubt": asdict(self.doubt), "threshold": self.threshold, "weight": self.weight}
        return super().to_json() | {"small": self.small.to_json()} | own

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Cascade:
        """Builds it from an object that `to_json` made; raises an `InputError` if that is malformed."""
        parts = {"small": Strategy.from_json(record.get("small", {})), "doubt": Doubt.from_json(record.get("doubt"))}
        return cast(Cascade, super().from_json(record | parts))

    def judge(self, probabilities: np.ndarray, windows: Sequence[Window]) -> tuple[JudgedWindow, ...]:
        """Chooses among the large model's windows of a text, given the small one's ``(words, labels)``."""
        of_words = self.doubt(probabilities)
        doubts = [float(of_words[window.own : window.own_end].sum()) for window in windows]
        return tuple(
            JudgedWindow(window.own, window.own_end, doubt, doubt >= self.threshold)
            for window, doubt in zip(windows, doubts, strict=True)
        )

    def merge(self, small: np.ndarray, judged: Iterable[JudgedWindow], large: np.ndarray) -> np.ndarray:
        """Merges the label distributions of a text, whose labels are in the same order.

        ``small``: those of all words, ``(words, labels)``.
        ``large``: those of the words in the windows that the large model read.
        """
        read = np.zeros(len(small), dtype=bool)
        for window in judged:
            read[window.first : window.end] = window.read
        merged = small.copy()
        merged[read] = self.weight * small[read] + (1 - self.weight) * large
        return merged


def select(windows: Iterable[Window], judged: Iterable[JudgedWindow], *, read: bool) -> list[Window]:
    """The windows that the large model reads or, if not ``read``, the others."""
    return [window for window, one in zip(windows, judged, strict=True) if one.read == read]


def columns_of(small: LabelSet, large: LabelSet) -> list[int]:
    """The small model's index of each label of the large one; raises an `InputError` if they have other labels."""
    if set(small.names) != set(large.names):
        raise InputError(
            f"expected a small model with the labels of the large one, {list(large.names)}, got {list(small.names)}; "
            "choose another small model"
        )
    return [small.names.index(name) for name in large.names]


def read_cascades(path: Path) -> dict[str, Cascade]:
    """Reads operating point → strategy; raises an `InputError` if the file is damaged."""
    try:
        return {point: Cascade.from_json(record) for point, record in json.loads(path.read_text()).items()}
    except Exception as error:  # the file may hold anything
        raise InputError(
            f"expected the operating points of a cascade in {path}, got {first_line(error)[:200]}; restore the file, "
            "or make it again with python -m engine.training.cascade"
        ) from error


def resolve_cascade(text: str, cascades: Mapping[str, Cascade], point: str | None) -> Cascade:
    """Returns the cascade with this name, see `engine.pruning.strategy_names.resolve`."""
    own = parse(text).point
    check_point(own, point)
    point = own or point or default_point(cascades)
    if point not in cascades:
        raise InputError(
            f"expected one of the operating points {list(cascades)} of the cascade, got {point!r}; choose one"
        )
    return replace(cascades[point], name=text, point=point)
