"""Compare's texts are the user's, say where words exited, and mark differences from dense by shape and sign."""

from __future__ import annotations

import base64
import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.common.timing import Timing
from demo.tabs.compare.comparison import Comparison
from demo.tabs.compare.texts import COLUMNS, LISTED, entity_rows, texts
from engine import Engine, Entity, Result

TEXT = "Famotidine-associated delirium. Six patients\non famotidine (20 mg/day)  had nausea;\n\nall recovered. "
NASTY = "<script>alert(1)</script> ${1+1} {{value}} `x` \\ &amp; \0\x1b \ud800 שלום \u202eabc\u202c 😀 x\r\n\ty"
TYPES = ("Chemical", "Disease")

any_text = st.text(st.characters(exclude_categories=()), max_size=60)


def compared(result: Result, dense: Result) -> Comparison:
    reference = Timing(dense, (10.0,))
    measured = reference if result is dense else Timing(result, (5.0,))
    return Comparison("tiny, float32", "balanced", measured, reference)


class Panel(HTMLParser):
    """The first panel's text and its marked pieces: class, attributes, text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.text = ""
        self.pieces: list[tuple[str, dict[str, Any], str]] = []
        self._open: list[Any] | None = None
        inside = markup.partition('class="found"')[2].partition(">")[2].partition("</div>")[0]
        self.feed(inside)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag == "span"
        values = dict(attributes)
        self._open = [values["class"], values, ""]

    def handle_endtag(self, tag: str) -> None:
        assert self._open is not None
        kind, values, text = self._open
        self.pieces.append((kind, values, text))
        self._open = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._open:
            self._open[2] += data


def panel(result: Result, dense: Result | None = None) -> Panel:
    return Panel(texts([compared(result, dense or result)], TYPES))


@pytest.mark.parametrize("strategy", ["dense", "rule", "entropy", "truncate-1"])
@pytest.mark.parametrize("text", [TEXT, NASTY, "", " \n "])
def test_a_panel_holds_the_text(engine: Engine, strategy: str, text: str) -> None:
    shown = panel(engine.tag(text, strategy), engine.tag(text, "dense")).text
    assert shown == text.replace("\ud800", "\ufffd").replace("\0", "\ufffd") or shown == text.replace(
        "\ud800", "\ufffd"
    )


@settings(max_examples=40, deadline=None)
@given(text=any_text, strategy=st.sampled_from(["dense", "rule", "truncate-2"]))
def test_of_any_text_nothing_is_a_template_or_markup(engine: Engine, text: str, strategy: str) -> None:
    markup = texts([compared(engine.tag(text, strategy), engine.tag(text, "dense"))], TYPES)
    inside = markup.partition('class="found"')[2].partition(">")[2].partition("</div>")[0]
    assert set(re.findall(r"</?(\w+)", inside)) <= {"span"}
    assert not re.search(r"\$\{|\{\{", markup)
    markup.encode()


def test_words_that_exited_name_their_layer(engine: Engine) -> None:
    result = replace(engine.tag(TEXT, "rule", lambda_=2.0), entities=())
    pieces = panel(result, replace(engine.tag(TEXT, "dense"), entities=())).pieces
    assert {kind for kind, _, _ in pieces} == {"exited"}
    exited = "".join(text for _, _, text in pieces).split()
    assert " ".join(exited).replace(" ", "") == "".join(
        word.text for word in result.trace.words if word.state == "exited"
    )
    layers = {word.layer for word in result.trace.words if word.state == "exited"}
    assert {values["data-tip"] for _, values, _ in pieces} == {f"exited after layer {layer}" for layer in layers}


def test_words_that_came_back_are_marked(engine: Engine) -> None:
    recovering = {"trigger": "confidence", "min_confidence": 1.0, "recovery_limit": 2}
    result = engine.tag(TEXT, "entropy+recovery", max_entropy=0.45, min_keep_ratio=0.3, **recovering)
    assert result.recovered
    assert any(kind == "came" for kind, _, _ in panel(replace(result, entities=())).pieces)


class TestDifferences:
    @pytest.fixture
    def markup(self, engine: Engine) -> str:
        result = engine.tag(TEXT, "rule")
        at = {text: (TEXT.index(text), TEXT.index(text) + len(text)) for text in ("Famotidine", "delirium", "nausea")}
        one, other = (
            {text: Entity(*span, type_, text, 0.75) for text, span in at.items()} for type_ in ("Chemical", "Disease")
        )
        dense = replace(engine.tag(TEXT, "dense"), entities=(one["Famotidine"], other["delirium"]))
        found = replace(result, entities=(other["Famotidine"], other["nausea"]))
        return texts([compared(dense, dense), compared(found, dense)], TYPES)

    def test_each_kind_has_a_shape_and_a_sign(self, markup: str) -> None:
        second = markup.split('class="panel"')[2]
        labels = dict(re.findall(r'class="mark (\w+)"[^>]*data-label="([^"]*)"', second))
        assert labels == {"changed": "↔ Disease", "lost": "− Disease", "new": "+ Disease"}
        first = markup.split('class="panel"')[1]
        assert set(re.findall(r'class="mark (\w+)"', first)) == {"same"}

    def test_the_table_says_what_became_of_each_entity(self, markup: str) -> None:
        (link,) = re.findall(r"base64,([\w+/=]+)", markup)
        rows = list(csv.DictReader(io.StringIO(base64.b64decode(link).decode())))
        assert tuple(rows[0]) == COLUMNS
        assert [(row["strategy"], row["text"], row["against dense"]) for row in rows] == [
            ("dense", "Famotidine", "the reference"),
            ("dense", "delirium", "the reference"),
            ("rule", "Famotidine", "changed"),
            ("rule", "delirium", "lost"),
            ("rule", "nausea", "new"),
        ]


def test_a_long_table_is_cut_and_says_so(engine: Engine) -> None:
    dense = engine.tag("a " * (LISTED + 10), "dense")
    many = replace(dense, entities=tuple(Entity(2 * i, 2 * i + 1, "Disease", "a") for i in range(LISTED + 10)))
    markup = texts([compared(many, many)], TYPES)
    assert markup.count("<tr data-score") == LISTED
    assert f"the first {LISTED} of {LISTED + 10}" in markup
    assert len(entity_rows([compared(many, many)])) == LISTED + 10
