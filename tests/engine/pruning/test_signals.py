import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pruning.signals import (
    lowest_per_window,
    neighbour_max,
    normalised_entropy,
    whole_spans,
    window_mean_std,
)
from engine.text.labels import LabelSet

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


@given(rows=VALUES)
def test_mean_and_deviation_are_those_of_the_members(rows):
    values, member, window = columns(rows)
    mean, std = window_mean_std(values, member, window, 4)
    for index in range(4):
        mine = values[member & (window == index)]
        if len(mine):
            assert mean[index].item() == pytest.approx(mine.mean().item(), abs=1e-4)
            assert std[index].item() == pytest.approx(mine.std().item(), abs=1e-3)


@given(rows=VALUES, limits=st.lists(st.integers(0, 6), min_size=4, max_size=4))
def test_lowest_per_window_takes_the_lowest_candidates_up_to_the_limit(rows, limits):
    values, candidates, window = columns(rows)
    chosen = lowest_per_window(values, candidates, window, np.array(limits))
    for index, limit in enumerate(limits):
        places = [i for i in range(len(values)) if window[i] == index and candidates[i]]
        expected = sorted(places, key=lambda i: (values[i].item(), i))[:limit]
        assert [i for i in range(len(values)) if window[i] == index and chosen[i]] == sorted(expected)


def test_an_entity_leaves_whole_or_not_at_all():
    #                       B  I  O  B  I  B  I | I
    labels = np.array([1, 2, 0, 1, 2, 3, 4, 4])
    window = np.array([0, 0, 0, 0, 0, 0, 0, 1])
    candidates = np.array([1, 1, 1, 1, 0, 0, 1, 1]).astype(bool)
    continues = LabelSet(("Chemical", "Disease")).continues(labels)
    assert whole_spans(candidates, continues, window).tolist() == [True, True, True, False, False, False, False, True]
