"""The paths of the words of a text through the stages of a tagger: made once, for traces, reports and pages alike.

Layers are numbered through all stages, those of the first stage first; 0 is before the first layer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

import numpy as np


class State(IntEnum):
    """How far a word was computed."""

    EXITED = 0  # the last layer of all did not compute it
    KEPT = 1  # it was computed to the end
    RECOVERED = 2  # it exited, came back, and was computed to the end


@dataclass(frozen=True, eq=False)
class Paths:
    """The path of every word of a text, ``(words,)`` each."""

    layer: np.ndarray  # int64, after which it exited (the first time if it came back), or the last of all
    state: np.ndarray  # int64, of `State`
    label: np.ndarray  # str, the final one

    @property
    def exited(self) -> np.ndarray:
        """Words that kept the label of an earlier layer, bool ``(words,)``."""
        return self.state == State.EXITED

    @property
    def recovered(self) -> np.ndarray:
        """Words that came back, bool ``(words,)``."""
        return self.state == State.RECOVERED

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Paths) and self.to_json() == other.to_json()

    def to_json(self) -> dict[str, list[Any]]:
        return {name: values.tolist() for name, values in vars(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Sequence[Any]]) -> Self:
        layer, state = (np.array(values[name], np.int64) for name in ("layer", "state"))
        return cls(layer, state, np.array(values["label"], np.str_))
