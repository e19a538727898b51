"""Strategies on models, and each one's result and times beside those of dense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from demo.common.differences import Difference, differences
from demo.common.timing import LEAST_RUNS, MARGIN, RUNS, Timing
from engine import Engine, Result, Strategy


@dataclass(frozen=True)
class ModelStrategy:
    """A strategy on a model.

    ``model``: the model's name and dtype.
    ``label``: the strategy's name and operating point.
    ``settings``: the settings that differ from the operating point, in words; empty if there are none.
    """

    engine: Engine
    model: str
    strategy: Strategy
    label: str
    settings: str


@dataclass(frozen=True)
class ComparedStrategy:
    """A strategy's result and times, and those that they are compared with.

    ``model``, ``label``, ``settings``: as in `ModelStrategy`.
    ``reference``: dense on the same model; dense on a second model is compared with dense on the first.
    ``reference_model``: the first model's name if the reference is from another model, else empty.
    """

    model: str
    label: str
    settings: str
    timing: Timing
    reference: Timing
    reference_model: str = ""

    @property
    def name(self) -> str:
        """The name of the strategy."""
        return self.result.strategy.name

    def label_among(self, others: Sequence[ComparedStrategy]) -> str:
        """The strategy's label, with its model if the others have several."""
        return self.label if len({one.model for one in others}) == 1 else f"{self.label}, {self.model}"

    @property
    def of_reference(self) -> str:
        """`` of MODEL``, to follow the name of a reference from another model."""
        return f" of {self.reference_model}" if self.reference_model else ""

    @property
    def result(self) -> Result:
        """The strategy's result."""
        return self.timing.result

    @property
    def is_reference(self) -> bool:
        """Whether it is its own reference."""
        return self.timing is self.reference

    @cached_property
    def differences(self) -> list[Difference]:
        """Its entities and those that it lost, beside the reference's."""
        return differences(self.result, self.reference.result)

    def of_kind(self, kind: str) -> list[Difference]:
        """The differences of one kind."""
        return [one for one in self.differences if one.kind == kind]

    @property
    def speedup(self) -> float:
        """The reference's latency ÷ its own; not to be shown if there is a `doubt`."""
        return self.timing.speedup_over(self.reference)

    @property
    def doubt(self) -> str:
        """Why the times tell nothing about the speed-up; empty if they do."""
        if len(self.timing.runs_ms) < LEAST_RUNS:
            return "too few runs"
        if not (self.timing.typical and self.reference.typical):
            return "the times of the runs differ too much (press Run to measure again)"
        theoretical = self.reference.result.cost.macs / max(1, self.result.cost.macs)
        if not self.reference_model and self.speedup > MARGIN * theoretical:
            return "something else on the machine slowed some of the runs (press Run to measure again)"
        return ""

    @property
    def decided(self) -> bool:
        """Whether one of the two was faster in every run."""
        one, other = self.timing, self.reference
        return not self.doubt and (one.faster_than(other) or other.faster_than(one))

    @property
    def sure(self) -> bool:
        """Whether its figures may be large or bold: one of the two was faster in every run, and both were steady."""
        return self.decided and self.timing.steady and self.reference.steady

    def speed_in_words(self, dense: str, ratio: str) -> str:
        """Its speed beside its reference's, as far as the times tell.

        ``dense``, ``ratio``: markup that names the reference, and that of the speed-up.
        """
        runs = len(self.timing.runs_ms)
        if runs == 1:
            return f"not yet timed against {dense}"
        if self.doubt:
            return f"its speed-up over {dense} is uncertain: {self.doubt}"
        if self.reference.faster_than(self.timing):
            return f"slower than {dense} on this text: {ratio}"
        unclear = "" if self.decided else " (not in every run)" if runs == RUNS else f" ({runs} runs)"
        return f"{ratio} as fast as {dense} on this text{unclear}"


def compare_all(candidates: Sequence[ModelStrategy], timings: Sequence[Timing]) -> list[ComparedStrategy]:
    """The timed candidates, of which the first on each model is dense, beside their references."""
    found: list[ComparedStrategy] = []
    dense: dict[str, Timing] = {}
    for one, timing in zip(candidates, timings, strict=True):
        reference, of_model = dense.get(one.model, timing), ""
        if one.model not in dense and found:
            reference, of_model = found[0].timing, found[0].model
        found.append(ComparedStrategy(one.model, one.label, one.settings, timing, reference, of_model))
        dense.setdefault(one.model, timing)
    return found
