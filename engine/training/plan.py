"""How much a run of ``accelerate`` does: from its number of training steps follow the texts that it uses."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.cli.progress import duration
from engine.errors import InputError

MIN_LEARNED, USEFUL_PASSES = 32, 3  # texts to learn from at least; passes over all beyond which little is gained
TEACHER_PASSES = 2  # dense passes over a text to learn from: its labels, and gate heads that are fitted to them
HELD_OUT_PASSES = 20  # over a held-out text: references, the settings that are measured, timing
PREDICTION_S = 5e-4  # to predict a setting on a text


@dataclass(frozen=True)
class Plan:
    """The work of a run, which uses the first ``texts`` and ``held_out`` texts."""

    steps: int
    passes: float  # over these texts
    texts: int
    held_out: int

    def __str__(self) -> str:
        training = f"{self.steps} training steps, {self.passes:.2g} passes over {self.texts} texts"
        return f"{training}; {self.held_out} held-out texts"


@dataclass(frozen=True)
class Planner:
    """Makes plans for given texts."""

    rows: Sequence[int]  # word pieces of each training text, in order
    max_rows: int  # of a batch
    windows: Sequence[int]  # number of windows of each held-out text
    min_windows: int  # held-out windows that are always used
    epochs: int  # maximum number of passes over the texts

    def plan(self, steps: int) -> Plan:
        """As many texts as training sees once, and the same share of those held out."""
        seen, read = np.cumsum(self.rows), np.cumsum(self.windows)
        texts = min(len(seen), int(np.searchsorted(seen, steps * self.max_rows)) + 1)
        least = int(np.searchsorted(read, self.min_windows)) + 1
        held_out = min(len(read), max(least, -(-len(read) * texts // len(seen))))
        return Plan(steps, steps * self.max_rows / int(seen[texts - 1]), texts, held_out)

    def within(self, seconds: float, dense_s: float, step_s: float, settings: int) -> tuple[Plan, float]:
        """Returns the longest plan within ``seconds``, and the seconds beyond which little is gained.

        ``dense_s``: of the dense pass over a text; ``step_s``: of a training step; ``settings``: number predicted.
        Raises an `InputError` if the time is too short to choose an operating point.
        """

        def duration_of(steps: int) -> float:
            plan = self.plan(steps)
            dense = TEACHER_PASSES * plan.texts + HELD_OUT_PASSES * plan.held_out
            return dense_s * dense + step_s * steps + PREDICTION_S * settings * plan.held_out

        all_of, some = (-(-sum(rows) // self.max_rows) for rows in (self.rows, self.rows[:MIN_LEARNED]))
        possible = range(some, max(some, self.epochs * all_of) + 1)
        useful = duration_of(min(possible[-1], USEFUL_PASSES * all_of))
        number = bisect_right(possible, seconds, key=duration_of)
        if not number:
            least = -(-duration_of(some) // 60)
            needed = f"{least:g} minutes to choose an operating point, and {duration(useful)} for all useful training"
            raise InputError(f"--minutes {seconds / 60:.2g} is too short on this machine, which needs {needed}.")
        return self.plan(possible[number - 1]), useful
