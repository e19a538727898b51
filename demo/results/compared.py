"""One strategy of one model on the text, with its reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from demo.results.differences import Difference, differences
from demo.results.timing import Measured
from engine import Result


@dataclass(frozen=True)
class Compared:
    """A measured strategy.

    ``model``: name and dtype of its model.
    ``settings``: operating point and changed settings, in words; empty if there are none.
    ``reference``: ``dense`` of the same model; a second model's ``dense`` is compared with the first model's.
    ``reference_model``: name and dtype of that first model; empty if the reference is the same model's.
    """

    model: str
    settings: str
    measured: Measured
    reference: Measured
    reference_model: str = ""

    @property
    def name(self) -> str:
        """The name of the strategy."""
        return self.result.strategy.name

    @property
    def of_reference(self) -> str:
        """`` of MODEL``, to follow the name of a reference from another model."""
        return f" of {self.reference_model}" if self.reference_model else ""

    def name_among(self, compared: Sequence[Compared]) -> str:
        """The name of the strategy, with its model if there are several."""
        return self.name if len({one.model for one in compared}) == 1 else f"{self.name}, {self.model}"

    @property
    def result(self) -> Result:
        """What the strategy found."""
        return self.measured.result

    @cached_property
    def differences(self) -> list[Difference]:
        """What became of each entity: the strategy's own and the reference's."""
        return differences(self.result, self.reference.result)

    @property
    def is_reference(self) -> bool:
        """Whether it is its own reference."""
        return self.measured is self.reference
