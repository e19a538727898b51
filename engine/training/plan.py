"""How much a run of ``accelerate`` does: from its number of training steps follow the texts that it uses."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.cli.progress import duration
from engine.errors import InputError
from engine.training.distill import SETTINGS
from engine.training.trials import MIN_WINDOWS

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


def plan_for(steps: int, rows: Sequence[int], windows: Sequence[int]) -> Plan:
    """As many texts as training sees once, and the same share of those held out.

    ``rows``: word pieces of each training text, in order; ``windows``: number of windows of each held-out text.
    """
    seen, read = np.cumsum(rows), np.cumsum(windows)
    learned = steps * SETTINGS["max_rows"]
    texts = min(len(seen), int(np.searchsorted(seen, learned)) + 1)
    least = int(np.searchsorted(read, MIN_WINDOWS)) + 1
    held_out = min(len(read), max(least, -(-len(read) * texts // len(seen))))
    return Plan(steps, learned / int(seen[texts - 1]), texts, held_out)


def longest_plan(
    seconds: float, rows: Sequence[int], windows: Sequence[int], dense_s: float, step_s: float, settings: int
) -> tuple[Plan, float]:
    """Returns the longest plan within ``seconds``, and the seconds beyond which little is gained.

    ``dense_s``: of the dense pass over a text; ``step_s``: of a training step; ``settings``: number predicted.
    Raises an `InputError` if the time is too short to choose an operating point.
    """

    def duration_of(steps: int) -> float:
        plan = plan_for(steps, rows, windows)
        dense = TEACHER_PASSES * plan.texts + HELD_OUT_PASSES * plan.held_out
        return dense_s * dense + step_s * steps + PREDICTION_S * settings * plan.held_out

    once, least = (-(-sum(part) // SETTINGS["max_rows"]) for part in (rows, rows[:MIN_LEARNED]))
    possible = range(least, max(least, SETTINGS["epochs"] * once) + 1)
    useful = duration_of(min(possible[-1], USEFUL_PASSES * once))
    number = bisect_right(possible, seconds, key=duration_of)
    if not number:
        minutes = -(-duration_of(least) // 60)
        needed = f"{minutes:g} minutes to choose an operating point, and {duration(useful)} for all useful training"
        raise InputError(f"--minutes {seconds / 60:.2g} is too short on this machine, which needs {needed}.")
    return plan_for(possible[number - 1], rows, windows), useful
