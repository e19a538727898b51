"""The answer above the tabs says what was found, with figures as far as the times tell, and for which text."""

import re
import zlib
from dataclasses import replace

import pytest

from demo.common.links import EXAMPLES
from demo.common.requests import cancelled, checksum, failed, running
from demo.common.timing import RUNS, Timing
from demo.tabs.compare.answer_text import answer_run, language_remark
from demo.tabs.compare.comparison import ComparedStrategy
from engine import Entity

TEXT = "Famotidine-associated delirium."
FAMOTIDINE, DELIRIUM = Entity(0, 10, "Chemical", "Famotidine"), Entity(22, 30, "Disease", "delirium")


@pytest.fixture
def dense(engine):
    return Timing(replace(engine.tag(TEXT, "dense"), entities=(FAMOTIDINE, DELIRIUM)), (20.0,) * RUNS)


def line(dense, engine, *entities, runs_ms=(10.0,) * RUNS):
    result = replace(engine.tag(TEXT, "truncate-1"), entities=entities)
    own = ComparedStrategy("m", "truncate-1:fast", "λ 2", Timing(result, runs_ms), dense)
    return answer_run(TEXT, [ComparedStrategy("m", "dense", "", dense, dense), own], timing=False)


def test_says_how_much_faster_and_what_became_of_the_entities(engine, dense):
    same = line(dense, engine, FAMOTIDINE, DELIRIUM)
    for part in ("truncate-1:fast</code> (λ 2)", "<strong>2.00×</strong> as fast as", "the same 2 entities"):
        assert part in same
    few = line(replace(dense, runs_ms=(20.0,) * 3), engine, runs_ms=(15.0,) * 3)
    assert "1.33×" in few
    assert "<strong>" not in few, "only a decided figure is bold"
    spread = line(replace(dense, runs_ms=(*(20.0,) * 4, 45.0)), engine)
    assert "2.00×" in spread
    assert "<strong>" not in spread, "nor one of runs that spread widely"
    doubtful = line(dense, engine, runs_ms=(1.0,) * RUNS)
    assert "×" not in doubtful


def test_names_what_changed_with_buttons_that_know_the_word(engine, dense):
    found = line(dense, engine, FAMOTIDINE, Entity(11, 21, "Disease", "associated"))
    lost, new = re.findall(r'(\d+ \w+): <button [^>]*data-word="(\d+)" data-strategy="([^"]+)">([^<]+)</button>', found)
    assert lost == ("1 lost", "3", "truncate-1", "delirium")
    assert new == ("1 new", "2", "truncate-1", "associated")
    assert "; 1 the same; " in found


def test_says_plainly_that_there_are_no_entities(engine, dense):
    nothing = replace(dense, result=replace(dense.result, entities=()))
    assert "; no entities, like dense; " in line(nothing, engine)
    assert "; 2 new: " in line(nothing, engine, FAMOTIDINE, DELIRIUM)
    assert "; 2 lost: " in line(dense, engine)
    assert "ms, no entities." in answer_run(TEXT, [ComparedStrategy("m", "dense", "", nothing, nothing)], timing=False)


def test_of_two_models_each_line_names_its_own_and_only_the_pages_has_buttons(engine, dense):
    own, other = Timing(dense.result, (10.0,) * RUNS), Timing(engine.tag(TEXT, "rule"), (9.0,) * RUNS)
    lost = replace(own, result=replace(own.result, entities=()))
    first, second = (
        ComparedStrategy("a", "dense", "", dense, dense),
        ComparedStrategy("b", "dense", "", lost, dense, "a"),
    )
    found = answer_run(TEXT, [first, second, ComparedStrategy("b", "rule", "", other, own)], timing=False)
    beside, pruned = found.split("<p>")[1:3]
    assert "dense, b</code>" in beside
    assert beside.index(" of a on this text") > beside.index("2.00×")
    assert "<em>delirium</em>" in beside
    assert "to-word" not in found
    assert "rule, b</code>" in pruned
    assert " of a" not in pruned


def test_states_are_told_apart(dense):
    pair = [ComparedStrategy("m", "dense", "", dense, dense)]
    for timing, state in ((True, "timing"), (False, "done")):
        assert f'data-state="{state}" data-text="{checksum(TEXT)}"' in answer_run(TEXT, pair, timing=timing)
    for state, shown in (("running", running()), ("cancelled", cancelled()), ("failed", failed("no"))):
        assert f'data-state="{state}" data-text=""' in shown


def test_the_checksum_is_that_of_the_text_area():
    assert checksum("a\r\nb\rc") == checksum("a\nb\nc") == zlib.crc32(b"a\nb\nc")
    assert checksum("\ud800") == zlib.crc32("\ufffd".encode())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (EXAMPLES["Case report"], False),
        (EXAMPLES["Symbols and scripts"], False),
        (TEXT, False),
        ("Eine 71-jährige Frau erhielt Cinnarizin gegen Schwindel nach einem leichten Schlaganfall im Winter.", True),
        ("服用 法莫替丁 后 出现 谵妄 的 患者 在 停药 后 恢复 正常 了 吗", True),
    ],
)
def test_another_language_than_english_gets_a_remark(text, said):
    assert ("not look like English" in language_remark(text)) == said
