"""The coloured pieces are all of the text, and say where words left."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.html.cards import card
from demo.html.highlights import PALETTE, RECOVERED, RECOVERED_COLOUR, colours, left_after, segments
from demo.results.timing import Measured
from engine import Engine, Entity, Result

TEXT = "Famotidine-associated delirium. Six patients\non famotidine (20 mg/day)  had nausea;\n\nall recovered. "
NASTY = "<script>alert(1)</script> ${1+1} {{value}} `x` \\ &amp; \0\x1b \ud800 שלום \u202eabc\u202c 😀 x\r\n\ty"

any_text = st.text(st.characters(exclude_categories=()), max_size=60)


def offsets(result: Result) -> list[tuple[int, int, str | None]]:
    spans, position = [], 0
    for text, category in segments(result):
        spans.append((position, position + len(text), category))
        position += len(text)
    return spans


@pytest.mark.parametrize("strategy", ["dense", "hf", "rule", "entropy", "random", "truncate-1"])
@pytest.mark.parametrize("text", [TEXT, NASTY, "", " \n "])
def test_together_they_are_the_text(engine: Engine, strategy: str, text: str) -> None:
    shown = "".join(piece for piece, _ in segments(engine.tag(text, strategy)))
    assert shown == text.replace("\ud800", "\ufffd")


@settings(max_examples=60, deadline=None)
@given(text=any_text, strategy=st.sampled_from(["dense", "rule", "truncate-2"]))
def test_any_text_keeps_its_offsets_and_its_entities(engine: Engine, text: str, strategy: str) -> None:
    result = engine.tag(text, strategy)
    shown = "".join(piece for piece, _ in segments(result))
    assert len(shown) == len(text)
    assert all(a == b or "\ud800" <= b <= "\udfff" for a, b in zip(shown, text, strict=True))
    shown.encode()
    marked = [(start, end, c.partition(",")[0]) for start, end, c in offsets(result) if c and c[0].isupper()]
    assert marked == [entity.key for entity in result.entities]


def test_dense_marks_nothing_but_entities(engine: Engine) -> None:
    result = engine.tag(TEXT, "dense")
    assert {category for _, category in segments(result)} <= {None, "Chemical", "Disease"}


@pytest.mark.parametrize("strategy", ["rule", "random@rule"])
def test_words_that_left_are_marked_with_their_layer_and_others_are_not(engine: Engine, strategy: str) -> None:
    result = replace(engine.tag(TEXT, strategy, **({"lambda_": 2.0} if strategy == "rule" else {})), entities=())
    spans = offsets(result)
    states = {word.state for word in result.trace.words}
    assert states == {"left", "kept"}
    for word in result.trace.words:
        category = next(category for start, end, category in spans if start <= word.start < end)
        assert category == (left_after(word.layer) if word.state == "left" else None)


def test_a_run_of_words_that_left_together_is_one_piece(engine: Engine) -> None:
    result = replace(engine.tag(TEXT, "truncate-2"), entities=())
    assert segments(result) == [(TEXT.rstrip(), "left after layer 2"), (" ", None)]


def test_words_that_came_back_are_marked_and_counted(engine: Engine) -> None:
    leaving = {"max_entropy": 0.45, "min_keep_ratio": 0.3, "exit_entities": True}
    recovering = {"trigger": "confidence", "min_confidence": 1.0, "recovery_limit": 2}
    result = engine.tag(TEXT, "entropy+recovery", **leaving, **recovering)
    spans = offsets(replace(result, entities=()))
    assert [word.state for word in result.trace.words].count("recovered") == 2
    for word in result.trace.words:
        category = next(category for start, end, category in spans if start <= word.start < end)
        assert (category == RECOVERED) == (word.state == "recovered")
    dense = Measured(engine.tag(TEXT, "dense"), (1.0,))
    assert "<dt>came back</dt><dd>2 words</dd>" in card(Measured(result, (1.0,)), dense)


def test_an_entity_whose_words_left_is_still_one(engine: Engine) -> None:
    entity = Entity(0, 10, "Chemical", "Famotidine")
    result = replace(engine.tag(TEXT, "truncate-1"), entities=(entity,))
    assert segments(result)[0] == ("Famotidine", "Chemical, left after layer 1")


def test_an_entity_names_the_layer_after_which_its_last_word_left(engine: Engine) -> None:
    result = engine.tag(TEXT, "entropy", gates=(1, 2), max_entropy=0.5, neighbours=0, exit_entities=True)
    words = result.trace.words
    pairs = pairwise(words)
    first, last = next((a, b) for a, b in pairs if a.state == b.state == "left" and a.layer != b.layer)
    entity = Entity(first.start, last.end, "Disease", TEXT[first.start : last.end])
    assert (entity.text, "Disease, left after layer 2") in segments(replace(result, entities=(entity,)))


def test_an_entity_of_which_some_words_left_says_so(engine: Engine) -> None:
    result = engine.tag(TEXT, "rule", lambda_=2.0)
    words = result.trace.words
    first = next(i for i in range(len(words)) if words[i].state != words[i + 1].state)
    start, end = words[first].start, words[first + 1].end
    result = replace(result, entities=(Entity(start, end, "Disease", TEXT[start:end]),))
    assert (TEXT[start:end], "Disease, partly left") in segments(result)


def test_every_category_has_a_colour_of_the_components_palette(engine: Engine) -> None:
    by_category = colours(engine.labels.types, engine.encoder.num_layers)
    recovering = {"trigger": "confidence", "min_confidence": 1.0, "recovery_limit": 5}
    always = engine.strategy("entropy+recovery", max_entropy=0.45, neighbours=0, **recovering)
    for strategy in ("dense", "rule", "random", "truncate-1", "truncate-2", always):
        categories = {category for _, category in segments(engine.tag(TEXT, strategy))}
        assert categories - {None} <= set(by_category)
    assert set(by_category.values()) <= {*PALETTE, RECOVERED_COLOUR, "transparent"}
    assert by_category["Chemical"] == by_category["Chemical, left after layer 1"] != by_category["Disease"]
