from dataclasses import dataclass, field

import numpy as np
import pytest

from engine.data.corpora import Corpus
from engine.latency import Latency
from engine.runs import Log
from engine.text.documents import Document
from engine.text.windows import Window
from eval.measure.baselines.base import Baseline, sub_batches
from eval.measure.tuning import AMONG, PASSES, TRIED, fastest, sample, tuned

LIMITS = (1, 512, 2048)
OPTIONS = tuple({"rows": rows} for rows in LIMITS)
CORPUS = Corpus("c", "all", (), tuple(Document(str(n), "aspirin " * (n % 7 + 1)) for n in range(40)))


@dataclass
class Clocked:
    """Stands in for a baseline: a call takes the milliseconds in ``cost`` for its texts and rows."""

    cost: dict[tuple[int, int], float]
    options: tuple[dict[str, int], ...] = OPTIONS
    rows: int = 0
    calls: list[int] = field(default_factory=list)

    def at(self, chosen):
        (option,) = chosen.values()
        return Clocked(self.cost, self.options, option["rows"], self.calls)

    def tag(self, texts):
        self.calls.append(self.rows)
        return [()] * len(texts), Latency(self.cost[len(texts), self.rows], 0.0, len(texts))


def baseline(seen=None):
    """A real baseline whose runtime records its options and finds nothing."""

    def run(texts, option):
        if seen is not None:
            seen.append(option["rows"])
        return [()] * len(texts), 0.0

    return Baseline("noting", "float32", "cpu", run, OPTIONS, {"threads": "1"})


def test_the_fastest_option_is_found_for_each_batch_size():
    clocked = Clocked({(1, 1): 10, (1, 512): 11, (1, 2048): 12, (4, 1): 40, (4, 512): 30, (4, 2048): 35})
    assert fastest(clocked, ["a"] * 8, 1) == {"rows": 1}
    assert fastest(clocked, ["a"] * 8, 4) == {"rows": 512}
    assert set(clocked.calls) == set(LIMITS)


def test_among_equals_the_first_option_wins():
    assert fastest(Clocked({(1, 1): 10.1, (1, 512): 10.0, (1, 2048): 10.2}), ["a"], 1) == {"rows": 1}


def test_what_has_fallen_behind_is_not_tried_on():
    clocked = Clocked({(1, 1): 600, (1, 512): 800, (1, 2048): 6000})
    assert fastest(clocked, ["a"] * 8, 1) == {"rows": 1}
    assert [clocked.calls.count(rows) for rows in LIMITS] == [8 * PASSES, 8 * PASSES, PASSES]


def test_short_times_give_nothing_up():
    clocked = Clocked({(1, 1): 10, (1, 512): 14, (1, 2048): 90})
    assert fastest(clocked, ["a"] * 8, 1) == {"rows": 1}
    assert [clocked.calls.count(rows) for rows in LIMITS] == [8 * PASSES] * 3


def test_the_sample_is_small_and_has_texts_of_all_lengths_in_the_order_of_the_corpus():
    texts = [f"{'word ' * (n * 37 % 101)}{n}" for n in range(2 * AMONG)]
    found = sample(Corpus("c", "all", (), tuple(Document(str(n), text) for n, text in enumerate(texts))), TRIED)
    assert len(found) == TRIED
    assert max(map(len, found)) == max(map(len, texts[:AMONG]))
    assert min(map(len, found)) == min(map(len, texts[:AMONG]))
    places = [texts.index(text) for text in found]
    assert places == sorted(places)
    assert places[-1] < AMONG


def test_options_are_judged_by_full_batches(tmp_path):
    calls = []

    def run(texts, option):
        calls.append(len(texts))
        return [()] * len(texts), 0.0

    tuned(
        [Baseline("noting", "float32", "cpu", run, OPTIONS[:1], {"threads": "1"})],
        CORPUS,
        [1, 20],
        Log(tmp_path / "log"),
    )
    assert {size: calls.count(size) for size in set(calls)} == {1: TRIED * PASSES, 20: 2 * PASSES}


def test_each_call_runs_with_the_option_of_its_number_of_texts():
    seen = []
    chosen = baseline(seen).at({1: {"rows": 512}, 4: {"rows": 2048}})
    for texts in (["aspirin"], ["aspirin"] * 3, ["aspirin"] * 4, ["aspirin"] * 5):
        chosen.tag(texts)
    assert seen == [512, 2048, 2048, 1]


def test_the_choice_is_stated_and_kept_by_the_log(tmp_path, monkeypatch):
    log = Log(tmp_path / "log")
    (first,) = tuned([baseline()], CORPUS, [1, 4], log)
    assert set(first.chosen) == {1, 4}
    assert all(option in OPTIONS for option in first.chosen.values())
    stated = baseline().at({1: {"rows": 1}, 4: {"rows": 2048}}).settings["fastest"]
    assert stated == "rows 1 at batch size 1; rows 2048 at batch size 4 (of 3 tried)"
    monkeypatch.setattr("eval.measure.tuning.fastest", None)
    (again,) = tuned([baseline()], CORPUS, [1, 4], Log(tmp_path / "log"))
    assert (again.chosen, again.settings) == (first.chosen, first.settings)
    assert len(list(log)) == 1


@pytest.mark.parametrize(("limit", "expected"), [(1, [[200], [512]]), (1024, [[200, 512]]), (1023, [[200], [512]])])
def test_a_short_tail_window_is_padded_beside_a_full_one_only_where_the_limit_says_so(limit, expected):
    windows = [
        Window(np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64), 0, 0, 0, 0) for rows in (200, 512)
    ]
    assert [[len(window.input_ids) for window in chunk] for chunk in sub_batches(windows, limit)] == expected
