"""What is computed of several windows at once: ties, and words beyond the border of a window."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pruning.gate import ArrayGate, Words
from engine.text.labels import LabelSet

LABELS = LabelSet(("Chemical", "Disease"))
WORDS = st.lists(st.tuples(st.integers(0, 3), st.floats(-5, 5), st.booleans()), min_size=1, max_size=20)


def columns(rows):
    return map(np.array, zip(*sorted(rows, key=lambda row: row[0]), strict=True))


def gate(window, alive=None):
    """A gate over four windows, some of which may be empty."""
    words, certain = Words(window, np.bincount(window, minlength=4)), np.zeros((len(window), len(LABELS)), np.float32)
    return ArrayGate(1, 0, words, np.ones(len(window), dtype=bool) if alive is None else alive, certain, LABELS)


@given(rows=WORDS)
def test_mean_and_deviation_are_those_of_the_alive_words_of_the_window(rows):
    window, values, alive = columns(rows)
    at = gate(window, alive)
    for index in window[alive]:
        mine = values[alive & (window == index)]
        assert at.mean(values)[window == index] == pytest.approx(mine.mean(), abs=1e-4)
        assert at.deviation(values)[window == index] == pytest.approx(mine.std(), abs=1e-3)


@given(rows=WORDS, share=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.8, 1.0]))
def test_the_minimum_that_stays_are_the_words_of_most_importance_and_of_equal_ones_the_last(rows, share):
    window, values, candidates = columns(rows)
    exits = gate(window).keep_minimum(candidates, values, share)
    for index in range(4):
        words = np.flatnonzero(window == index)
        most = len(words) - math.ceil(np.float32(len(words) * share))
        lowest = sorted((word for word in words if candidates[word]), key=lambda word: (values[word], word))[:most]
        assert np.flatnonzero(exits & (window == index)).tolist() == sorted(lowest)


def test_an_entity_leaves_whole_or_not_at_all():
    #                  B  I  O  B  I  B  I | I
    labels = np.array([1, 2, 0, 1, 2, 3, 4, 4])
    exits = np.array([1, 1, 1, 1, 0, 0, 1, 1]).astype(bool)
    at = replace(gate(np.array([0] * 7 + [1])), probabilities=np.eye(len(LABELS), dtype=np.float32)[labels])
    assert at.whole_entities(exits).tolist() == [True, True, True, False, False, False, False, True]
