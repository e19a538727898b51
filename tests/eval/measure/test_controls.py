"""Controls: ``random`` lets as many words exit, and ``random-windows`` gives the large model as many to read."""

import pytest

from engine.errors import InputError
from engine.formats.corpora import load_corpus
from engine.pruning.controllers import EntropyController
from engine.pruning.strategy import Strategy
from eval.measure.controls import draw, judge, key, random_exits, random_windows, tag_batch
from eval.options import SAMPLE
from tests.conftest import TEXT, cascade

TEXTS = [TEXT, TEXT * 9, "x", ""]
REPLAYED = Strategy("entropy", (1, 2), EntropyController(0.4, neighbours=0, exit_entities=True))


def exits(result) -> list[list[int]]:
    """For each window of a text and each gate, how many words exited."""
    return [
        [int((memory.batch.words.window[record.decision.exits] == slot.index).sum()) for record in memory.gates]
        for slot, memory in result._runs
    ]


def layers(result) -> list[int]:
    return [word.layer for word in result.trace.words]


@pytest.mark.parametrize("replayed", [REPLAYED, "rule"])
def test_as_many_other_words_exit_of_each_window_at_each_gate(engine, replayed):
    strategy = engine.strategy(replayed)
    reference = engine.tag_batch(TEXTS, strategy)
    seeds = [tag_batch(engine, "random", strategy, TEXTS, seed) for seed in (0, 1)]
    for found in seeds:
        assert [exits(result) for result in found] == [exits(result) for result in reference]
        assert [result.strategy.kind for result in found] == ["random"] * len(TEXTS)
    assert len({tuple(layers(results[0])) for results in (reference, *seeds)}) == 3


def test_the_words_that_are_chosen_do_not_depend_on_the_batch(engine):
    for text, together in zip(TEXTS, tag_batch(engine, "random", REPLAYED, TEXTS), strict=True):
        (alone,) = tag_batch(engine, "random", REPLAYED, [text])
        assert layers(alone) == layers(together)


SAMPLES = [*(document.text for document in load_corpus(str(SAMPLE), limit=5).documents), ""]
CASCADE = cascade(8.5)  # about half of the windows go on


@pytest.fixture(scope="module")
def judged(both):
    return judge(both, CASCADE, SAMPLES)


def words(judged, names):
    return sum(judged[name].end - judged[name].first for name in names)


def test_windows_are_judged_as_the_cascade_judges_them_and_none_are_drawn_where_none_is_read(both, judged):
    results = both.tag_batch(SAMPLES, CASCADE)
    assert list(judged.values()) == [one for result in results for one in result.trace.windows]
    assert {one.read for one in judged.values()} == {True, False}
    assert draw(judge(both, cascade(1e6), SAMPLES), 0) == frozenset()


def test_as_many_words_are_read_whatever_the_seed(judged):
    read = {name for name, one in judged.items() if one.read}
    drawn = [draw(judged, seed) for seed in range(5)]
    for one in drawn:
        assert words(judged, read) <= words(judged, one) < words(judged, read) + 30  # words of the longest window
    assert len({*drawn, frozenset(read)}) == 6
    assert draw(judged, 0) == drawn[0]


def test_the_large_model_reads_what_was_drawn_in_any_batch(both, judged):
    control = random_windows(both, "random-windows", CASCADE, SAMPLES)
    for seed, tag in enumerate((control.tag, *control.reseeded)):
        drawn = draw(judged, seed)
        for windows, row in zip(both.pieces.of_texts(SAMPLES)[1], tag(SAMPLES).rows(), strict=True):
            wanted = [key(window) in drawn for window in windows for _ in range(window.own, window.own_end)]
            assert [exit_ != control.variant.small_layers for exit_ in row.exits] == wanted
    for text, together in zip(SAMPLES, control.tag(SAMPLES).rows(), strict=True):
        (alone,) = control.tag([text]).rows()
        assert alone.exits == together.exits


@pytest.mark.parametrize("name", ["dense", "truncate-1", "entropy+recovery"])
def test_rejects_what_does_not_prune_or_brings_words_back_or_is_no_cascade(engine, name):
    with pytest.raises(InputError, match="random@"):
        random_exits(engine, f"random@{name}", engine.strategy(name))
    with pytest.raises(InputError, match="random-windows@ with a cascade"):
        random_windows(engine, f"random-windows@{name}", engine.strategy(name), TEXTS)
