"""One strategy of one model on the text, beside what it is compared with."""

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
    ``settings``: operating point and changed knobs, for people; empty if it has none.
    ``reference``: ``dense`` of the same model; for a second model's ``dense``, that of the first.
    ``reference_model``: name and dtype of that first model; empty for a reference of the same model.
    """

    model: str
    settings: str
    measured: Measured
    reference: Measured
    reference_model: str = ""

    @property
    def name(self) -> str:
        """The strategy."""
        return self.result.strategy.name

    @property
    def of_reference(self) -> str:
        """What follows the name of the reference, if it is another model's: `` of MODEL``."""
        return f" of {self.reference_model}" if self.reference_model else ""

    def name_among(self, compared: Sequence[Compared]) -> str:
        """The strategy, and its model if there are several."""
        return self.name if len({one.model for one in compared}) == 1 else f"{self.name}, {self.model}"

    @property
    def result(self) -> Result:
        """What it found."""
        return self.measured.result

    @cached_property
    def differences(self) -> list[Difference]:
        """What became of each entity, its own and those of the reference."""
        return differences(self.result, self.reference.result)

    @property
    def is_reference(self) -> bool:
        """Whether others are compared with it, and it with nothing."""
        return self.measured is self.reference
