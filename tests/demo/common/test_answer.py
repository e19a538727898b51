"""The line above the tabs says what was found, never more than the runs show, and for which text."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace

import pytest

from demo.common.links import EXAMPLES
from demo.common.requests import cancelled, checksum, failed, running
from demo.common.timing import RUNS, Timing
from demo.tabs.compare.answer_text import answer_run as answer
from demo.tabs.compare.answer_text import language_remark
from demo.tabs.compare.comparison import Comparison
from engine import Engine, Entity

TEXT = "Famotidine-associated delirium."


@pytest.fixture
def dense(engine: Engine) -> Timing:
    found = (Entity(0, 10, "Chemical", "Famotidine"), Entity(22, 30, "Disease", "delirium"))
    return Timing(replace(engine.tag(TEXT, "dense"), entities=found), (20.0,) * RUNS)


def line(dense: Timing, engine: Engine, runs_ms: tuple[float, ...], entities: tuple[Entity, ...]) -> str:
    result = replace(engine.tag(TEXT, "truncate-1"), entities=entities)
    pair = [Comparison("m", "", dense, dense), Comparison("m", "balanced", Timing(result, runs_ms), dense)]
    return answer(TEXT, pair, timing=False)


def test_says_how_much_faster_and_what_became_of_the_entities(engine: Engine, dense: Timing) -> None:
    same = line(dense, engine, (10.0,) * RUNS, dense.result.entities)
    assert "truncate-1</code> (balanced)" in same
    assert "<strong>2.00×</strong> as fast as" in same
    assert "the same 2 entities" in same


def test_names_what_changed_with_buttons_that_know_the_word(engine: Engine, dense: Timing) -> None:
    found = line(dense, engine, (10.0,) * RUNS, (dense.result.entities[0], Entity(11, 21, "Disease", "associated")))
    lost, new = re.findall(r'(\d+ \w+): <button [^>]*data-word="(\d+)" data-strategy="([^"]+)">([^<]+)</button>', found)
    assert lost == ("1 lost", "3", "truncate-1", "delirium")
    assert new == ("1 new", "2", "truncate-1", "associated")
    assert "; 1 the same; " in found


def test_what_changed_on_another_model_is_named_without_buttons(engine: Engine, dense: Timing) -> None:
    result = replace(engine.tag(TEXT, "rule"), entities=())
    pair = [Comparison("a", "", dense, dense), Comparison("b", "", Timing(result, (10.0,) * RUNS), dense, "a")]
    found = answer(TEXT, pair, timing=False)
    assert "<em>delirium</em>" in found
    assert "to-word" not in found


def test_of_two_models_each_line_names_its_own(engine: Engine, dense: Timing) -> None:
    own, other = Timing(dense.result, (10.0,) * RUNS), Timing(engine.tag(TEXT, "rule"), (5.0,) * RUNS)
    compared = [
        Comparison("a", "", dense, dense),
        Comparison("b", "", own, dense, "a"),
        Comparison("b", "", other, own),
    ]
    beside, pruned = answer(TEXT, compared, timing=False).split("<p>")[1:3]
    assert "dense, b</code>" in beside
    assert "2.00×" in beside
    assert beside.index(" of a on this text") > beside.index("as fast as")
    assert "rule, b</code>" in pruned
    assert " of a" not in pruned


def test_says_plainly_that_there_are_no_entities(engine: Engine, dense: Timing) -> None:
    nothing = replace(dense, result=replace(dense.result, entities=()))
    assert "; no entities, like dense; " in line(nothing, engine, (10.0,) * RUNS, ())
    assert "; 2 new: " in line(nothing, engine, (10.0,) * RUNS, dense.result.entities)
    assert "; 2 lost: " in line(dense, engine, (10.0,) * RUNS, ())
    assert "ms, no entities." in answer(TEXT, [Comparison("m", "", nothing, nothing)], timing=False)


def test_never_rounds_up_and_names_its_doubts(engine: Engine, dense: Timing) -> None:
    assert "<strong>1.99×</strong>" in line(dense, engine, (10.01,) * RUNS, ())
    assert "not in every run" in line(dense, engine, (10.0,) * (RUNS - 1) + (21.0,), ())


@pytest.mark.parametrize(
    ("dense_ms", "own_ms", "said"),
    [
        ((90.0,), (10.0,), "not yet timed"),
        ((20.0,) * 2, (10.0,) * 2, "too few runs to tell"),
        ((20.0,) * RUNS, (10.0, 11.0, 12.0, 16.0, 30.0), "differ too much to tell"),
        ((50.0,) * RUNS, (10.0,) * RUNS, "by more than the computation saved"),
    ],
)
def test_no_figure_that_cannot_be(
    engine: Engine, dense: Timing, dense_ms: tuple[float, ...], own_ms: tuple[float, ...], said: str
) -> None:
    found = line(replace(dense, runs_ms=dense_ms), engine, own_ms, ())
    assert said in found
    assert "×" not in found
    assert "<strong>" not in found


def test_few_runs_give_a_figure_but_no_bold_one(engine: Engine, dense: Timing) -> None:
    found = line(replace(dense, runs_ms=(20.0,) * 3), engine, (15.0,) * 3, ())
    assert "1.33×" in found
    assert "(3 runs)" in found
    assert "<strong>" not in found


def test_states_are_told_apart(dense: Timing) -> None:
    pair = [Comparison("m", "", dense, dense)]
    assert 'data-state="timing"' in answer(TEXT, pair, timing=True)
    assert 'data-state="done"' in answer(TEXT, pair, timing=False)
    for state, shown in (("running", running()), ("cancelled", cancelled()), ("failed", failed("no"))):
        assert f'data-state="{state}" data-text=""' in shown


def test_the_checksum_is_that_of_the_text_area(dense: Timing) -> None:
    assert f'data-text="{checksum(TEXT)}"' in answer(TEXT, [Comparison("m", "", dense, dense)], timing=False)
    assert checksum("a\r\nb\rc") == checksum("a\nb\nc") == zlib.crc32(b"a\nb\nc")
    assert checksum("\ud800") == zlib.crc32("\ufffd".encode())


def test_what_a_text_makes_the_server_say_is_text() -> None:
    assert "<img" not in failed("<img src=x> ${1}")
    assert "${" not in failed("<img src=x> ${1}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (EXAMPLES["Case report"], False),
        (EXAMPLES["Symbols and scripts"], False),
        ("Famotidine-associated delirium.", False),
        ("Eine 71-jährige Frau erhielt Cinnarizin gegen Schwindel nach einem leichten Schlaganfall im Winter.", True),
        ("服用 法莫替丁 后 出现 谵妄 的 患者 在 停药 后 恢复 正常 了 吗", True),
    ],
)
def test_another_language_than_english_gets_a_word(text: str, said: bool) -> None:
    assert ("not look like English" in language_remark(text)) == said
