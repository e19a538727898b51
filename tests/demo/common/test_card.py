"""The result card: what is deterministic first, then times as ranges, whatever the machine is doing."""

import re
from dataclasses import replace

import pytest

from demo.common.card import CANCELLED, RUNNING, card, failed, headline, language_remark
from demo.common.links import EXAMPLES, REMARKS, remarks
from demo.common.markup import escape
from demo.common.runs import ROUNDS
from demo.tabs.compare import comparison
from engine import Entity
from tests.demo.tabs.conftest import DELIRIUM, FAMOTIDINE, TEXT, as_stored, beside, run_of, text_of


@pytest.fixture
def dense(engine):
    return replace(engine.tag(TEXT, "dense"), entities=(FAMOTIDINE, DELIRIUM))


def pruned(engine, dense, *entities, **times):
    result = replace(engine.tag(TEXT, "truncate-1"), entities=entities)
    return beside(result, dense, as_stored(result.strategy, "fast"), **times)


def show(one, dense, remarks=None):
    return card(run_of(beside(dense, dense, runs_ms=one.full_ms, full_ms=one.full_ms), one), one.name, remarks)


@pytest.mark.parametrize(
    ("entities", "said"),
    [
        ((FAMOTIDINE, DELIRIUM), "less computation · same 2 entities"),
        ((FAMOTIDINE,), "less computation · 1 of 2 entities the same, 1 differs from all layers, which can err"),
        ((FAMOTIDINE, Entity(11, 21, "Disease", "associated")), "1 of 2 entities the same, 2 differ from all layers"),
    ],
)
def test_the_headline_says_what_is_saved_and_what_became_of_the_entities(engine, dense, entities, said):
    one = pruned(engine, dense, *entities)
    shown = re.sub("<span.*?</span>", "", headline(one))
    assert said in text_of(shown)
    assert "truncate-1:fast" in shown
    assert f"{100 * (1 - one.kept):.0f}\u00a0% less" in text_of(shown)
    assert "no entities, like the full pass" in headline(pruned(engine, replace(dense, entities=())))


def test_a_bar_for_each_strategy_names_its_dtype_and_its_share(engine, dense):
    one = pruned(engine, dense, FAMOTIDINE)
    bars = re.findall(r'<code>([^<]*)</code><span class="track"><i style="width:([\d.]+)%', show(one, dense))
    assert bars == [("dense (float32)", "100.0"), ("truncate-1:fast (float32)", f"{100 * one.kept:.1f}")]


@pytest.mark.parametrize(
    ("dense_ms", "own_ms", "said"),
    [
        ([20.0] * ROUNDS, [10.0] * ROUNDS, "2.0× as fast as the full pass: 10 ms instead of 20 ms"),
        ([20.0] * ROUNDS, [25.0] * ROUNDS, "0.8× as fast as the full pass: 25 ms instead of 20 ms"),
        ([18.0, 20.0, 24.0], [10.0] * 3, "1.8–2.4× as fast as the full pass: 10 ms instead of 18–24 ms"),  # of few, all
        # a busy machine
        ([*[20.0] * 24, *[90.0] * 7], [10.0] * ROUNDS, "2.0–9.0× as fast as the full pass: 10 ms instead of 20–90 ms"),
    ],
)
def test_times_are_ranges_never_a_refusal(engine, dense, dense_ms, own_ms, said):
    one = pruned(engine, dense, FAMOTIDINE, runs_ms=tuple(own_ms), full_ms=tuple(dense_ms))
    assert said in text_of(show(one, dense))


def test_before_strategies_are_timed_there_are_no_times(engine, dense):
    one = pruned(engine, dense, FAMOTIDINE, runs_ms=(), full_ms=())
    assert "Measuring times…" in show(one, dense)
    assert " ms" not in text_of(show(one, dense))
    assert comparison([one]).endswith("<td>–</td><td>–</td></tr></tbody></table></div>")


def test_names_what_changed_with_buttons_that_know_the_word(engine, dense):
    shown = show(pruned(engine, dense, FAMOTIDINE, Entity(11, 21, "Disease", "associated")), dense)
    lost, new = re.findall(
        r'(?:</code> |; )([\w ]+): <button [^>]*data-word="(\d+)" data-strategy="([^"]+)">([^<]+)</button>', shown
    )
    assert lost == ("only under all layers", "3", "truncate-1", "delirium")
    assert new == ("only here", "2", "truncate-1", "associated")


def test_an_example_has_its_remark_only_with_the_weights_that_err_in_it(engine, shipped, dense):
    assert (remarks(engine), remarks(shipped)) == ({}, REMARKS)
    for entities, expected in (((FAMOTIDINE,), True), ((FAMOTIDINE, DELIRIUM), False)):
        assert ("It errs." in show(pruned(engine, dense, *entities), dense, {TEXT: "It errs."})) == expected


def test_states_are_told_apart(dense):
    for times, state in (((), "timing"), ((1.0,), "done")):
        shown = card(run_of(beside(dense, dense, runs_ms=times)), "dense")
        assert f'data-state="{state}" data-run="1" data-text="{escape(TEXT)}"' in shown
    for state, shown in (("running", RUNNING), ("cancelled", CANCELLED), ("failed", failed("no"))):
        assert f'data-state="{state}" data-run="0" data-text=""' in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *((text, False) for text in EXAMPLES.values()),
        ("Aspirin, ibuprofen, α-tocopherol, cisplatin, morphine, naloxone, clonidine, lithium, warfarin", False),
        ("<ul><li>aspirin</li><li>ibuprofen</li></ul>", False),
        ("服用法莫替丁后出现谵妄的患者在停药后恢复正常了吗", True),
        ("После приёма фамотидина развился делирий.", True),
        ("12 %", False),
        ("Délire associé à la famotidine chez une patiente qui prenait aussi de la warfarine.", True),
        ("Unter Famotidin trat bei einer Patientin ein Delir auf, das nach dem Absetzen nicht wiederkehrte.", True),
        ("El delirio asociado a la famotidina remitió en todos los pacientes con el cambio a una dosis menor.", True),
        ("Der p 1 and Der f 1 of mites, von Willebrand factor, and von Hippel-Lindau disease", False),
        ("Los Angeles: para-aminobenzoic acid and the het mutation of Van der Woude syndrome in the mouse", False),
        ("Famotidine-associated delirium", False),
    ],
)
def test_a_text_in_another_script_or_language_gets_a_remark(text, said):
    assert bool(language_remark(text)) == said
