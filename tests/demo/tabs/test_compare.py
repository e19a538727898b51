"""The tab Compare: what it runs and shows, in which order, and its message if it cannot."""

from __future__ import annotations

import re

import pytest

from demo.common.limits import MAX_STRATEGIES
from demo.common.timing import RUNS, Budget, first_pass, tagger
from demo.settings import default_values, sliders
from demo.tabs.compare import Job, Shown, compare, compared, jobs_beside, jobs_of, refine
from engine import Engine, InputError

TEXT = "Famotidine-associated delirium. Six patients on famotidine had delirium; all recovered."


def jobs(engine: Engine, names: list[str], point: str | None = None, trigger: str = "", *values: float) -> list[Job]:
    return jobs_of(engine, "tiny", names, point, trigger, *(values or default_values(engine, point)))


def run(text: str, chosen: list[Job]) -> Shown:
    *_, last = compare(text, chosen)
    return last


def test_shows_dense_and_what_is_chosen_in_the_order_of_the_page(engine: Engine) -> None:
    names = list(engine.runnable)[1:MAX_STRATEGIES]
    shown = run(TEXT, jobs(engine, names[::-1]))
    for name in ["dense", *names]:
        assert f"<h3>{name}</h3>" in shown.cards
        assert f"<h3>{name}</h3>" in shown.texts
    assert [job.strategy.name for job in jobs(engine, names[::-1])] == ["dense", *names]


def test_entities_come_after_one_pass_and_times_are_refined_afterwards(engine: Engine) -> None:
    chosen = jobs(engine, ["entropy"])
    (first,) = compare(TEXT, chosen, budget=Budget(more_s=600.0))  # all runs, even on a busy machine
    assert "one run" in first.cards
    assert 'data-state="timing"' in first.answer
    assert first.rounds == RUNS
    better = refine(TEXT, chosen, first.rounds)
    assert better is not None
    assert "median of 5 runs after an untimed one" in better.cards
    assert 'data-state="done"' in better.answer


def test_a_long_text_is_estimated_first_and_leaves_strategies_out(engine: Engine) -> None:
    chosen = jobs(engine, ["rule", "entropy", "truncate-1"])
    small = Budget(first_s=1e-6, short=25, probe=25)
    *_, shown = compare(TEXT, chosen, budget=small)
    assert "Left out because this text is long: entropy, truncate-1." in shown.answer
    assert "<h3>entropy</h3>" not in shown.cards
    assert shown.ran == 2
    refined = refine(TEXT, chosen[: shown.ran], 2, left_out=shown.left_out)
    assert refined is not None
    assert "Left out because this text is long: entropy, truncate-1." in refined.answer


def test_stops_when_the_result_is_not_wanted_any_more(engine: Engine) -> None:
    wanted = iter([True, True, False])
    assert list(compare(TEXT, jobs(engine, ["entropy"]), lambda: next(wanted))) == []
    wanted = iter([True, True, True, False])
    assert list(compare(TEXT, jobs(engine, ["entropy"]), lambda: next(wanted))) == []
    wanted = iter([True, True, True, False])
    refined = refine(TEXT, jobs(engine, ["entropy"]), 3, lambda: next(wanted))
    assert refined is not None
    assert "one run after an untimed one" in refined.cards


def test_sliders_and_trigger_reach_the_strategies_that_have_them(engine: Engine) -> None:
    moved = {
        "rule.lambda_": 1.5,
        "rule.min_keep_ratio": 0.25,
        "entropy.max_entropy": 2.0,
        "entropy.min_keep_ratio": 0.5,
    }
    assert {slider.name for slider in sliders(engine)} == set(moved)
    values = [moved[slider.name] for slider in sliders(engine)]
    names = ["rule", "rule+recovery", "entropy", "entropy+recovery"]
    ran = {job.strategy.name: job for job in jobs(engine, names, None, "entity_loss", *values)}
    threshold = 2 * engine.strategy("entropy").settings()["max_entropy"]
    of_rule = {"lambda_": 1.5, "min_keep_ratio": 0.25}
    of_entropy = {"max_entropy": threshold, "min_keep_ratio": 0.5}
    assert ran["rule"].strategy == engine.strategy("rule", **of_rule)
    assert ran["rule+recovery"].strategy == engine.strategy("rule+recovery", trigger="entity_loss", **of_rule)
    assert ran["entropy"].strategy == engine.strategy("entropy", **of_entropy)
    assert ran["entropy+recovery"].strategy == engine.strategy("entropy+recovery", trigger="entity_loss", **of_entropy)
    assert "λ 1.5" in ran["rule"].settings
    assert "min keep ratio 0.5" in ran["entropy"].settings
    assert "min keep ratio 0.5 · tiny" in run(TEXT, list(ran.values())).cards
    assert ran["dense"].settings == ""


def test_from_three_strategies_on_a_table_sums_up(engine: Engine) -> None:
    assert 'class="summary"' not in run(TEXT, jobs(engine, ["entropy"])).cards
    rows = re.findall(r'<th scope="row">(.*?)</th>', run(TEXT, jobs(engine, ["rule", "entropy"])).cards)
    assert rows == ["dense", "rule (default)", "entropy (default)"]


def test_a_second_model_stands_beside_the_first(engine: Engine, plain_engine: Engine) -> None:
    both = [*jobs(engine, ["entropy"]), *jobs_beside(plain_engine, "plain", ["dense", "entropy"], None)]
    assert [(job.model, job.strategy.name) for job in both] == [
        ("tiny", "dense"),
        ("tiny", "entropy"),
        ("plain", "dense"),
    ]
    measured = first_pass(TEXT, [tagger(job.engine, job.strategy) for job in both])
    found = compared(both, measured)
    assert [one.is_reference for one in found] == [True, False, False]
    assert all(one.reference is measured[0] for one in found)
    assert [one.of_reference for one in found] == ["", "", " of tiny"]
    shown = run(TEXT, both).cards
    assert "plain" in shown
    assert shown.count("× dense of tiny") == 1


@pytest.mark.parametrize("text", ["", "   ", "\n\t\u00a0\n"])
def test_a_blank_text_is_refused(engine: Engine, text: str) -> None:
    with pytest.raises(InputError, match="There is no text yet"):
        run(text, jobs(engine, ["dense"]))


def test_none_or_too_many_strategies_are_refused(engine: Engine) -> None:
    with pytest.raises(InputError, match="No strategy is chosen"):
        jobs(engine, [])
    with pytest.raises(InputError, match=f"at most {MAX_STRATEGIES} strategies"):
        jobs(engine, [str(number) for number in range(MAX_STRATEGIES + 1)])
