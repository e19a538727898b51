"""The layer view: the text as words, what happens to them at each layer, and how many are computed."""

import re
from dataclasses import replace

import pytest

from demo.common import word_view
from demo.common.word_view import listbox
from demo.tabs.watch import layer_view, words_of_layers
from tests.demo.tabs.conftest import DELIRIUM, FAMOTIDINE, RECOVERING, TEXT, beside, spans, text_of

HOSTILE = "<img src=x onerror=alert(1)> ${1+1} {{7*7}} `x` \\n \"quoted\" 'too' אבג 😀 \u202eabc"


def shown(result, dense=None):
    return listbox(beside(result, dense or result), "Words", ("Chemical", "Disease"))


def view(engine, result):
    return layer_view(engine, beside(result, result))


@pytest.fixture
def recovered(engine):
    return engine.tag(TEXT, "entropy+recovery", **RECOVERING)


def test_words_are_said_to_exit_only_if_the_model_has_gates(engine, plain_engine):
    gated, plain = (view(one, one.tag(TEXT, "dense")) for one in (engine, plain_engine))
    for part in ("exited", "came back", "data-has-gates"):
        assert part in gated
        assert part not in plain


class TestListbox:
    def test_holds_the_text_as_text_with_one_word_in_the_tab_order(self, engine):
        markup = shown(engine.tag(HOSTILE, "rule"))
        assert text_of(markup) == HOSTILE
        assert [word["tabindex"] for word in spans(markup, "word")].count("0") == 1

    def test_words_say_what_became_of_them(self, recovered):
        options = spans(shown(recovered), "word")
        for option, word in zip(options, recovered.trace.words, strict=True):
            assert option["data-state"] == word.state
            assert option.get("data-exit") == (None if word.state == "kept" else str(word.layer))
            assert option["aria-label"].startswith(f"{word.text}: ")
        assert sum("came back" in option["aria-label"] for option in options) == 2

    def test_entities_say_when_they_are_decided_and_what_differs_from_dense(self, engine):
        dense = replace(engine.tag(TEXT, "dense"), entities=(FAMOTIDINE, DELIRIUM))
        result = replace(engine.tag(TEXT, "truncate-2"), entities=(FAMOTIDINE,))
        for markup, expected in (
            (shown(dense), [("same", "Chemical", "3"), ("same", "Disease", "3")]),
            (shown(result, dense), [("same", "Chemical", "2"), ("lost", "− Disease", "2")]),
        ):
            entities = spans(markup, "entity")
            assert [(one["data-kind"], one["data-type"], one["data-decided"]) for one in entities] == expected

    def test_long_texts_are_cut_and_the_view_says_so(self, engine, monkeypatch):
        monkeypatch.setattr(word_view, "MAX_WORDS", 5)
        page = view(engine, engine.tag(TEXT, "truncate-1"))
        assert page.count('role="option"') == 5
        assert "Showing the first 5 of 21 words." in page
        assert re.findall(r'data-exits="(\d+)"', page) == ["21", "0", "0"], "all words are counted"


class TestLayerView:
    def test_counts_the_words_of_each_layer_and_bars_end_where_words_exit(self, engine, recovered):
        total = len(recovered.words)
        assert list(words_of_layers(engine.tag(TEXT, "dense"))) == [(layer, total, 0) for layer in (1, 2, 3)]
        assert list(words_of_layers(engine.tag(TEXT, "truncate-1"))) == [(1, total, total), (2, 0, 0), (3, 0, 0)]
        exited = [word.layer for word in recovered.trace.words if word.state == "exited"]
        layers, computed, exits = zip(*words_of_layers(recovered), strict=True)
        assert layers == (1, 2, 3)
        assert computed == (total, total - exited.count(1), total - len(exited))
        assert sum(exits) == len(exited) + sum(word.state == "recovered" for word in recovered.trace.words)
        bars = re.findall(r'<i data-word="(\d+)"[^>]*?( data-recovered)? style="--to:(\d+)">', view(engine, recovered))
        assert bars == [
            (str(index), " data-recovered" if word.state == "recovered" else "", str(word.layer))
            for index, word in enumerate(recovered.trace.words)
        ]
