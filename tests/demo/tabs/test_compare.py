"""The tab Compare: what it runs and shows, in which order, and its message if it cannot."""

import re

import pytest

from demo.common.differences import KINDS, SIGNS
from demo.common.limits import MAX_REFERENCED, MAX_STRATEGIES
from demo.common.timing import RUNS, Budget
from demo.common.turns import SharedEngine, Turns
from demo.settings import default_values
from demo.tabs.compare import Refinement, candidates_of, compare, refine
from demo.tabs.compare.references import References
from demo.tabs.compare.texts import legend
from engine import InputError

TEXT = "Famotidine-associated delirium. Six patients on famotidine had delirium; all recovered."
PACE = 1e-6  # seconds for a character
PATIENT = Budget(seconds=600.0, least=0)  # all runs, even on a busy machine


def chosen(engine, names, trigger="", *values):
    return candidates_of(engine, names, None, trigger, *(values or default_values(engine, None)))


def test_shows_dense_and_what_is_chosen_in_the_order_of_the_page(engine):
    names = list(engine.runnable)[1:MAX_STRATEGIES]
    shown = compare(engine, TEXT, chosen(engine, names[::-1]), PACE)
    expected = [f"{name} (float32)" for name in ("dense", *names)]
    assert re.findall("<h3>(.*?)</h3>", shown.texts) == expected
    assert re.findall('<th scope="row">(.*?)</th>', shown.figures) == expected


def test_the_legend_has_all_kinds_of_entities_and_says_that_words_exit_only_if_the_model_has_gates():
    marks = re.findall(r'class="mark (\w+)"[^>]*data-label="(.*)Type">(\w+)<', legend(has_gates=False))
    assert sorted(marks) == sorted((kind, SIGNS[kind], kind) for kind in KINDS)
    for part in ("exited early", "came back"):
        assert part in legend(has_gates=True)
        assert part not in legend(has_gates=False)


def test_entities_come_after_one_pass_and_times_are_refined_afterwards(engine):
    candidates = chosen(engine, ["entropy"])
    first = compare(engine, TEXT, candidates, PACE)
    assert 'data-state="timing"' in first.answer
    assert first.refinement == Refinement(2, "")
    better = refine(engine, TEXT, candidates, first.refinement, budget=PATIENT)
    assert f"the middle 80 % of {RUNS} runs of each in turn" in better.answer
    assert 'data-state="done"' in better.answer


def test_a_long_text_leaves_strategies_out(engine):
    candidates = chosen(engine, ["rule", "entropy", "truncate-1"])
    shown = compare(engine, TEXT, candidates, pace=10.0)
    left_out = "Left out because this text is long: entropy, truncate-1."
    assert left_out in shown.answer
    assert "entropy" not in shown.texts
    assert shown.refinement.ran == 2
    assert left_out in refine(engine, TEXT, candidates, shown.refinement).answer


def test_stops_when_the_result_is_not_wanted_any_more(engine):
    candidates = chosen(engine, ["entropy"])
    for answers in ([False], [True, False], [True, True, False]):
        wanted = iter(answers)
        assert compare(engine, TEXT, candidates, PACE, lambda wanted=wanted: next(wanted)) is None
    wanted = iter([True, True, True, False])
    assert "1 run of each in turn" in refine(engine, TEXT, candidates, Refinement(2, ""), lambda: next(wanted)).answer
    assert refine(engine, TEXT, candidates, Refinement(2, ""), lambda: False) is None


def test_settings_and_trigger_reach_the_strategies_that_have_them(engine):
    names = ["rule", "rule+recovery", "entropy", "entropy+recovery"]
    values = 1.5, 0.25, 2.0, 0.5  # in the order of the page
    ran = {one.strategy.name: one for one in chosen(engine, names, "entity_loss", *values)}
    of_rule = {"lambda_": 1.5, "min_keep_ratio": 0.25}
    of_entropy = {"max_entropy": 2 * engine.strategy("entropy").settings()["max_entropy"], "min_keep_ratio": 0.5}
    for name, settings in (("rule", of_rule), ("entropy", of_entropy)):
        assert ran[name].strategy == engine.strategy(name, **settings)
        recovering = engine.strategy(f"{name}+recovery", trigger="entity_loss", **settings)
        assert ran[f"{name}+recovery"].strategy == recovering
    assert "λ 1.5" in ran["rule"].label
    assert "trigger entity loss" in ran["rule+recovery"].label
    assert ran["dense"].label == "dense (float32)"


def test_float32_and_the_pipeline_are_timed_on_a_text_of_limited_length_while_that_is_wanted(engine, monkeypatch):
    monkeypatch.setattr("demo.common.timing.RUNS", 9)
    references, (_, own) = References(SharedEngine(engine, Turns())), chosen(engine, ["entropy"])
    shown = references.compare(TEXT * 5, own)  # longer than a window
    for part in ("dense (float32)", "the Hugging Face pipeline (float32)", "×</b> as fast as", "runs of each in turn"):
        assert part in shown
    assert references.compare(TEXT, own, lambda: False) == ""
    with pytest.raises(InputError, match="up to 20,000 characters"):
        references.compare("a" * (MAX_REFERENCED + 1), own)
