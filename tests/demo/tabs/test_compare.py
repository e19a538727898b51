"""The tab Compare: what it runs and shows, in which order, and its message if it cannot."""

import re

import gradio as gr
import pytest

from demo.common.differences import KINDS, SIGNS
from demo.common.limits import MAX_STRATEGIES
from demo.common.requests import Latest
from demo.common.timing import RUNS, Budget, first_pass, tagger
from demo.settings import default_values
from demo.tabs.compare import Refinement, Shown, candidates_beside, candidates_of, compare, legend, refine
from demo.tabs.compare.comparison import compare_all
from engine import InputError
from tests.demo.conftest import listeners

TEXT = "Famotidine-associated delirium. Six patients on famotidine had delirium; all recovered."


def chosen(engine, names, trigger="", *values):
    return candidates_of(engine, "tiny", names, None, trigger, *(values or default_values(engine, None)))


def run(text, candidates):
    *_, last = compare(text, candidates)
    return last


def test_shows_dense_and_what_is_chosen_in_the_order_of_the_page(engine):
    names = list(engine.runnable)[1:MAX_STRATEGIES]
    shown = run(TEXT, chosen(engine, names[::-1]))
    for markup in (shown.cards, shown.texts):
        assert re.findall("<h3>(.*?)</h3>", markup) == ["dense", *names]


def test_the_legend_has_all_kinds_of_entities_and_says_that_words_exit_only_if_the_model_has_gates():
    marks = re.findall(r'class="mark (\w+)"[^>]*data-label="(.*)Type">(\w+)<', legend(has_gates=False))
    assert sorted(marks) == sorted((kind, SIGNS[kind], kind) for kind in KINDS)
    for part in ("exited early", "came back"):
        assert part in legend(has_gates=True)
        assert part not in legend(has_gates=False)


def test_entities_come_after_one_pass_and_times_are_refined_afterwards(engine):
    candidates = chosen(engine, ["entropy"])
    (first,) = compare(TEXT, candidates, budget=Budget(more_s=600.0))  # all runs, even on a busy machine
    assert "one run" in first.cards
    assert 'data-state="timing"' in first.answer
    assert first.refinement == Refinement(2, RUNS, "")
    better = refine(TEXT, candidates, first.refinement)
    assert "median of 5 runs after an untimed one" in better.cards
    assert 'data-state="done"' in better.answer


def test_a_long_text_is_estimated_first_and_leaves_strategies_out(engine):
    candidates = chosen(engine, ["rule", "entropy", "truncate-1"])
    *_, shown = compare(TEXT, candidates, budget=Budget(first_s=1e-6, short=25, probe=25))
    left_out = "Left out because this text is long: entropy, truncate-1."
    assert left_out in shown.answer
    assert "<h3>entropy</h3>" not in shown.cards
    assert shown.refinement.ran == 2
    refined = refine(TEXT, candidates, shown.refinement)
    assert left_out in refined.answer


def test_stops_when_the_result_is_not_wanted_any_more(engine):
    candidates = chosen(engine, ["entropy"])
    for answers in ([True, True, False], [True, True, True, False]):
        wanted = iter(answers)
        assert list(compare(TEXT, candidates, lambda wanted=wanted: next(wanted))) == []
    wanted = iter([True, True, True, False])
    refined = refine(TEXT, candidates, Refinement(2, 3, ""), lambda: next(wanted))
    assert "one run after an untimed one" in refined.cards
    assert refine(TEXT, candidates, Refinement(2, 3, ""), lambda: False) is None


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
    assert "λ 1.5" in ran["rule"].settings
    assert "min keep ratio 0.5 · tiny" in run(TEXT, list(ran.values())).cards
    assert ran["dense"].settings == ""


def test_from_three_strategies_on_a_table_sums_up(engine):
    assert 'class="summary"' not in run(TEXT, chosen(engine, ["entropy"])).cards
    rows = re.findall(r'<th scope="row">(.*?)</th>', run(TEXT, chosen(engine, ["rule", "entropy"])).cards)
    assert rows == ["dense", "rule", "entropy"]


def test_a_second_model_stands_beside_the_first(engine, plain_engine):
    both = [*chosen(engine, ["entropy"]), *candidates_beside(plain_engine, "plain", ["dense", "entropy"], None)]
    assert [f"{one.model} {one.strategy.name}" for one in both] == ["tiny dense", "tiny entropy", "plain dense"]
    timings = first_pass(TEXT, [tagger(one.engine, one.strategy) for one in both])
    found = compare_all(both, timings)
    assert [one.is_reference for one in found] == [True, False, False]
    assert all(one.reference is timings[0] for one in found)
    assert [one.of_reference for one in found] == ["", "", " of tiny"]
    assert run(TEXT, both).cards.count("× dense of tiny") == 1


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        ("", ["dense"], "There is no text yet"),
        ("\n\t\u00a0\n", ["dense"], "There is no text yet"),
        (TEXT, [], "No strategy is chosen"),
        (TEXT, [str(number) for number in range(MAX_STRATEGIES + 1)], f"at most {MAX_STRATEGIES} strategies"),
    ],
)
def test_what_cannot_run_is_refused(engine, text, names, message):
    with pytest.raises(InputError, match=message):
        run(text, chosen(engine, names))


def test_cancel_is_said_last_even_over_how_long_the_run_takes(engine, demo, monkeypatch):
    (function,) = listeners(demo, "on_compare")
    monkeypatch.setattr("demo.tabs.compare.compare", lambda *_: iter([Shown("Running… about 9 s")]))
    for latest, said in ((Latest(8), True), (Latest(8, mark=1), False)):  # cancelled, and followed by another request
        first, last = function.fn(latest, 7, TEXT, ["dense"], "", None, "", *default_values(engine, None))
        assert "about 9 s" in first[0]
        assert ("Cancelled" in last[0]) if said else last[0] == gr.skip()
