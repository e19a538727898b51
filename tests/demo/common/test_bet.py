"""The bet: what the page says is what the trace says; a link holds the bet, and nothing else of it counts."""

import re
from types import SimpleNamespace
from urllib.parse import parse_qsl

import gradio as gr
import pytest

from demo.common.bet import MAX_WINNERS, Bet, challenge, choices, depths, fair, reply, view, winners
from demo.common.links import make_link
from tests.demo.conftest import page_values
from tests.demo.tabs.conftest import RECOVERING, TEXT, beside, run_of, text_of


@pytest.fixture(scope="module")
def result(shipped):
    return fair(shipped)


@pytest.fixture(scope="module")
def bet(shipped):
    with gr.Blocks():
        return Bet(shipped)


def run_on(engine, *names, text, **settings):
    dense = engine.tag(text, "dense")
    others = [beside(engine.tag(text, name, **settings), dense) for name in names]
    return run_of(beside(dense, dense), *others, text=text)


def words(markup):
    return re.findall("<em>(.*?)</em>", markup)


def test_with_the_shipped_weights_at_most_three_words_win_none_of_them_punctuation(result, shipped):
    assert 0 < len(winners(result)) <= MAX_WINNERS == 3
    assert all(result.trace.words[index].text.isalpha() for index in winners(result))
    assert result.paths == shipped.tag(result.text).paths, "under the default strategy"
    assert len({word.layer for word in result.trace.words}) > 2, "words leave at several layers"
    full = shipped.tag(result.text, "dense").entities
    assert {entity.key for entity in result.entities} == {entity.key for entity in full}
    assert {entity.type for entity in full} == {"Chemical", "Disease"}


def test_the_answer_to_every_word_is_what_the_trace_says(result):
    trace = result.trace.words
    end = max(word.layer for word in trace)
    last = [word.text for word in trace if word.layer == end]
    for index in choices(result):
        said, word = reply(result, index), trace[index]
        assert f"layer {end}, where the pass ends" in text_of(said)
        assert words(said)[0] == word.text
        if word.layer == end:
            assert "rightly" in said
            assert sorted(words(said)) == sorted(last)
        else:
            assert f"it left after layer {word.layer}. 3 words went on" in text_of(said)
            assert words(said)[1:] == last


def test_a_word_that_came_back_went_on_to_the_end_and_wins(engine):
    result = engine.tag(TEXT, "entropy+recovery", **RECOVERING)
    back = [index for index, word in enumerate(result.trace.words) if word.state == "recovered"]
    assert back
    assert set(back) <= set(winners(result))
    assert max(depths(result)) == engine.sizes.layers


def test_without_gates_all_words_tie_and_the_page_opens_as_without_a_bet(engine):
    plain = SimpleNamespace(tag=lambda text: engine.tag(text, "dense"), labels=engine.labels, default_strategy="dense")
    assert fair(plain) is None
    with gr.Blocks():
        bet = Bet(plain)
    assert (bet.sentence, bet.shown.value) == ("", "")
    assert bet.open(gr.skip(), {"bet": "0"}) == (None, "")
    assert bet.in_link("0", "") == ""


def test_a_link_holds_the_bet_and_asks_without_naming_a_word_that_wins(shipped, bet, result):
    names = [shipped.default_strategy]
    link = make_link(shipped, bet.sentence, *names, names, None, "", *page_values(shipped))
    for index in choices(result):
        friend, shown = bet.open(gr.skip(), dict(parse_qsl(link[1:] + bet.in_link(str(index), bet.sentence))))
        assert friend == index
        assert challenge(result, index) in shown
        named = words(challenge(result, index))
        assert named == ([] if index in winners(result) else [result.trace.words[index].text])
    assert bet.in_link("1", "a text of mine") == ""


@pytest.mark.parametrize(
    "value", ["", "<img src=x onerror=alert(1)>", "${1+1}", "-1", "1e1", "99", "٣", " 1", "nan", "1&bet=2"]
)
def test_what_is_no_word_to_bet_on_is_ignored(bet, value):
    assert bet.open(bet.sentence, {"bet": value}) == bet.open(bet.sentence, {})
    assert bet.in_link(value, bet.sentence) == "&bet="


def test_it_follows_the_run_of_the_sentence(bet, shipped):
    opening = bet.shown.value
    run = run_on(shipped, "truncate-3", "entropy", text=bet.sentence)
    assert bet.draw(run, None, opening) == gr.skip(), "nothing has changed"
    careful = run_on(shipped, "entropy", text=bet.sentence, max_entropy=(0.0, 0.0, 0.0, 1.0))
    assert bet.draw(careful, None, opening) == view(careful.compared[1].result, shipped.labels.types)


def test_it_is_gone_with_another_text_or_without_the_default_strategy(bet, shipped):
    assert bet.open("a text of mine", {})[1] == ""
    assert bet.draw(run_on(shipped, "entropy", text="a text of mine"), None, bet.shown.value) == ""
    assert bet.draw(run_on(shipped, "truncate-3", text=bet.sentence), None, bet.shown.value) == ""
    assert bet.draw(None, None, bet.shown.value) == gr.skip()
