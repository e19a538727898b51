"""The result card: what is deterministic first, then times as ranges, whatever the machine is doing."""

import re
from dataclasses import replace

import pytest

from demo.common.links import EXAMPLES
from demo.common.requests import cancelled, checksum, failed, running
from demo.common.timing import RUNS
from demo.tabs.compare.card import BARS, card, headline, language_remark, summary
from engine import Entity
from tests.demo.tabs.conftest import DELIRIUM, FAMOTIDINE, TEXT, beside, text_of, timed


@pytest.fixture
def dense(engine):
    return timed(replace(engine.tag(TEXT, "dense"), entities=(FAMOTIDINE, DELIRIUM)), *[20.0] * RUNS)


def pruned(engine, dense, *entities, runs_ms=(10.0,) * RUNS):
    return beside(timed(replace(engine.tag(TEXT, "truncate-1"), entities=entities), *runs_ms), dense, "truncate-1:fast")


def show(one, dense, **settings):
    return card(TEXT, [beside(dense, dense), one], **{"timing": False} | settings)


@pytest.mark.parametrize(
    ("entities", "said"),
    [
        ((FAMOTIDINE, DELIRIUM), "less computation · same 2 entities"),
        ((FAMOTIDINE,), "less computation · 1 of 2 entities the same, 1 lost"),
        ((FAMOTIDINE, DELIRIUM, Entity(11, 21, "Disease", "associated")), "2 of 2 entities the same, 1 new"),
    ],
)
def test_the_headline_says_what_is_saved_and_what_became_of_the_entities(engine, dense, entities, said):
    one = pruned(engine, dense, *entities)
    shown = re.sub("<span.*?</span>", "", headline(one))
    assert said in text_of(shown)
    assert f"{100 * (1 - one.kept):.0f}\u00a0% less" in text_of(shown)
    nothing = replace(dense, result=replace(dense.result, entities=()))
    assert "no entities, like the full pass" in headline(pruned(engine, nothing))


def test_a_bar_for_each_strategy_names_its_dtype_and_its_share_and_many_strategies_are_a_table(engine, dense):
    bars = re.findall(
        r'<code>(.*?)</code><span class="track"><i style="width:([\d.]+)%', show(beside(dense, dense), dense)
    )
    assert bars[0] == ("dense (float32)", "100.0")
    one = pruned(engine, dense, FAMOTIDINE)
    assert f"width:{100 * one.kept:.1f}%" in show(one, dense)
    several = [beside(dense, dense), *[pruned(engine, dense, FAMOTIDINE)] * BARS]
    shown = card(TEXT, several, timing=False)
    assert "track" not in shown
    assert shown.count('<th scope="row">') == len(several)


@pytest.mark.parametrize(
    ("dense_ms", "own_ms", "said"),
    [
        ([20.0] * RUNS, [10.0] * RUNS, "10 ms instead of 20 ms, 2.0× as fast as the full pass, dense (float32), on th"),
        ([20.0] * RUNS, [25.0] * RUNS, "25 ms instead of 20 ms, 0.8× as fast as"),
        ([18.0, 20.0, 24.0], [10.0] * 3, "10 ms instead of 18–24 ms, 1.8–2.4× as fast as"),  # of few, all
        # a busy machine
        ([*[20.0] * 24, *[90.0] * 17], [10.0] * RUNS, "10 ms instead of 20–90 ms, 2.0–9.0× as fast as"),
    ],
)
def test_times_are_ranges_never_a_refusal(engine, dense, dense_ms, own_ms, said):
    full = replace(dense, runs_ms=tuple(dense_ms))
    shown = text_of(show(pruned(engine, full, FAMOTIDINE, runs_ms=tuple(own_ms)), full))
    assert said in shown
    assert "uncertain" not in shown


def test_a_single_run_gives_no_times(engine, dense):
    once = replace(dense, runs_ms=(20.0,))
    one = pruned(engine, once, FAMOTIDINE, runs_ms=(10.0,))
    assert "Measuring times…" in show(one, once, timing=True)
    assert " ms" not in text_of(show(one, once, timing=True))
    assert summary([one]).endswith("<td>–</td><td>–</td></tr></tbody></table></div>")


def test_names_what_changed_with_buttons_that_know_the_word(engine, dense):
    shown = show(pruned(engine, dense, FAMOTIDINE, Entity(11, 21, "Disease", "associated")), dense)
    lost, new = re.findall(r'(\w+): <button [^>]*data-word="(\d+)" data-strategy="([^"]+)">([^<]+)</button>', shown)
    assert lost == ("lost", "3", "truncate-1", "delirium")
    assert new == ("new", "2", "truncate-1", "associated")


def test_states_are_told_apart(dense):
    for timing, state in ((True, "timing"), (False, "done")):
        shown = card(TEXT, [beside(dense, dense)], timing=timing)
        assert f'data-state="{state}" data-text="{checksum(TEXT)}"' in shown
    for state, shown in (("running", running()), ("cancelled", cancelled()), ("failed", failed("no"))):
        assert f'data-state="{state}" data-text=""' in shown


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
