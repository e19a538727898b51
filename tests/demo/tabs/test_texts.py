"""Compare's texts are the user's, say where words exited, and mark differences from dense by shape and sign."""

import base64
import csv
import io
import re
from dataclasses import replace

import pytest

from demo.tabs.compare.texts import COLUMNS, LISTED, entity_rows, texts
from engine import Entity
from tests.demo.tabs.conftest import DELIRIUM, FAMOTIDINE, NAUSEA, RECOVERING, TEXT, beside, text_of, timed

NASTY = "<script>alert(1)</script> ${1+1} {{value}} `x` \\ &amp; \x1b \ud800 שלום \u202eabc\u202c 😀 x\r\n\ty"
TYPES = ("Chemical", "Disease")


def compared(result, dense):
    reference = timed(dense)
    return beside(reference if result is dense else timed(result), reference)


def panel(result, dense):
    """The markup of the text under a strategy."""
    markup = texts([compared(result, dense)], TYPES)
    return re.search('class="found".*?>(.*?)</div>', markup, re.DOTALL)[1]


@pytest.mark.parametrize("strategy", ["dense", "rule", "entropy", "truncate-1"])
@pytest.mark.parametrize("text", [TEXT, NASTY, "", " \n "])
def test_a_panel_holds_the_text(engine, strategy, text):
    shown = panel(engine.tag(text, strategy), engine.tag(text, "dense"))
    assert text_of(shown) == text.replace("\ud800", "\ufffd")


def test_words_that_exited_name_their_layer_and_those_that_came_back_are_marked(engine):
    result = replace(engine.tag(TEXT, "rule", lambda_=2.0), entities=())
    exited = [word for word in result.trace.words if word.state == "exited"]
    shown = panel(result, replace(engine.tag(TEXT, "dense"), entities=()))
    marked = re.findall('<span class="(.*?)" data-tip="(.*?)">(.*?)</span>', shown, re.DOTALL)
    assert "".join("".join(text for _, _, text in marked).split()) == "".join(word.text for word in exited)
    tips = {f"exited after layer {word.layer}" for word in exited}
    assert {each[:2] for each in marked} == {("exited", tip) for tip in tips}
    result = replace(engine.tag(TEXT, "entropy+recovery", **RECOVERING), entities=())
    assert 'class="came"' in panel(result, result)


def test_each_kind_has_a_shape_a_sign_and_a_row(engine):
    dense = replace(engine.tag(TEXT, "dense"), entities=(FAMOTIDINE, DELIRIUM))
    found = replace(engine.tag(TEXT, "rule"), entities=(replace(FAMOTIDINE, type="Disease"), NAUSEA))
    markup = texts([compared(dense, dense), compared(found, dense)], TYPES)
    _, first, second = markup.split('class="panel"')
    assert set(re.findall(r'class="mark (\w+)"', first)) == {"same"}
    labels = dict(re.findall(r'class="mark (\w+)"[^>]*data-label="([^"]*)"', second))
    assert labels == {"changed": "↔ Disease", "lost": "− Disease", "new": "+ Disease"}
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


def test_a_long_table_is_cut_and_says_so(engine):
    dense = engine.tag("a " * (LISTED + 10), "dense")
    many = replace(dense, entities=tuple(Entity(2 * i, 2 * i + 1, "Disease", "a") for i in range(LISTED + 10)))
    markup = texts([compared(many, many)], TYPES)
    assert markup.count("<tr data-score") == LISTED
    assert f"the first {LISTED} of {LISTED + 10}" in markup
    assert len(entity_rows([compared(many, many)])) == LISTED + 10
