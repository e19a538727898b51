"""Damaged files and odd texts: a small dose by default, an hour of them with ``make fuzz``.

The variable ``FUZZ`` is the number of examples of each test; ``--hypothesis-seed`` repeats a run.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import load_engine
from tests.fuzz.files import KINDS, check_reading, damaged_files
from tests.fuzz.texts import check_result, texts

SHIPPED = "shipped", "shipped_int8"
EXAMPLES = int(os.environ.get("FUZZ", "25"))
DOSE = settings(
    max_examples=EXAMPLES,
    derandomize="FUZZ" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def shipped_int8():
    return load_engine(dtype="int8")


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_lose_nothing_that_was_not_touched(name, tmp_path):
    @DOSE
    @given(damaged_files(name))
    def holds(damaged):
        check_reading(damaged, tmp_path)

    holds()


@pytest.mark.parametrize("model", ["engine", *(pytest.param(name, marks=pytest.mark.slow) for name in SHIPPED)])
def test_odd_texts_get_sound_results(model, request):
    engine = request.getfixturevalue(model)

    @DOSE
    @given(st.lists(texts(30), min_size=1, max_size=4), st.sampled_from(engine.runnable))
    def holds(several, strategy):
        for text, result in zip(several, engine.tag_batch(several, strategy), strict=True):
            check_result(text, result, engine)

    holds()
