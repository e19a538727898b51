from dataclasses import dataclass, field

import numpy as np
import pytest

from engine import latency
from engine.corpora import Corpus
from engine.text.documents import Document
from engine.text.windows import Window
from eval.measure.baselines import FIRST_DOCUMENTS, TRIAL_DOCUMENTS, fastest, sample_texts, tune
from eval.measure.baselines.base import Baseline, group_windows
from eval.record import Prediction, Variant

ROWS = (1, 512, 2048)
CANDIDATES = tuple({"rows": rows} for rows in ROWS)


@dataclass(eq=False)
class Clocked(Baseline):
    """Finds nothing; a call takes the milliseconds in ``ms`` for its number of texts and rows, which it notes."""

    ms: dict = field(kw_only=True)
    calls: list = field(kw_only=True)

    def tag(self, texts, seed=0):
        found, _ = super().tag(texts)
        return found, self.ms.get(self.calls[-1], 0.0)


def clocked(ms=None, candidates=CANDIDATES):
    calls = []

    def run(texts, parameters):
        calls.append((len(texts), parameters["rows"]))
        return [Prediction(())] * len(texts)

    return Clocked(Variant("clocked", "baseline", "float32"), run, candidates, ms=ms or {}, calls=calls)


def corpus(texts):
    return Corpus("c", "all", (), tuple(Document(str(number), text) for number, text in enumerate(texts)))


def test_the_sample_has_texts_of_all_lengths_in_the_order_of_the_corpus():
    texts = [f"{'word ' * (n * 37 % 101)}{n}" for n in range(2 * FIRST_DOCUMENTS)]
    sample = sample_texts(corpus(texts), TRIAL_DOCUMENTS)
    assert len(sample) == TRIAL_DOCUMENTS
    lengths = [len(text) for text in texts[:FIRST_DOCUMENTS]]
    assert {min(map(len, sample)), max(map(len, sample))} == {min(lengths), max(lengths)}
    places = [texts.index(text) for text in sample]
    assert places == sorted(places)
    assert places[-1] < FIRST_DOCUMENTS


def test_the_fastest_candidate_is_found_for_each_batch_size_and_the_first_among_equals():
    baseline = clocked({(1, 1): 10.1, (1, 512): 10, (1, 2048): 12, (4, 1): 40, (4, 512): 30, (4, 2048): 35})
    assert fastest(baseline, 1, ["a"] * 8) == {"rows": 1}
    assert fastest(baseline, 4, ["a"] * 8) == {"rows": 512}
    assert {rows for _, rows in baseline.calls} == set(ROWS)


def test_each_call_runs_with_the_parameters_of_its_number_of_texts():
    chosen = clocked()
    chosen.choose({1: {"rows": 512}, 4: {"rows": 2048}})
    for count in (1, 3, 4, 5):
        chosen.tag(["aspirin"] * count)
    assert chosen.calls == [(1, 512), (3, 2048), (4, 2048), (5, 1)]
    assert chosen.variant.settings["fastest"] == "rows 512 at batch size 1; rows 2048 at batch size 4 (of 3 tried)"


def test_candidates_are_judged_by_full_batches():
    baseline = clocked(candidates=CANDIDATES[:1])
    tune([baseline], corpus(["aspirin"] * 40), [1, 20])
    sizes = [size for size, _ in baseline.calls]
    passes = latency.PASSES + 1  # the first is discarded
    assert {size: sizes.count(size) for size in set(sizes)} == {1: TRIAL_DOCUMENTS * passes, 20: 2 * passes}
    assert set(baseline.chosen) == {1, 20}


@pytest.mark.parametrize(("rows", "expected"), [(1, [[200], [512]]), (1024, [[200, 512]]), (1023, [[200], [512]])])
def test_a_short_window_is_padded_beside_a_long_one_only_if_both_fit(rows, expected):
    windows = [
        Window(np.zeros(length, dtype=np.int64), np.zeros(length, dtype=np.int64), 0, 0, 0, 0) for length in (200, 512)
    ]
    assert [[len(window.input_ids) for window in group] for group in group_windows(windows, rows)] == expected
