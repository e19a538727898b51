"""The layer view: the text as words, what happens to them at each layer, and how many are computed."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from demo.common import word_view as words
from demo.common.differences import Difference, differences
from demo.common.word_view import listbox
from demo.tabs.layers import layer_view, words_computed, words_exited
from engine import Engine, Entity, Result

TYPES = ("Chemical", "Disease")
TEXT = "Famotidine-associated delirium.\nSix patients  on famotidine (20 mg/day) had nausea; all recovered."
HOSTILE = "<img src=x onerror=alert(1)> ${1+1} {{7*7}} `x` \\n \"quoted\" 'too' <script>alert(1)</script>"


class Parsed(HTMLParser):
    """The list box's text and the attributes of all elements, by class."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.text = ""
        self.options: list[dict[str, Any]] = []
        self.entities: list[dict[str, Any]] = []
        self.tags: set[str] = set()
        self.feed(markup)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attributes)
        if values.get("role") == "option":
            self.options.append(values)
        if "entity" in (values.get("class") or "").split():
            self.entities.append(values)

    def handle_data(self, data: str) -> None:
        self.text += data


def same(result: Result) -> list[Difference]:
    return differences(result, result)


def layers_of(result: Result) -> str:
    return layer_view(result, same(result), TYPES)


@pytest.fixture
def recovered(engine: Engine) -> Result:
    leaving = {"max_entropy": 0.45, "min_keep_ratio": 0.3, "exit_entities": True}
    recovering = {"trigger": "confidence", "min_confidence": 1.0, "recovery_limit": 2}
    return engine.tag(TEXT, "entropy+recovery", **leaving, **recovering)


class TestListbox:
    @pytest.mark.parametrize("strategy", ["dense", "rule", "truncate-1"])
    @pytest.mark.parametrize("text", [TEXT, HOSTILE, "אבג 😀 \u202eabc"])
    def test_holds_the_text_as_text(self, engine: Engine, strategy: str, text: str) -> None:
        parsed = Parsed(listbox(engine.tag(text, strategy), same(engine.tag(text, strategy)), "Words", TYPES))
        assert parsed.text == text
        assert parsed.tags == {"div", "span"}

    def test_words_say_what_became_of_them(self, engine: Engine, recovered: Result) -> None:
        parsed = Parsed(listbox(recovered, same(recovered), "Words", TYPES))
        for option, word in zip(parsed.options, recovered.trace.words, strict=True):
            assert option["data-state"] == word.state
            assert option.get("data-exit") == (None if word.state == "kept" else str(word.layer))
            assert option["aria-label"].startswith(f"{word.text}: ")
        assert sum("came back" in option["aria-label"] for option in parsed.options) == 2

    def test_one_word_is_in_the_tab_order(self, engine: Engine) -> None:
        parsed = Parsed(listbox(engine.tag(TEXT, "rule"), same(engine.tag(TEXT, "rule")), "Words", TYPES))
        assert [option["tabindex"] for option in parsed.options].count("0") == 1

    def test_entities_are_framed_and_say_when_they_are_decided(self, engine: Engine) -> None:
        entity = Entity(0, 10, "Chemical", "Famotidine")
        for strategy, decided in (("truncate-2", "2"), ("dense", "3")):
            result = replace(engine.tag(TEXT, strategy), entities=(entity,))
            (frame,) = Parsed(listbox(result, same(result), "Words", TYPES)).entities
            assert (frame["data-type"], frame["data-decided"]) == ("Chemical", decided)

    def test_what_differs_from_dense_is_marked_lost_entities_too(self, engine: Engine) -> None:
        both, other = Entity(0, 10, "Chemical", "Famotidine"), Entity(22, 30, "Disease", "delirium")
        dense = replace(engine.tag(TEXT, "dense"), entities=(both, other))
        result = replace(engine.tag(TEXT, "truncate-2"), entities=(both,))
        frames = Parsed(listbox(result, differences(result, dense), "Words", TYPES)).entities
        assert [(frame["data-kind"], frame["data-type"]) for frame in frames] == [
            ("same", "Chemical"),
            ("lost", "− Disease"),
        ]

    def test_long_texts_are_cut_and_the_view_says_so(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(words, "MAX_WORDS", 5)
        view = layers_of(engine.tag(TEXT, "rule"))
        assert view.count('role="option"') == 5
        assert "Showing the first 5 of 21 words." in view


class TestLayerView:
    def test_counts_the_words_of_each_layer(self, engine: Engine, recovered: Result) -> None:
        total = len(recovered.words)
        assert words_computed(engine.tag(TEXT, "dense")) == [total] * 3
        assert words_computed(engine.tag(TEXT, "truncate-1")) == [total, 0, 0]
        exited_at_1 = sum(word.state == "exited" and word.layer == 1 for word in recovered.trace.words)
        exited = sum(word.state == "exited" for word in recovered.trace.words)
        assert words_computed(recovered) == [total, total - exited_at_1, total - exited]

    def test_counts_the_words_that_exited_even_those_that_are_not_shown(
        self, engine: Engine, recovered: Result, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert words_exited(engine.tag(TEXT, "truncate-1")) == [len(recovered.words), 0, 0]
        back = sum(word.state == "recovered" for word in recovered.trace.words)
        assert sum(words_exited(recovered)) == len(recovered.words) - words_computed(recovered)[-1] + back
        monkeypatch.setattr(words, "MAX_WORDS", 5)
        assert re.findall(
            r'data-exits="(\d+)"><span class="unseen"',
            layers_of(engine.tag(TEXT, "truncate-1")),
        ) == [
            "21",
            "0",
            "0",
        ]

    def test_bars_end_where_words_exit(self, engine: Engine, recovered: Result) -> None:
        bars = re.findall(
            r'<i data-word="(\d+)"[^>]*?( data-recovered)? style="--to:(\d+)">',
            layers_of(recovered),
        )
        expected = [
            (str(index), " data-recovered" if word.state == "recovered" else "", str(word.layer))
            for index, word in enumerate(recovered.trace.words)
        ]
        assert bars == expected
