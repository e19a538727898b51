"""Compare's texts are the user's, say where words exited, and mark differences from dense by shape and sign."""

import base64
import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from demo.common.timing import Timing
from demo.tabs.compare.comparison import ComparedStrategy
from demo.tabs.compare.texts import COLUMNS, LISTED, entity_rows, texts
from engine import Entity
from tests.demo.conftest import RECOVERING

TEXT = "Famotidine-associated delirium. Six patients\non famotidine (20 mg/day)  had nausea;\n\nall recovered. "
NASTY = "<script>alert(1)</script> ${1+1} {{value}} `x` \\ &amp; \x1b \ud800 שלום \u202eabc\u202c 😀 x\r\n\ty"
TYPES = ("Chemical", "Disease")


def compared(result, dense):
    reference = Timing(dense, (10.0,))
    own = reference if result is dense else Timing(result, (5.0,))
    return ComparedStrategy("tiny, float32", result.strategy.name, "", own, reference)


class Panel(HTMLParser):
    """The first panel's text and its marked spans: class, attributes, text."""

    def __init__(self, result, dense):
        super().__init__()
        self.text = ""
        self.marked = []
        self.markup = texts([compared(result, dense)], TYPES)
        self.feed(self.markup.partition('class="found"')[2].partition(">")[2].partition("</div>")[0])
        self.close()

    def handle_starttag(self, tag, attributes):
        assert tag == "span"
        values = dict(attributes)
        self.marked.append((str(values["class"]), values, ""))
        self.begin = len(self.text)

    def handle_endtag(self, tag):
        kind, values, _ = self.marked[-1]
        self.marked[-1] = kind, values, self.text[self.begin :]

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("strategy", ["dense", "rule", "entropy", "truncate-1"])
@pytest.mark.parametrize("text", [TEXT, NASTY, "", " \n "])
def test_a_panel_holds_the_text(engine, strategy, text):
    panel = Panel(engine.tag(text, strategy), engine.tag(text, "dense"))
    assert panel.text == text.replace("\ud800", "\ufffd")


def test_words_that_exited_name_their_layer_and_those_that_came_back_are_marked(engine):
    result = replace(engine.tag(TEXT, "rule", lambda_=2.0), entities=())
    exited = [word for word in result.trace.words if word.state == "exited"]
    marked = Panel(result, replace(engine.tag(TEXT, "dense"), entities=())).marked
    assert "".join("".join(text for _, _, text in marked).split()) == "".join(word.text for word in exited)
    assert {(kind, values["data-tip"]) for kind, values, _ in marked} == {
        ("exited", f"exited after layer {word.layer}") for word in exited
    }
    result = replace(engine.tag(TEXT, "entropy+recovery", **RECOVERING), entities=())
    assert any(kind == "came" for kind, _, _ in Panel(result, result).marked)


def test_each_kind_has_a_shape_a_sign_and_a_row(engine):
    at = {text: (TEXT.index(text), TEXT.index(text) + len(text)) for text in ("Famotidine", "delirium", "nausea")}
    one, other = (
        {text: Entity(*span, type_, text, 0.75) for text, span in at.items()} for type_ in ("Chemical", "Disease")
    )
    dense = replace(engine.tag(TEXT, "dense"), entities=(one["Famotidine"], other["delirium"]))
    found = replace(engine.tag(TEXT, "rule"), entities=(other["Famotidine"], other["nausea"]))
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
