"""Compare's texts are the user's, say where words exited, and mark differences from dense by shape and sign."""

import re
from dataclasses import replace

import pytest

from demo.tabs.compare import LISTED, texts
from engine import Entity
from tests.demo.tabs.conftest import DELIRIUM, FAMOTIDINE, HOSTILE, NAUSEA, RECOVERING, TEXT, beside, text_of

TYPES = ("Chemical", "Disease")


def panel(result, dense):
    """The markup of the text under a strategy."""
    return re.search('class="found".*?>(.*?)</div>', texts([beside(result, dense)], TYPES), re.DOTALL)[1]


@pytest.mark.parametrize("strategy", ["dense", "entropy"])
@pytest.mark.parametrize("text", [HOSTILE, " \n "])
def test_a_panel_holds_the_text(engine, strategy, text):
    assert text_of(panel(engine.tag(text, strategy), engine.tag(text, "dense"))) == text.replace("\ud800", "\ufffd")


def test_words_that_exited_name_their_layer_and_those_that_came_back_are_marked_and_counted(engine):
    result = replace(engine.tag(TEXT, "rule", lambda_=2.0), entities=())
    exited = [word for word in result.trace.words if word.state == "exited"]
    shown = panel(result, replace(engine.tag(TEXT, "dense"), entities=()))
    marked = re.findall('<span class="(.*?)" data-tip="(.*?)">(.*?)</span>', shown, re.DOTALL)
    assert "".join("".join(text for _, _, text in marked).split()) == "".join(word.text for word in exited)
    tips = {f"exited after layer {word.layer}" for word in exited}
    assert {each[:2] for each in marked} == {("exited", tip) for tip in tips}
    recovered = replace(engine.tag(TEXT, "entropy+recovery", **RECOVERING), entities=())
    page = texts([beside(recovered, recovered)], TYPES)
    assert 'class="came"' in page.partition('class="found"')[2]
    assert ", 2 came back: " in page
    page = texts([beside(engine.tag(TEXT, "truncate-1"), engine.tag(TEXT, "dense"))], TYPES)
    assert f"0 of {len(result.words)} words reach the last layer: " in page


def test_each_kind_has_a_shape_a_sign_and_a_reason(engine):
    dense = replace(engine.tag(TEXT, "dense"), entities=(FAMOTIDINE, DELIRIUM))
    found = replace(engine.tag(TEXT, "rule"), entities=(replace(FAMOTIDINE, type="Disease"), NAUSEA))
    _, first, second = texts([beside(dense, dense), beside(found, dense)], TYPES).split('class="panel"')
    assert set(re.findall(r'class="mark (\w+)"', first)) == {"same"}
    labels = dict(re.findall(r'class="mark (\w+)"[^>]*data-label="([^"]*)"', second))
    assert labels == {"changed": "↔ Disease", "lost": "− Disease", "new": "+ Disease"}
    for part in (
        "↔ Famotidine</b> (Disease) other border or type: ",
        "− delirium</b> (Disease) only under all layers: ",
        "+ nausea</b> (Disease) only here: ",
    ):
        assert part in second
    assert "differences" not in first


def test_long_lists_of_differences_are_cut(engine):
    dense = replace(engine.tag(TEXT, "dense"), entities=())
    many = tuple(Entity(i, i + 1, "Disease", TEXT[i]) for i in range(LISTED + 3))
    page = texts([beside(replace(engine.tag(TEXT, "rule"), entities=many), dense)], TYPES)
    assert page.count("<b>+") == LISTED
    assert "and 3 more" in page
