"""The card: what was measured, what is stored, and what is doubtful."""

from dataclasses import replace

import pytest

from engine.pruning.controllers import EntropyController
from engine.pruning.cost import Cost
from engine.pruning.strategy import Strategy
from engine.text.scoring import Counts
from engine.training.card import Facts, Row, card, speedups, table, warnings
from engine.training.trials import Requirement, Trial
from tests.conftest import TEXT

DENSE = (Counts(10, 10, 10),) * 2
EARLY = Trial(
    Strategy("entropy", (1,), EntropyController(1.0)), (Counts(9, 10, 10),) * 2, DENSE, Cost((1,), 1, 2, 10, 13)
)
COUNTS = {"layers": 3, "texts": 7, "passes": 0.045, "held_out": 9, "windows": 9, "entities": 60, "minutes": 1.0}
MACHINE = {"device": "a CPU", "dtype": "float32", "busy": 0.5}
FACTS = Facts(checkpoint="owner/name", student="", types=("Gene",), **COUNTS, **MACHINE)


@pytest.mark.parametrize(
    ("speedups", "stored"), [({}, True), ({1: 0.9, 32: 1.1}, True), ({1: 0.9, 32: 1.0}, False), ({1: 0.9}, False)]
)
def test_an_operating_point_is_faster_at_some_batch_size_if_any_was_timed(speedups, stored):
    row = Row(replace(EARLY, speedups=speedups), Requirement("fast", 60.0))
    assert row.stored == stored
    assert not replace(row, reached=False).stored
    page, warned = table([row]), " ".join(warnings([row, row], FACTS, "", spare=False))
    assert ("no faster than `dense`, not stored" in page) == (not stored)
    assert ("entropy:fast was measured to be no faster than dense" in warned) == (not stored)
    assert ("no operating point is stored" in warned) == (not stored)


def test_the_card_says_what_a_student_was_and_whether_there_is_anything_to_choose_by():
    lost = replace(EARLY, counts=(Counts(0, 10, 10),) * 2)
    page = card([Row(lost), Row(lost, Requirement("fast", 60.0), reached=False)], FACTS, "command")
    assert "this model agrees with the checkpoint to 0% only" in page
    assert 'engine.tag("…", "dense")' in page
    assert page.startswith('---\nbase_model: "owner/name"\npipeline_tag')
    assert "this model agrees" not in card([Row(EARLY)], FACTS, "command")
    page = card([Row(EARLY)], replace(FACTS, student="owner/encoder"), "command")
    for part in ('---\nbase_model: "owner/encoder"\n', "# A student of owner/name", "It began as owner/encoder."):
        assert part in page


def test_few_windows_little_time_and_a_busy_machine_are_warned_of():
    found = " ".join(warnings([Row(EARLY)], FACTS, "time was over", spare=True))
    parts = "only 9 windows", "give more minutes", "50% of the processors", "time was over", "time for 0.045 passes"
    assert all(part in found for part in parts)


def test_speedups_are_against_the_first_strategy(engine):
    ratios = speedups(engine, [engine.strategy("dense"), engine.strategy("truncate-1")], [TEXT] * 2, 1)
    assert ratios[0] == 1 != ratios[1]
