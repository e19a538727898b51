"""A cascade: a small model tags every text, and a large one reads the windows that the small one doubts.

Everything here is pure code on arrays; `engine.loading.CascadeEngine` runs it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from engine.errors import InputError
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import CASCADE
from engine.pruning.trace import JudgedWindow
from engine.settings import check_settings, setting, values_of
from engine.text.labels import LabelSet
from engine.text.windows import Window


@dataclass(frozen=True, kw_only=True)
class Cascade(Strategy):
    """The strategy of a large model that reads only the windows that a small one doubts."""

    small: Strategy  # of the small model, which tags every text
    threshold: float = setting(0.0, "doubt from which the large model reads a window", 0, 1_000_000)
    weight: float = setting(0.0, "weight of the small model where the large one reads, too")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_settings(self)

    @property
    def kind(self) -> str:
        return CASCADE

    @property
    def stages(self) -> tuple[Strategy, ...]:
        """The small model's strategy, and this one, which the large model runs."""
        return *self.small.stages, self

    def settings(self) -> dict[str, Any]:
        return super().settings() | values_of(self)

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"small": self.small.to_json()} | values_of(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        return super().from_json(stored | {"small": Strategy.from_json(stored.get("small", {}))})

    def judge(self, probabilities: np.ndarray, windows: Sequence[Window]) -> tuple[JudgedWindow, ...]:
        """Chooses among the large model's windows of a text, given the small one's ``(words, labels)``.

        The doubt of a window is the expected number of words with a wrong label, of those that the window labels.
        """
        wrong = 1 - probabilities.max(axis=1)  # the probability that a word's label is wrong
        doubts = [float(wrong[window.label_start : window.label_end].sum()) for window in windows]
        return tuple(
            JudgedWindow(window.label_start, window.label_end, doubt, doubt >= self.threshold)
            for window, doubt in zip(windows, doubts, strict=True)
        )

    def merge(self, small: np.ndarray, judged: Iterable[JudgedWindow], large: np.ndarray) -> np.ndarray:
        """Merges the label distributions of a text, whose labels are in the same order.

        ``small``: those of all words, ``(words, labels)``.
        ``judged``: all windows of the large model, in order.
        ``large``: the distributions of the words that it read.
        """
        spans = [np.full(window.end - window.first, window.read) for window in judged]
        read = np.concatenate([np.zeros(0, bool), *spans])
        merged = small.copy()
        merged[read] = self.weight * small[read] + (1 - self.weight) * large
        return merged


def columns_of(small: LabelSet, large: LabelSet) -> list[int]:
    """The small model's index of each label of the large one; raises an `InputError` if they have other labels."""
    if set(small.names) != set(large.names):
        raise InputError(
            f"The small model's labels {small.names} are not the large one's, {large.names}. "
            "Train it on those: bioner finetune --backbone SMALL --corpus FILE --out FOLDER"
        )
    return [small.names.index(name) for name in large.names]
