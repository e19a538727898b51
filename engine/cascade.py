"""A cascade: a small model tags every text, and a large one reads the windows that the small one doubts.

Everything here is pure code on arrays; `engine.tagger.Engine`, the engine of the large model, runs it. Doubt is summed
over the words that a window of the large model labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from engine.errors import InputError, first_line
from engine.pruning.settings import setting
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import CASCADE, default_point, parse
from engine.text.labels import LabelSet
from engine.text.windows import Window

DOUBT = {"kind": "wrong", "coefficients": []}  # in stored cascades: how doubt is scored


def doubt(probabilities: np.ndarray) -> np.ndarray:
    """Probability that each word's label is wrong, ``(words, labels)`` → ``(words,)``."""
    return 1 - probabilities.max(axis=1)


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
        threshold: the large model reads the windows of this doubt or more.
        weight: weight of the small model's probabilities in these windows; those of the large one have the rest.
    """

    small: Strategy
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
        own = {"doubt": DOUBT, "threshold": self.threshold, "weight": self.weight}
        return super().to_json() | {"small": self.small.to_json()} | own

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        """Builds it from an object that `to_json` made; raises an error of any type if it is malformed."""
        record = record | {"small": Strategy.from_json(record["small"])}
        if (found := record.pop("doubt")) != DOUBT:
            raise InputError(f"expected doubt {DOUBT}, got {found}")
        return super().from_json(record)

    def judge(self, probabilities: np.ndarray, windows: Sequence[Window]) -> tuple[JudgedWindow, ...]:
        """Chooses among the large model's windows of a text, given the small one's ``(words, labels)``."""
        of_words = doubt(probabilities)
        doubts = [float(of_words[window.own : window.own_end].sum()) for window in windows]
        return tuple(
            JudgedWindow(window.own, window.own_end, total, total >= self.threshold)
            for window, total in zip(windows, doubts, strict=True)
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
    point = parse(text).point or point or default_point(cascades)
    if point not in cascades:
        raise InputError(
            f"expected one of the operating points {list(cascades)} of the cascade, got {point!r}; choose one"
        )
    return replace(cascades[point], name=text, point=point)
