import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pruning.gate import ArrayGate, Words
from engine.pruning.signals import neighbour_max, normalised_entropy
from engine.text.labels import LabelSet

LABELS = LabelSet(("Chemical", "Disease"))
VALUES = st.lists(st.tuples(st.floats(-5, 5), st.booleans(), st.integers(0, 3)), min_size=1, max_size=20)


def columns(rows):
    values, flags, windows = zip(*sorted(rows, key=lambda row: row[2]), strict=True)
    return np.array(values), np.array(flags), np.array(windows)


def test_entropy_is_0_for_certainty_and_1_for_ignorance():
    probabilities = np.array([[1.0, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]], dtype=np.float32)
    np.testing.assert_allclose(normalised_entropy(probabilities), [0.0, 1.0, 0.5], atol=1e-6)


@given(rows=VALUES, reach=st.integers(0, 5))
def test_neighbour_max_looks_at_most_so_far_within_the_window(rows, reach):
    values, _, window = columns(rows)
    expected = [
        max(values[j] for j in range(len(values)) if abs(i - j) <= reach and window[i] == window[j])
        for i in range(len(values))
    ]
    assert neighbour_max(values, window, reach).tolist() == [float(value) for value in expected]


def gate(alive, window):
    """A gate over four windows, some of which may be empty."""
    words = Words(window, np.bincount(window, minlength=4))
    return ArrayGate(1, 0, words, alive, np.zeros((len(window), len(LABELS)), dtype=np.float32), LABELS)


@given(rows=VALUES)
def test_mean_and_deviation_are_those_of_the_alive_words_of_the_window(rows):
    values, alive, window = columns(rows)
    at = gate(alive, window)
    for index in window[alive]:
        mine = values[alive & (window == index)]
        assert at.mean(values)[window == index] == pytest.approx(mine.mean(), abs=1e-4)
        assert at.deviation(values)[window == index] == pytest.approx(mine.std(), abs=1e-3)


@given(rows=VALUES, share=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.8, 1.0]))
def test_the_minimum_that_stays_are_the_words_of_most_importance_and_of_equal_ones_the_last(rows, share):
    values, candidates, window = columns(rows)
    exits = gate(np.ones(len(values), dtype=bool), window).keep_minimum(candidates, values, share)
    for index in range(4):
        words = np.flatnonzero(window == index)
        most = len(words) - math.ceil(np.float32(len(words) * share))
        lowest = sorted((word for word in words if candidates[word]), key=lambda word: (values[word], word))[:most]
        assert np.flatnonzero(exits & (window == index)).tolist() == sorted(lowest)


def test_an_entity_leaves_whole_or_not_at_all():
    #                  B  I  O  B  I  B  I | I
    labels = np.array([1, 2, 0, 1, 2, 3, 4, 4])
    window = np.array([0, 0, 0, 0, 0, 0, 0, 1])
    exits = np.array([1, 1, 1, 1, 0, 0, 1, 1]).astype(bool)
    at = replace(gate(np.ones(8, dtype=bool), window), probabilities=np.eye(len(LABELS), dtype=np.float32)[labels])
    assert at.whole_entities(exits).tolist() == [True, True, True, False, False, False, False, True]
