"""A small dose of ``python -m tests.fuzz``."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.files import KINDS, damaged_files, wrong_reading
from tests.fuzz.texts import long_text, texts, wrong_result

DOSE = settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_lose_nothing_that_was_not_touched(name, tmp_path):
    @DOSE
    @given(damaged_files(name))
    def holds(damaged):
        assert wrong_reading(damaged, tmp_path) is None

    holds()


@DOSE
@given(data=st.data())
def test_odd_texts_get_sound_results(data, engine):
    several = data.draw(st.lists(texts(30), min_size=1, max_size=4))
    strategy = data.draw(st.sampled_from(engine.runnable))
    for text, result in zip(several, engine.tag_batch(several, strategy), strict=True):
        assert wrong_result(text, result, engine) is None


def test_a_long_odd_text_gets_a_sound_result(engine):
    text = long_text(1, 4000, 5000)
    assert wrong_result(text, engine.tag(text, "entropy"), engine) is None
