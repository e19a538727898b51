"""The control ``random-windows``: the large model reads as many words as under a cascade, but in other windows."""

import pytest

from engine.data.corpora import load_corpus
from engine.errors import InputError
from eval.measure.controls import draw, judge, key, random_windows
from eval.options import SAMPLE
from tests.conftest import cascade

TEXTS = [*(document.text for document in load_corpus(str(SAMPLE), limit=5).documents), ""]
CASCADE = cascade(8.5)  # about half of the windows go on


@pytest.fixture(scope="module")
def judged(both):
    return judge(both, CASCADE, TEXTS)


@pytest.fixture(scope="module")
def control(both):
    return random_windows(both, "random-windows", CASCADE, TEXTS)


def words(judged, names):
    return sum(judged[name].end - judged[name].first for name in names)


def test_windows_are_judged_as_the_cascade_judges_them(both, judged):
    results = both.tag_batch(TEXTS, CASCADE)
    assert list(judged.values()) == [one for result in results for one in result.trace.windows]
    assert {one.read for one in judged.values()} == {True, False}


def test_as_many_words_are_read_whatever_the_seed(judged):
    read = {name for name, one in judged.items() if one.read}
    drawn = [draw(judged, seed) for seed in range(5)]
    for one in drawn:
        assert words(judged, read) <= words(judged, one) < words(judged, read) + 30  # words of the longest window
    assert len({*drawn, frozenset(read)}) == 6
    assert draw(judged, 0) == drawn[0]


def test_nothing_is_drawn_where_nothing_is_read(both):
    assert draw(judge(both, cascade(1e6), TEXTS), 0) == frozenset()


def test_the_large_model_reads_what_was_drawn(both, judged, control):
    for seed, tag in enumerate((control.tag, *control.reseeded)):
        drawn = draw(judged, seed)
        for windows, row in zip(both.pieces.of_texts(TEXTS)[1], tag(TEXTS).rows(), strict=True):
            wanted = [key(window) in drawn for window in windows for _ in range(window.own, window.own_end)]
            assert [exit_ != control.variant.small_layers for exit_ in row.exits] == wanted


def test_what_is_read_does_not_depend_on_the_batch(control):
    for text, together in zip(TEXTS, control.tag(TEXTS).rows(), strict=True):
        (alone,) = control.tag([text]).rows()
        assert alone.exits == together.exits


def test_rejects_what_is_no_cascade(engine):
    with pytest.raises(InputError, match="random-windows@ with a cascade"):
        random_windows(engine, "random-windows@entropy", engine.strategy("entropy"), TEXTS)
