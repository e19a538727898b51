from dataclasses import dataclass, field

import numpy as np
import pytest

from engine.data.corpora import Corpus
from engine.inspection.trace import Latency
from engine.text.documents import Document
from engine.text.windows import Window
from eval.measure.baselines import Baseline, _sub_batches
from eval.measure.runlog import RunLog
from eval.measure.tuning import AMONG, TRIED, fastest, sample, tuned

LIMITS = (1, 512, 2048)
CORPUS = Corpus("c", "all", (), tuple(Document(str(n), "aspirin " * (n % 7 + 1)) for n in range(40)))


@dataclass
class Clocked:
    """Stands in for a baseline: a call takes as many milliseconds as ``cost`` says of its texts and the limit."""

    cost: dict[tuple[int, int], float]
    limits: tuple[int, ...] = LIMITS
    limit: int = 0
    calls: list[int] = field(default_factory=list)

    def at(self, chosen):
        (limit,) = chosen.values()
        return Clocked(self.cost, self.limits, limit, self.calls)

    def tag(self, texts):
        self.calls.append(self.limit)
        return [()] * len(texts), Latency(self.cost[len(texts), self.limit], 0.0, len(texts))


def baseline(engine, seen=None):
    """A real baseline whose runtime notes its limits and finds nothing."""

    def classify(stretches, limit):
        if seen is not None:
            seen.append(limit)
        return np.tile(
            np.eye(len(engine.labels), dtype=np.float32)[0], (sum(s.window.words for s in stretches), 1)
        ), 0.0

    return Baseline("noting", {"dtype": "float32"}, classify, engine.pieces, engine.labels, "padded rows", LIMITS)


def test_the_fastest_limit_is_found_for_each_batch_size():
    clocked = Clocked({(1, 1): 10, (1, 512): 11, (1, 2048): 12, (4, 1): 40, (4, 512): 30, (4, 2048): 35})
    assert fastest(clocked, ["a"] * 8, 1) == 1
    assert fastest(clocked, ["a"] * 8, 4) == 512
    assert set(clocked.calls) == set(LIMITS)


def test_among_equals_the_smallest_limit_wins():
    assert fastest(Clocked({(1, 1): 10.1, (1, 512): 10.0, (1, 2048): 10.2}), ["a"], 1) == 1


def test_the_sample_is_small_and_has_texts_of_all_lengths_in_the_order_of_the_corpus():
    texts = [f"{'word ' * (n * 37 % 101)}{n}" for n in range(2 * AMONG)]
    found = sample(Corpus("c", "all", (), tuple(Document(str(n), text) for n, text in enumerate(texts))))
    assert len(found) == TRIED
    assert max(map(len, found)) == max(map(len, texts[:AMONG]))
    assert min(map(len, found)) == min(map(len, texts[:AMONG]))
    places = [texts.index(text) for text in found]
    assert places == sorted(places)
    assert places[-1] < AMONG


def test_each_call_runs_at_the_limit_of_its_number_of_texts(engine):
    seen = []
    chosen = baseline(engine, seen).at({1: 512, 4: 2048})
    for texts in (["aspirin"], ["aspirin"] * 3, ["aspirin"] * 4, ["aspirin"] * 5):
        chosen.tag(texts)
    assert seen == [512, 2048, 2048, 1]


def test_the_choice_is_stated_and_kept_by_the_log(engine, tmp_path, monkeypatch):
    log = RunLog(tmp_path, {})
    (first,) = tuned([baseline(engine)], CORPUS, [1, 4], log)
    assert set(first.chosen) == {1, 4}
    assert set(first.chosen.values()) <= set(LIMITS)
    stated = baseline(engine).at({1: 1, 4: 2048}).settings["at a time"]
    assert stated.startswith("one window at batch size 1 and 2048 padded rows at batch size 4 (of one, 512, 2048 ")
    monkeypatch.setattr("eval.measure.tuning.fastest", None)
    (again,) = tuned([baseline(engine)], CORPUS, [1, 4], RunLog(tmp_path, {}))
    assert (again.chosen, again.settings) == (first.chosen, first.settings)
    assert len(list(log.records())) == 1


def test_without_baselines_nothing_is_tried_or_logged(tmp_path):
    log = RunLog(tmp_path, {})
    assert tuned([], CORPUS, [1], log) == []
    assert list(log.records()) == []


@pytest.mark.parametrize(("limit", "expected"), [(1, [[200], [512]]), (1024, [[200, 512]]), (1023, [[200], [512]])])
def test_a_short_tail_window_is_padded_beside_a_full_one_only_where_the_limit_says_so(limit, expected):
    windows = [
        Window(np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64), 0, 0, 0, 0) for rows in (200, 512)
    ]
    assert [[len(window.input_ids) for window in chunk] for chunk in _sub_batches(windows, limit)] == expected
