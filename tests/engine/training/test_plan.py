"""What follows from a number of training steps, and which number fits into some minutes."""

import pytest

from engine.errors import InputError
from engine.training.plan import HELD_OUT_PASSES, TEACHER_PASSES, Plan, longest_plan, plan_for

TEXTS = [128] * 400, [2] * 200  # eight texts in a batch, 50 batches in a pass


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (4, Plan(4, 1.0, 32, 50)),  # never fewer held-out windows than needed
        (20, Plan(20, 1.0, 160, 80)),
        (50, Plan(50, 1.0, 400, 200)),
        (150, Plan(150, 3.0, 400, 200)),
    ],
)
def test_a_run_uses_the_texts_that_training_sees_once_and_the_same_share_of_those_held_out(steps, expected):
    assert plan_for(steps, *TEXTS) == expected


def test_the_plan_within_some_time_is_the_longest_that_fits():
    seconds = TEACHER_PASSES * 160 + HELD_OUT_PASSES * 80 + 20 * 9
    plan, useful = longest_plan(seconds + 1, *TEXTS, 1.0, 9.0, 0)
    assert plan == plan_for(20, *TEXTS)
    assert useful == TEACHER_PASSES * 400 + HELD_OUT_PASSES * 200 + 150 * 9
    assert longest_plan(1e9, *TEXTS, 1.0, 9.0, 0)[0] == plan_for(30 * 50, *TEXTS)


def test_a_time_too_short_for_an_operating_point_is_refused_with_what_is_needed():
    with pytest.raises(InputError, match=r"--minutes 1 .* 19 minutes"):
        longest_plan(60, *TEXTS, 1.0, 9.0, 0)
