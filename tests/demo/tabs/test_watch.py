"""The race: each lane takes its measured time, words leave when their layer ends, and differing words blink."""

import re
from dataclasses import replace
from math import nan
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from demo.common.differences import Compared
from demo.common.markup import label_name
from demo.tabs import watch
from demo.tabs.watch import losses, view
from demo.tabs.watch.race import END_S, LOOP_S, NARROW, RACE_S, WIDE, lanes_of, race, said
from tests.demo.tabs.conftest import DELIRIUM, FAMOTIDINE, HOSTILE, TEXT, beside, run_of

TYPES = ("Chemical", "Disease")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def compared(engine):
    """Dense takes 20 ms, stopping at layer 1 takes 5 ms and loses an entity, and a rule takes 10 ms."""
    dense = replace(engine.tag(TEXT, "dense"), entities=(FAMOTIDINE, DELIRIUM))
    cut = replace(engine.tag(TEXT, "truncate-1"), entities=(FAMOTIDINE,))
    rule = replace(engine.tag(TEXT, "rule", lambda_=2.0), entities=(FAMOTIDINE, DELIRIUM))
    times = ((20.0,) * 5, (5.0,) * 5, (10.0,) * 5)
    return [beside(one, dense, runs_ms=ms) for one, ms in zip((dense, cut, rule), times, strict=True)]


def test_lanes_end_in_proportion_to_their_milliseconds_and_words_leave_as_layers_end(compared):
    full, cut, rule = lanes = lanes_of(run_of(*compared), compared[-1])
    assert [lane.title for lane in lanes] == ["all layers", "just stop at layer 1", "rule (float32)"]
    assert [lane.end for lane in lanes] == [RACE_S, RACE_S / 4, RACE_S / 2]
    assert full.layers == pytest.approx([RACE_S / 3, 2 * RACE_S / 3, RACE_S])
    assert cut.layers[0] == cut.end
    for word in rule.outcome.result.trace.words:
        assert rule.exit_of(word) == (rule.layers[word.layer - 1] if word.state == "exited" else rule.end)
    assert len(lanes_of(run_of(*compared), compared[1])) == 2, "a baseline has one lane"


@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_the_picture_is_a_file_of_its_own_with_text_result_and_a_clock_that_stops(compared, layout):
    picture = ElementTree.fromstring(race(lanes_of(run_of(*compared), compared[-1]), compared[-1], TYPES, layout))
    texts = [element.text for element in picture.iter(SVG + "text")]
    for word in TEXT.split():
        assert word.strip("-.,;()")[:5] in "".join(texts)
    for shown in ("20.0 ms", "5.0 ms", "10.0 ms", "2 entities"):
        assert shown in texts
    assert re.fullmatch(r"\d+\s% less computation, 2 of 2 entities the same", texts[0])
    for animation in picture.iter(SVG + "animate"):
        times = list(map(float, animation.get("keyTimes").split(";")))
        assert times == sorted(times)
        assert times[0] == 0
        assert times[-1] <= 1
        assert len(times) == len(animation.get("values").split(";"))
    assert RACE_S < END_S < LOOP_S


def test_what_costs_more_than_the_full_pass_says_so(compared, monkeypatch):
    monkeypatch.setattr(Compared, "kept", 1.08)
    picture = race(lanes_of(run_of(*compared), compared[-1]), compared[-1], TYPES, WIDE)
    assert len(re.findall(r"[> ]8\s% more computation", picture)) == 2


@pytest.mark.parametrize(("bound", "expected"), [
    (0.0021, "On x, F1 loses at most 0.21 pp under truncate-1, against all layers in float32 (95 %, one-sided)."),
    (-0.001, "On x, F1 loses at most 0.00 pp under truncate-1, against all layers in float32 (95 %, one-sided)."),
    (nan, ""),  # too few documents
])  # fmt: skip
def test_below_the_race_stands_what_its_lanes_lose_in_the_report(engine, compared, monkeypatch, bound, expected):
    row = {"variant": "truncate-1", "dtype": engine.dtype}
    report = SimpleNamespace(corpus="x", variants=[row], against_dense=lambda name: {"loss_bound": bound})
    monkeypatch.setattr(watch, "own_report", lambda engine: report)
    assert losses(engine, lanes_of(run_of(*compared), compared[1])) == expected


def test_words_labelled_differently_have_both_labels(engine, compared):
    full, cut = compared[0].result.trace.words, compared[1].result.trace.words
    differing = [
        f"{label_name(one.label)} → {label_name(other.label)}"
        for one, other in zip(full, cut, strict=True)
        if one.label != other.label
    ]
    assert differing
    lanes = lanes_of(run_of(*compared[:2]), compared[1])
    page = race(lanes, compared[1], TYPES)
    assert re.findall(r">([^<>]* → [^<>]*)<", page) == differing
    number = f"{len(differing)} word{'s' * (len(differing) > 1)} labelled differently"
    assert number in page
    assert number in said(lanes, compared[1])


@pytest.mark.parametrize("text", [HOSTILE, "long" * 99, " "])
def test_any_text_makes_a_well_formed_picture(engine, text):
    one = beside(result := engine.tag(text, "rule"), result)
    ElementTree.fromstring(race(lanes_of(run_of(one, text=text), one), one, TYPES))


def test_the_page_says_how_much_slower_it_replays_once_times_are_measured(engine, compared):
    for run, is_timed in ((run_of(*compared), True), (run_of(*(replace(one, runs_ms=()) for one in compared)), False)):
        page = view(engine, run, run.compared[-1])
        assert ("data-timed" in page) == ("300 times slower" in page) == ("times slower" in page) == is_timed


@pytest.mark.parametrize(
    ("words", "cut"), [(NARROW.words, []), (NARROW.words + 1, ["narrow"]), (WIDE.words + 1, ["wide", "narrow"])]
)
def test_each_picture_says_how_many_of_the_words_it_shows(engine, words, cut):
    one = beside(result := engine.tag("delirium " * words, "dense"), result)
    pictures = re.findall(r'<div class="(wide|narrow)">(.*?)</div>', view(engine, run_of(one), one))
    assert [name for name, picture in pictures if f"of {words} words" in picture] == cut
