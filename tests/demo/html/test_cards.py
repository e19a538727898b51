"""Cards show the figures of the result, claim nothing that the runs do not, and escape what users wrote."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.html.cards import CLOSEST, FASTEST, FEWEST, LISTED, award_badges, card, conditions
from demo.html.escape import escape
from demo.results.timing import RUNS, Measured
from demo.settings import describe
from engine import Engine, Entity, Result

TEXT = "Famotidine-associated delirium. Six patients\non famotidine (20 mg/day)  had nausea;\n\nall recovered. "
INJECTION = "<img src=x onerror=alert(1)> ${alert(1)} {{value}} `x` \\n \"'"


def measured(result: Result, latency_ms: float = 10.0) -> Measured:
    return Measured(result, (latency_ms,) * RUNS)


class TestCard:
    @pytest.fixture
    def dense(self, engine: Engine) -> Measured:
        return measured(engine.tag(TEXT, "dense"), 87.0)

    def test_dense_is_the_reference(self, dense: Measured) -> None:
        page = card(dense, dense)
        assert "87.0 ms" in page
        assert "the reference" in page
        assert "100.0%" in page
        assert "details" not in page

    def test_says_plainly_when_slower_than_dense(self, engine: Engine, dense: Measured) -> None:
        page = card(measured(engine.tag(TEXT, "rule"), 100.0), dense)
        assert "slower than dense on this text: 0.87×" in page

    def test_never_rounds_in_favour_of_the_strategy(self, engine: Engine, dense: Measured) -> None:
        page = card(measured(engine.tag(TEXT, "rule"), 87.1), dense)
        assert "slower than dense on this text: 0.99×" in page

    def test_says_how_much_faster(self, engine: Engine, dense: Measured) -> None:
        page = card(measured(engine.tag(TEXT, "rule"), 43.5), dense)
        assert "2.00× as fast as dense" in page
        assert "slower" not in page

    @pytest.mark.parametrize("latency_ms", [43.5, 174.0])
    def test_few_runs_tell_neither_faster_nor_slower(self, engine: Engine, latency_ms: float) -> None:
        dense = Measured(engine.tag(TEXT, "dense"), (87.0, 87.0))
        page = card(Measured(engine.tag(TEXT, "rule"), (latency_ms, latency_ms)), dense)
        assert f"{87 / latency_ms:.2f}× as fast as dense on this text, but too few runs to tell" in page
        assert "slower" not in page

    def test_figures_are_those_of_the_result(self, engine: Engine, dense: Measured) -> None:
        result = engine.tag(TEXT, "truncate-1")
        page = card(measured(result), dense)
        assert f"{result.cost.token_layers_kept:.1%}" in page
        assert f"{result.cost.multiply_adds / dense.result.cost.multiply_adds:.2f}× dense" in page
        assert f"0 of {len(result.words)} went through every layer, {len(result.words)} left after layer 1" in page

    @pytest.mark.parametrize("strategy", ["random", "rule+recovery", "truncate-1"])
    def test_says_what_the_strategy_does(self, engine: Engine, dense: Measured, strategy: str) -> None:
        assert escape(describe(engine.strategy(strategy))) in card(measured(engine.tag(TEXT, strategy)), dense)

    def test_counts_and_lists_entities_that_differ(self, engine: Engine, dense: Measured) -> None:
        nausea = Entity(TEXT.index("nausea"), TEXT.index("nausea") + 6, "Disease", "nausea")
        famotidine = Entity(0, 10, "Chemical", "Famotidine")
        delirium = Entity(22, 30, "Disease", "delirium")
        reference = replace(dense, result=replace(dense.result, entities=(famotidine, delirium)))
        changed = replace(engine.tag(TEXT, "rule"), entities=(replace(famotidine, type="Disease"), nausea))
        page = card(measured(changed), reference)
        assert "Differs from dense: 1 lost, 1 new, 1 type changed" in page
        assert "0 of 2 entities" in page
        for item in ("≠ Famotidine</b> (Disease)", "− delirium</b> (Disease)", "+ nausea</b> (Disease)"):
            assert item in page

    def test_entities_of_users_are_text(self, engine: Engine) -> None:
        dense = replace(engine.tag(INJECTION, "dense"), entities=())
        found = (Entity(0, len(INJECTION), "Chemical", INJECTION),)
        page = card(measured(replace(engine.tag(INJECTION, "rule"), entities=found)), measured(dense))
        assert "&lt;img src=x onerror=alert(1)&gt; &#36;&#123;alert(1)&#125;" in page
        assert "<img" not in page
        assert "${" not in page
        assert "{{" not in page

    def test_a_different_score_is_no_difference(self, engine: Engine, dense: Measured) -> None:
        same = tuple(replace(entity, score=0.5) for entity in dense.result.entities)
        page = card(measured(replace(engine.tag(TEXT, "rule"), entities=same)), dense)
        assert "Same entities as dense" in page

    def test_long_lists_of_differences_are_cut(self, engine: Engine, dense: Measured) -> None:
        many = tuple(Entity(i, i + 1, "Disease", TEXT[i]) for i in range(LISTED + 3))
        nothing = replace(dense, result=replace(dense.result, entities=()))
        page = card(measured(replace(engine.tag(TEXT, "rule"), entities=many)), nothing)
        assert page.count("<b>+") == LISTED
        assert "and 3 more" in page


def test_conditions_name_device_dtype_threads_and_runs(engine: Engine) -> None:
    dense = engine.tag(TEXT, "dense")
    line = conditions("cpu", "float32", 2, {"dense": measured(dense)})
    for part in ("cpu", "float32", "2 threads", "median of 5 runs", "untimed"):
        assert part in line
    assert "1 thread." in conditions("cpu", "float32", 1, {"dense": Measured(dense, (1.0,))})


class TestBadges:
    @pytest.fixture
    def pair(self, engine: Engine) -> dict[str, Measured]:
        return {name: measured(engine.tag(TEXT, name)) for name in ("dense", "truncate-1")}

    def test_the_fastest_was_ahead_in_every_run(self, pair: dict[str, Measured]) -> None:
        ahead = pair | {"truncate-1": replace(pair["truncate-1"], runs_ms=(9.0, 8.0, 9.9, 9.0, 9.0))}
        assert FASTEST in award_badges(ahead)["truncate-1"]
        once_behind = pair | {"truncate-1": replace(pair["truncate-1"], runs_ms=(1.0, 1.0, 10.1, 1.0, 1.0))}
        assert not any(FASTEST in badges for badges in award_badges(once_behind).values())
        assert "No strategy is marked as the fastest: none was ahead in every run" in conditions(
            "cpu", "x", 2, once_behind
        )

    def test_few_runs_tell_nothing(self, pair: dict[str, Measured]) -> None:
        few = {name: replace(one, runs_ms=(time,)) for (name, one), time in zip(pair.items(), (9.0, 1.0), strict=True)}
        assert FASTEST not in award_badges(few)["truncate-1"]
        assert "too few runs" in conditions("cpu", "float32", 2, few)

    def test_fewest_multiply_adds_are_marked_unless_two_share_them(self, pair: dict[str, Measured]) -> None:
        assert award_badges(pair) == {"dense": [], "truncate-1": [FEWEST]}
        assert award_badges({"dense": pair["dense"], "hf": pair["dense"]}) == {"dense": [], "hf": []}

    def test_closest_to_dense_is_one_of_several(self, engine: Engine, pair: dict[str, Measured]) -> None:
        same = replace(engine.tag(TEXT, "dense"), strategy=engine.strategy("truncate-2"))
        several = pair | {"truncate-2": measured(same), "hf": measured(engine.tag(TEXT, "hf"))}
        assert award_badges(several)["truncate-2"] == [CLOSEST]
        assert CLOSEST not in award_badges(several)["hf"]
