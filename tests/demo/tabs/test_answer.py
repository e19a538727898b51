"""The answer above the tabs says what was found, with figures as far as the times tell, and for which text."""

import re
import zlib
from dataclasses import replace

import pytest

from demo.common.links import EXAMPLES
from demo.common.requests import cancelled, checksum, failed, running
from demo.common.timing import RUNS
from demo.tabs.compare.answer_text import answer_run, language_remark
from engine import Entity
from tests.demo.tabs.conftest import DELIRIUM, FAMOTIDINE, TEXT, beside, timed


@pytest.fixture
def dense(engine):
    return timed(replace(engine.tag(TEXT, "dense"), entities=(FAMOTIDINE, DELIRIUM)), *[20.0] * RUNS)


def line(dense, engine, *entities):
    own = timed(replace(engine.tag(TEXT, "truncate-1"), entities=entities))
    return answer_run(TEXT, [beside(dense, dense), beside(own, dense, "truncate-1:fast", "λ 2")], timing=False)


def test_says_how_much_faster_and_what_became_of_the_entities(engine, dense):
    same = line(dense, engine, FAMOTIDINE, DELIRIUM)
    for part in ("truncate-1:fast</code> (λ 2)", "<strong>2.00×</strong> as fast as", "the same 2 entities"):
        assert part in same


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
    assert "ms, no entities." in answer_run(TEXT, [beside(nothing, nothing)], timing=False)


def test_of_two_models_each_line_names_its_own_and_only_the_pages_has_buttons(engine, dense):
    own, other = timed(dense.result), timed(engine.tag(TEXT, "rule"))
    lost = replace(own, result=replace(own.result, entities=()))
    compared = [
        beside(dense, dense, model="a"),
        beside(lost, dense, model="b", reference_model="a"),
        beside(other, own, model="b"),
    ]
    found = answer_run(TEXT, compared, timing=False)
    second, pruned = found.split("<p>")[1:3]
    assert "dense, b</code>" in second
    assert second.index(" of a on this text") > second.index("2.00×")
    assert "<em>delirium</em>" in second
    assert "to-word" not in found
    assert "rule, b</code>" in pruned
    assert " of a" not in pruned


def test_states_are_told_apart(dense):
    for timing, state in ((True, "timing"), (False, "done")):
        answer = answer_run(TEXT, [beside(dense, dense)], timing=timing)
        assert f'data-state="{state}" data-text="{checksum(TEXT)}"' in answer
    for state, shown in (("running", running()), ("cancelled", cancelled()), ("failed", failed("no"))):
        assert f'data-state="{state}" data-text=""' in shown


def test_the_checksum_is_that_of_the_text_area():
    assert checksum("a\r\nb\rc") == checksum("a\nb\nc") == zlib.crc32(b"a\nb\nc")
    assert checksum("\ud800") == zlib.crc32("\ufffd".encode())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (EXAMPLES["Symbols and scripts"], False),
        (TEXT, False),
        ("Eine 71-jährige Frau erhielt Cinnarizin gegen Schwindel nach einem leichten Schlaganfall im Winter.", True),
        ("服用 法莫替丁 后 出现 谵妄 的 患者 在 停药 后 恢复 正常 了 吗", True),
    ],
)
def test_another_language_than_english_gets_a_remark(text, said):
    assert ("not look like English" in language_remark(text)) == said
