"""Trials of baselines: the fastest runtime parameters are chosen, stated and kept."""

import numpy as np
import pytest

from engine.data.corpora import Corpus
from engine.latency import Latency
from engine.runs import Log
from engine.text.documents import Document
from engine.text.windows import Window
from eval.measure.baselines import PASSES, SAMPLED, TRIED, fastest, sample_texts, tune
from eval.measure.baselines.base import Baseline, group_windows

ROWS = (1, 512, 2048)
CANDIDATES = tuple({"rows": rows} for rows in ROWS)


class Clocked:
    """Stands in for a baseline: a call takes the milliseconds in ``costs`` for its number of texts and rows."""

    candidates = CANDIDATES

    def __init__(self, costs, rows=0, calls=None):
        self.costs, self.rows, self.calls = costs, rows, [] if calls is None else calls

    def with_parameters(self, chosen):
        (parameters,) = chosen.values()
        return Clocked(self.costs, parameters["rows"], self.calls)

    def tag(self, texts):
        self.calls.append(self.rows)
        return [()] * len(texts), Latency(self.costs[len(texts), self.rows], 0.0, len(texts))


def corpus(texts):
    return Corpus("c", "all", (), tuple(Document(str(number), text) for number, text in enumerate(texts)))


def noting(calls, candidates=CANDIDATES):
    """A real baseline that notes the number of texts and rows of each call and finds nothing."""

    def run(texts, parameters):
        calls.append((len(texts), parameters["rows"]))
        return [()] * len(texts), 0.0

    return Baseline("noting", "float32", "cpu", run, candidates, {"threads": "1"})


def test_the_fastest_candidate_is_found_for_each_batch_size():
    clocked = Clocked({(1, 1): 10, (1, 512): 11, (1, 2048): 12, (4, 1): 40, (4, 512): 30, (4, 2048): 35})
    assert fastest(clocked, ["a"] * 8, 1) == {"rows": 1}
    assert fastest(clocked, ["a"] * 8, 4) == {"rows": 512}
    assert set(clocked.calls) == set(ROWS)


def test_among_equals_the_first_candidate_wins():
    assert fastest(Clocked({(1, 1): 10.1, (1, 512): 10.0, (1, 2048): 10.2}), ["a"], 1) == {"rows": 1}


@pytest.mark.parametrize(
    ("ms", "batches"), [((600, 800, 6000), (8, 8, 1)), ((10, 14, 90), (8, 8, 8))], ids=["far behind", "short times"]
)
def test_candidates_that_fall_far_behind_are_dropped(ms, batches):
    clocked = Clocked({(1, rows): time for rows, time in zip(ROWS, ms, strict=True)})
    assert fastest(clocked, ["a"] * 8, 1) == {"rows": 1}
    assert [clocked.calls.count(rows) for rows in ROWS] == [PASSES * count for count in batches]


def test_the_sample_has_texts_of_all_lengths_in_the_order_of_the_corpus():
    texts = [f"{'word ' * (n * 37 % 101)}{n}" for n in range(2 * SAMPLED)]
    found = sample_texts(corpus(texts), TRIED)
    assert len(found) == TRIED
    lengths = [len(text) for text in texts[:SAMPLED]]
    assert {min(map(len, found)), max(map(len, found))} == {min(lengths), max(lengths)}
    places = [texts.index(text) for text in found]
    assert places == sorted(places)
    assert places[-1] < SAMPLED


def test_candidates_are_judged_by_full_batches(tmp_path):
    calls = []
    tune([noting(calls, CANDIDATES[:1])], corpus(["aspirin"] * 40), [1, 20], Log(tmp_path / "log"))
    sizes = [size for size, _ in calls]
    assert {size: sizes.count(size) for size in set(sizes)} == {1: TRIED * PASSES, 20: 2 * PASSES}


def test_each_call_runs_with_the_parameters_of_its_number_of_texts():
    calls = []
    chosen = noting(calls).with_parameters({1: {"rows": 512}, 4: {"rows": 2048}})
    for count in (1, 3, 4, 5):
        chosen.tag(["aspirin"] * count)
    assert calls == [(1, 512), (3, 2048), (4, 2048), (5, 1)]
    assert chosen.settings["fastest"] == "rows 512 at batch size 1; rows 2048 at batch size 4 (of 3 tried)"


def test_the_choice_is_kept_by_the_log(tmp_path):
    texts, log = corpus(["aspirin"] * 40), tmp_path / "log"
    (first,) = tune([noting([])], texts, [1, 4], Log(log))
    calls = []
    (again,) = tune([noting(calls)], texts, [1, 4], Log(log))
    assert set(first.chosen) == {1, 4}
    assert (again.chosen, again.settings, calls) == (first.chosen, first.settings, [])


@pytest.mark.parametrize(("rows", "expected"), [(1, [[200], [512]]), (1024, [[200, 512]]), (1023, [[200], [512]])])
def test_a_short_window_is_padded_beside_a_long_one_only_if_both_fit(rows, expected):
    windows = [
        Window(np.zeros(length, dtype=np.int64), np.zeros(length, dtype=np.int64), 0, 0, 0, 0) for length in (200, 512)
    ]
    assert [[len(window.input_ids) for window in group] for group in group_windows(windows, rows)] == expected
