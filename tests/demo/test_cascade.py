"""The page of a cascade: what it offers, what it counts, and which windows the large model read and why."""

import re

import gradio as gr
import pytest

from demo.app import build_demo
from demo.common.card import card
from demo.common.intro import claim
from demo.settings import points
from demo.tabs.watch.race import lanes_of, race
from demo.tabs.why import why_view, windows
from tests.conftest import TEXT, cascade
from tests.demo.conftest import components
from tests.demo.tabs.conftest import beside, run_of, text_of

LONG = " ".join([TEXT] * 6)  # several windows


@pytest.fixture
def some(both):
    """A cascade whose large model reads some windows of the long text, after words have exited from the small one."""
    small = both.stages[0].strategy("entropy", max_entropy=0.8, exit_entities=True)
    doubts = sorted(window.doubt for window in both.tag(LONG, cascade(0, small=small)).trace.windows)
    result = both.tag(LONG, cascade(doubts[len(doubts) // 2], small=small))
    assert {window.read for window in result.trace.windows} == {True, False}
    return result


def test_page_and_http_api_offer_the_cascade_beside_dense_first_and_its_points(both):
    demo = build_demo(both)
    (strategies,) = components(demo, gr.CheckboxGroup)
    (point,) = components(demo, gr.Radio, label="Operating point")
    assert strategies.value == ["dense", "cascade"]
    assert points(both) == ["careful", "balanced"]
    assert point.value == "balanced"
    assert "the large one only what the small one doubts" in claim(both, None)
    offered = demo.get_api_info()["named_endpoints"]
    given = {one["parameter_name"]: one["parameter_default"] for one in offered["/tag"]["parameters"]}
    assert given["strategy"] == "cascade"


def test_each_window_is_listed_with_its_doubt_and_the_card_says_how_many_the_large_model_read(some, both):
    rows = re.findall('<tr><th scope="row">(.*?)</th>(.*?)</tr>', windows(some))
    assert len(rows) == len(some.trace.windows)
    for (_, values), window in zip(rows, some.trace.windows, strict=True):
        assert f"<td>{window.doubt:.2f}</td>" in values
        assert ("not read, because below" in values) != window.read
        assert f"{some.strategy.threshold:.2f}" in values
    read = sum(window.read for window in some.trace.windows)
    dense = both.tag(LONG, "dense")
    one = beside(some, dense)
    said = text_of(re.sub('<span class="tip.*?</span>', "", card(run_of(beside(dense, dense), one), "cascade")))
    threshold = some.strategy.threshold
    assert f"the large model read {read} of {len(some.trace.windows)} windows, those of doubt {threshold:.2f}" in said
    large, small = some.cost, some.passes[0].cost
    assert one.kept == large.macs / large.dense_macs
    assert large.macs > small.macs


def test_the_race_counts_the_layers_of_both_models(both, some):
    dense = both.tag(LONG, "dense")
    lanes = lanes_of(run_of(beside(dense, dense)), one := beside(some, dense))
    assert len(lanes[-1].layers) == 6
    assert "<svg" in race(lanes, one, both.labels.types)


def test_why_shows_the_scores_of_the_model_that_labelled_the_word(both, some):
    assert "Gate after layer" in why_view(both, run_of(), beside(some, some))
    plain = both.tag(TEXT, cascade(0))
    assert "has no gates" in why_view(both, run_of(), beside(plain, plain))
