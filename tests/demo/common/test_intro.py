"""The head of the page repeats the committed report on these weights, or claims nothing."""

import re
from copy import copy
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import pytest

from demo.common.intro import BASE, claim, how_it_works, intro, loss, own_model
from demo.common.reports import REPORTS, recommendation
from demo.common.settings_panel import build_settings
from demo.tabs.reports import conclusions
from eval.render.conclusions import COMPARABLE
from eval.render.files import read_table


@pytest.fixture(scope="module")
def found(shipped):
    """What the shipped report recommends."""
    return recommendation(shipped)


def test_it_names_the_recommended_strategy_its_speed_up_its_loss_and_how_it_ends(shipped, found):
    page = intro(shipped, {"README": "readme"})
    assert f"<code>{found.row['label']}</code> is <strong>{found.row['speedup_vs_dense']:.2f}× as fast" in page
    assert "<code>dense (float32)</code>" in page
    assert f"[{100 * found.against_dense['low']:+.2f}, {100 * found.against_dense['high']:+.2f}]" in page
    assert how_it_works(shipped, found.row["strategy"]) in page
    assert page.index('href="docs/bc5cdr-test/report.html">Report') < page.index('href="readme">README')


def test_header_reports_and_what_runs_first_are_the_same_strategy(shipped, found):
    said = (intro(shipped, {}), conclusions(found.report, shipped.dtype))
    assert [re.search("<code>(.*?)</code>", page)[1] for page in said] == [found.row["label"]] * 2
    with gr.Blocks():
        panel = build_settings(shipped, {})
    point, *_ = panel.settings
    name = found.name.without_point
    assert (panel.strategies.value, panel.shown.value) == (["dense", name], name)
    assert point.value == (found.name.point or "balanced")


def test_a_significant_loss_is_called_so_and_doubts_are_named(found):
    lost = {"significant": True, "difference": -0.002, "low": -0.004, "high": -0.0001}
    worse = found.against_dense | lost
    assert loss(replace(found, against_dense=worse)) == (
        "a significant difference in F1 on BC5CDR: -0.20 pp [-0.40, -0.01]; "
        "a loss of more than 0.3 pp cannot be ruled out"
    )
    assert "ruled out" not in loss(replace(found, against_dense=worse | {"low": -0.002}))


def test_it_names_what_can_be_had_without_pruning(found):
    full = found.against_dense | {"against_label": "openvino-int8", "speedup": 1.2345}
    assert " and 1.23× as fast as <code>openvino-int8</code>" in claim(replace(found, against_full_model=full))
    assert "openvino" not in claim(replace(found, against_full_model=None))


def test_without_a_report_it_claims_nothing(engine, tmp_path):
    for page in (intro(engine, {}), intro(engine, {}, tmp_path)):
        assert "as fast" not in page
        assert "Report" not in page


def test_it_says_what_happens_to_words_and_what_the_model_finds(engine, shipped):
    page = intro(engine, {})
    assert "later layers compute only the rest" in page
    assert "grey words have exited" in page
    assert "This model finds Chemical and Disease and computes in float32" in page
    assert "At the last gate" not in page, "its thresholds let some stay"
    assert "At the last gate, all remaining words exit." in how_it_works(shipped)
    assert "At the last gate" not in how_it_works(shipped, "entropy:careful")


def test_without_gates_no_word_exits_and_the_command_names_the_checkpoint(plain_engine):
    page = intro(plain_engine, {})
    assert "every word goes through every layer" in page
    assert "press Play: every layer computes every word." in page
    assert "exit" not in page
    assert f"accelerate {plain_engine.source} --texts FILE" in page


def test_what_to_expect_at_base_size_is_what_its_report_says(engine):
    table = read_table(REPORTS / BASE, "results").query("batch_size == 1")
    dense = table["f1"].iloc[0]
    best = table[table["prunes"] & (table["f1"] >= dense - COMPARABLE / 100)]["speedup_vs_dense"].max()
    openvino = table[table["strategy"] == "openvino-int8"]["speedup_vs_dense"].item()
    said = own_model(engine)
    assert f"(int8)</code> {best:.2f}×, " in said
    assert f"alone {openvino:.2f}×, " in said


@pytest.mark.parametrize(("types", "said"), [(["<b>"], "&lt;b&gt;"), ([f"T{i}" for i in range(40)], "40 types")])
def test_the_types_are_named_unless_they_are_many(engine, types, said):
    other = copy(engine)
    other.labels = SimpleNamespace(types=types)
    assert f"This model finds {said}" in how_it_works(other)
