"""The card: what was measured, what is stored, and what is doubtful."""

from dataclasses import replace

import pytest

from engine.pruning.controllers import EntropyController
from engine.pruning.cost import Cost
from engine.pruning.strategy import Strategy
from engine.text.scoring import Counts
from engine.training.agreement import Row, Trial
from engine.training.card import card, table

DENSE = (Counts(10, 10, 10),) * 2
EARLY = Trial(Strategy("entropy", (1,), EntropyController(1.0)), (Counts(9, 10, 10),) * 2, DENSE, Cost((1,), 2, 10, 13))
FACTS = {"checkpoint": "owner/name", "student": "", "best": "entropy:fast", "types": ("Gene",), "made_by": "command"}
FACTS |= {"layers": 3, "texts": 7, "passes": 0.045, "held_out": 9, "windows": 9, "entities": 60}
FACTS |= {"device": "a CPU", "dtype": "float32", "busy": 0.5}


@pytest.mark.parametrize(
    ("speedups", "stored"), [({}, True), ({1: 0.9, 32: 1.1}, True), ({1: 0.9, 32: 1.0}, False), ({1: 0.9}, False)]
)
def test_an_operating_point_is_faster_at_some_batch_size_if_any_was_timed(speedups, stored):
    row = Row("fast", replace(EARLY, speedups=speedups), 60.0)
    assert row.stored == stored
    assert not replace(row, reached=False).stored
    assert ("no faster than `dense`, not stored" in table([row])) == (not stored)


def test_the_card_says_what_a_student_was_and_how_to_use_what_is_stored():
    page = card([Row("dense", EARLY), Row("fast", EARLY, 60.0)], FACTS)
    assert 'engine.tag("…", "entropy:fast")' in page
    assert page.startswith('---\nbase_model: "owner/name"\npipeline_tag')
    page = card([Row("dense", EARLY)], FACTS | {"student": "owner/encoder"})
    for part in ('---\nbase_model: "owner/encoder"\n', "# A student of owner/name", "It began as owner/encoder."):
        assert part in page
