"""Whatever a visitor enters stays text: neither markup nor a template of `gr.HTML` survives in any view."""

import re
from copy import copy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.common.bet import view as bet
from demo.common.card import card, failed
from demo.common.markup import escape
from demo.tabs.compare import comparison, texts
from demo.tabs.watch.race import lanes_of, race
from demo.tabs.why import why_view
from demo.tabs.your_files import left_out, status
from demo.tabs.your_files.tagging import Found
from demo.tabs.your_files.uploads import Problems, Upload
from engine import Document, Entity
from engine.text.labels import LabelSet
from tests.demo.tabs.conftest import as_stored, beside, run_of

HOSTILE = "<img src=x onerror=alert(1)> ${1+1} {{7*7}} `x` \\n \"'<script>alert(1)</script> &amp; \ud800"
TYPES = ("<img>${1}",)


def result_of(engine, strategy, *entities):
    return replace(engine.tag(HOSTILE, strategy), entities=entities)


def compared(engine):
    """Dense, which found nothing, and a strategy whose one entity is the whole text."""
    dense = result_of(engine, "dense")
    found = result_of(engine, "rule", Entity(0, len(HOSTILE), TYPES[0], HOSTILE))
    return [beside(result, dense, as_stored(result.strategy, dtype=HOSTILE)) for result in (dense, found)]


def view(engine, render):
    hostile = copy(engine)
    hostile.labels = LabelSet(TYPES)
    return render(hostile, run_of(), compared(engine)[1])


def race_of(engine):
    run = run_of(*compared(engine), text=HOSTILE)
    return race(lanes_of(run, run.compared[1]), run.compared[1], TYPES)


def file_status(engine):
    hostile = copy(engine)
    hostile.source = HOSTILE.replace("\ud800", "")
    uploads = [Upload(Document(HOSTILE, HOSTILE, (Entity(0, 1, HOSTILE, "<"),)), HOSTILE, True)]
    found = Found(as_stored(engine.strategy("rule"), dtype=HOSTILE))
    return status(hostile, uploads, [found]) + left_out(Problems([HOSTILE]))


VIEWS = {
    "texts": lambda engine: texts(compared(engine), TYPES),
    "comparison": lambda engine: comparison(compared(engine)),
    "card": lambda engine: card(run_of(*compared(engine), text=HOSTILE), "rule"),
    "bet": lambda engine: bet(compared(engine)[1].result, TYPES, 0),
    "failure": lambda engine: failed(HOSTILE),
    "watch": race_of,
    "why": lambda engine: view(engine, why_view),
    "your files": file_status,
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_holds_no_markup_of_a_visitor(engine, name):
    page = VIEWS[name](engine)
    assert re.findall(r"<img|<script|\$\{|\{\{|`|\\n", page) == []
    assert "&lt;img" in page
    page.encode()


@given(text=st.text(st.characters(exclude_categories=()), max_size=60))
def test_neither_markup_nor_templates_survive(text):
    escaped = escape(text)
    assert not set("<>\"'${}`\\") & set(escaped)
    escaped.encode()
