"""What follows from a number of training steps, and which number fits into some minutes."""

import pytest

from engine.errors import InputError
from engine.training.plan import HELD_OUT_PASSES, TEACHER_PASSES, Plan, Planner

PLANNER = Planner([100] * 400, 1000, [1] * 200, 50, 30)  # ten texts in a batch, 40 batches in a pass


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (4, Plan(4, 1.0, 40, 50)),  # never fewer held-out windows than needed
        (20, Plan(20, 1.0, 200, 100)),
        (40, Plan(40, 1.0, 400, 200)),
        (120, Plan(120, 3.0, 400, 200)),
    ],
)
def test_a_run_uses_the_texts_that_training_sees_once_and_the_same_share_of_those_held_out(steps, expected):
    assert PLANNER.plan(steps) == expected


def test_the_plan_within_some_time_is_the_longest_that_fits():
    seconds = TEACHER_PASSES * 200 + HELD_OUT_PASSES * 100 + 20 * 9
    plan, useful = PLANNER.within(seconds + 1, 1.0, 9.0, 0)
    assert plan == PLANNER.plan(20)
    assert useful == TEACHER_PASSES * 400 + HELD_OUT_PASSES * 200 + 120 * 9
    assert PLANNER.within(1e9, 1.0, 9.0, 0)[0] == PLANNER.plan(30 * 40)


def test_a_time_too_short_for_an_operating_point_is_refused_with_what_is_needed():
    with pytest.raises(InputError, match=r"--minutes 1 .* 19 minutes"):
        PLANNER.within(60, 1.0, 9.0, 0)
