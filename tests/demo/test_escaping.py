"""Whatever a visitor enters stays text: neither markup nor a template of `gr.HTML` survives in any view."""

import re
from copy import copy
from dataclasses import replace

import pytest

from demo.common.differences import differences
from demo.common.requests import failed
from demo.common.timing import Timing
from demo.common.uploads import Problems
from demo.tabs.batch import status
from demo.tabs.compare.answer_text import answer_run
from demo.tabs.compare.cards import card, summary
from demo.tabs.compare.comparison import ComparedStrategy
from demo.tabs.compare.texts import texts
from demo.tabs.layers import layer_view
from demo.tabs.why import why_view
from engine import Document, Entity
from engine.text.labels import LabelSet

HOSTILE = "<img src=x onerror=alert(1)> ${1+1} {{7*7}} `x` \\n \"'<script>alert(1)</script> &amp; \ud800"
TYPES = ("<img>${1}",)


def result_of(engine, strategy, *entities):
    return replace(engine.tag(HOSTILE, strategy), entities=entities)


def compared(engine, model=HOSTILE):
    """A strategy whose one entity is the whole text, beside dense, which found nothing."""
    dense = Timing(result_of(engine, "dense"), (10.0,) * 5)
    found = result_of(engine, "rule", Entity(0, len(HOSTILE), TYPES[0], HOSTILE))
    one = ComparedStrategy(model, HOSTILE, HOSTILE, Timing(found, (8.0,) * 5), dense, HOSTILE)
    return [ComparedStrategy(model, HOSTILE, HOSTILE, dense, dense), one, one]


def view(engine, render):
    _, one, _ = compared(engine)
    hostile = copy(engine)
    hostile.labels = LabelSet(TYPES)
    return render(hostile, one.result, differences(one.result, one.reference.result))


VIEWS = {
    "texts": lambda engine: texts(compared(engine), TYPES),
    "summary": lambda engine: summary(compared(engine)),
    "card": lambda engine: card(compared(engine)[1]),
    "answer": lambda engine: answer_run(HOSTILE, compared(engine), timing=True, remarks=[HOSTILE], average=HOSTILE),
    "failure": lambda engine: failed(HOSTILE),
    "layers": lambda engine: view(engine, layer_view),
    "why": lambda engine: view(engine, why_view),
    "batch": lambda engine: status(
        HOSTILE, [Document(HOSTILE, HOSTILE, (Entity(0, 1, HOSTILE, "<"),))], {}, Problems([HOSTILE], 1), HOSTILE
    ),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_holds_no_markup_of_a_visitor(engine, name):
    page = VIEWS[name](engine)
    assert re.findall(r"<img|<script|\$\{|\{\{|`|\\n", page) == []
    assert "&lt;img" in page or "data-gates" in page
    page.encode()
