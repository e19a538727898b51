"""Cards show the result's figures, claim no more than the runs show, and escape what users wrote."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.common.timing import RUNS, Timing
from demo.tabs.compare.cards import CLOSEST, FASTEST, FEWEST, LISTED, award_badges, conditions
from demo.tabs.compare.cards import card as card_of
from demo.tabs.compare.comparison import Comparison
from engine import Engine, Entity, Result

TEXT = "Famotidine-associated delirium. Six patients\non famotidine (20 mg/day)  had nausea;\n\nall recovered. "
INJECTION = "<img src=x onerror=alert(1)> ${alert(1)} {{value}} `x` \\n \"'"


def measured(result: Result, latency_ms: float = 10.0) -> Timing:
    return Timing(result, (latency_ms,) * RUNS)


def beside(one: Timing, dense: Timing) -> Comparison:
    return Comparison("tiny, float32", "balanced", one, dense)


def card(one: Timing, dense: Timing) -> str:
    return card_of(beside(one, dense))


class TestCard:
    @pytest.fixture
    def dense(self, engine: Engine) -> Timing:
        return measured(engine.tag(TEXT, "dense"), 87.0)

    def test_never_rounds_in_favour_of_the_strategy(self, engine: Engine, dense: Timing) -> None:
        page = card(measured(engine.tag(TEXT, "rule"), 87.1), dense)
        assert "slower than dense on this text: 0.99×" in page

    def test_says_how_much_faster(self, engine: Engine, dense: Timing) -> None:
        page = card(measured(engine.tag(TEXT, "truncate-1"), 43.5), dense)
        assert "<strong>43.5 ms</strong>" in page
        assert "2.00× as fast as dense" in page
        assert "slower" not in page

    @pytest.mark.parametrize("runs_ms", [(8.7,), (43.5, 43.5), (8.7,) * RUNS, (43.5, 50.0, 60.0, 70.0, 80.0)])
    def test_a_doubtful_time_is_neither_large_nor_a_speed_up(
        self, engine: Engine, dense: Timing, runs_ms: tuple[float, ...]
    ) -> None:
        reference = replace(dense, runs_ms=(87.0,) * len(runs_ms))
        page = card(Timing(engine.tag(TEXT, "rule"), runs_ms), reference)
        assert "× as fast" not in page
        assert " ms</strong>" not in page

    def test_figures_are_those_of_the_result(self, engine: Engine, dense: Timing) -> None:
        result = engine.tag(TEXT, "truncate-1")
        page = card(measured(result), dense)
        assert f"{result.cost.token_layers_kept:.1%}" in page
        assert f"{result.cost.macs / dense.result.cost.macs:.2f}× dense" in page
        assert f"0 of {len(result.words)} went through every layer, {len(result.words)} exited after layer 1" in page

    def test_counts_and_lists_entities_that_differ(self, engine: Engine, dense: Timing) -> None:
        nausea = Entity(TEXT.index("nausea"), TEXT.index("nausea") + 6, "Disease", "nausea")
        famotidine = Entity(0, 10, "Chemical", "Famotidine")
        delirium = Entity(22, 30, "Disease", "delirium")
        reference = replace(dense, result=replace(dense.result, entities=(famotidine, delirium)))
        changed = replace(engine.tag(TEXT, "rule"), entities=(replace(famotidine, type="Disease"), nausea))
        page = card(measured(changed), reference)
        assert "Differs from dense: 1 lost, 1 new, 1 changed" in page
        assert "0 of 2 entities" in page
        for item in ("↔ Famotidine</b> (Disease)", "− delirium</b> (Disease)", "+ nausea</b> (Disease)"):
            assert item in page

    @pytest.mark.parametrize(("limit", "said"), [(1, "1 word came back"), (2, "2 words came back")])
    def test_says_how_many_words_came_back(self, engine: Engine, dense: Timing, limit: int, said: str) -> None:
        exiting = {"max_entropy": 0.45, "min_keep_ratio": 0.3, "exit_entities": True}
        recovering = {"trigger": "confidence", "min_confidence": 1.0, "recovery_limit": limit}
        page = card(measured(engine.tag(TEXT, "entropy+recovery", **exiting, **recovering)), dense)
        assert f"<dd>{said}</dd>" in page
        assert "<dd>none</dd>" in card(measured(engine.tag(TEXT, "entropy")), dense)

    def test_entities_of_users_are_text(self, engine: Engine) -> None:
        dense = replace(engine.tag(INJECTION, "dense"), entities=())
        found = (Entity(0, len(INJECTION), "Chemical", INJECTION),)
        page = card(measured(replace(engine.tag(INJECTION, "rule"), entities=found)), measured(dense))
        assert "&lt;img src=x onerror=alert(1)&gt; &#36;&#123;alert(1)&#125;" in page
        assert "<img" not in page
        assert "${" not in page
        assert "{{" not in page

    def test_long_lists_of_differences_are_cut(self, engine: Engine, dense: Timing) -> None:
        many = tuple(Entity(i, i + 1, "Disease", TEXT[i]) for i in range(LISTED + 3))
        nothing = replace(dense, result=replace(dense.result, entities=()))
        page = card(measured(replace(engine.tag(TEXT, "rule"), entities=many)), nothing)
        assert page.count("<b>+") == LISTED
        assert "and 3 more" in page


def test_conditions_name_device_threads_and_runs(engine: Engine) -> None:
    dense = measured(engine.tag(TEXT, "dense"))
    line = conditions("cpu", 2, [beside(dense, dense)])
    # This class is dimmed while out of date.
    assert line.startswith('<div class="conditions"><p class="note">Measured just now')
    for part in ("cpu", "2 threads", "median of 5 runs", "untimed"):
        assert part in line
    once = replace(dense, runs_ms=(1.0,), warm=False)
    assert "one run, strategies taking turns; cpu, 1 thread." in conditions("cpu", 1, [beside(once, once)])


class TestBadges:
    @pytest.fixture
    def dense(self, engine: Engine) -> Timing:
        return measured(engine.tag(TEXT, "dense"))

    @pytest.fixture
    def pair(self, engine: Engine, dense: Timing) -> list[Comparison]:
        return [beside(dense, dense), beside(measured(engine.tag(TEXT, "truncate-1")), dense)]

    @staticmethod
    def timed(pair: list[Comparison], runs_ms: tuple[float, ...]) -> list[Comparison]:
        return [pair[0], replace(pair[1], timing=replace(pair[1].timing, runs_ms=runs_ms))]

    def test_the_fastest_was_ahead_in_every_run(self, pair: list[Comparison]) -> None:
        assert FASTEST in award_badges(self.timed(pair, (9.0, 8.0, 9.9, 9.0, 9.0)))[1]
        once_behind = self.timed(pair, (8.0, 8.0, 10.1, 8.0, 8.0))
        assert not any(FASTEST in badges for badges in award_badges(once_behind))
        assert "No strategy is marked as the fastest: none was ahead in every run" in conditions("cpu", 2, once_behind)

    def test_fewest_macs_are_marked_unless_two_share_them(self, pair: list[Comparison]) -> None:
        assert award_badges(pair) == [[], [FEWEST]]
        assert award_badges([pair[0], pair[0]]) == [[], []]

    def test_closest_to_dense_is_one_of_several(self, engine: Engine, pair: list[Comparison], dense: Timing) -> None:
        same = replace(engine.tag(TEXT, "dense"), strategy=engine.strategy("truncate-2"))
        several = [*pair, beside(measured(same), dense), beside(measured(engine.tag(TEXT, "rule")), dense)]
        assert award_badges(several)[2] == [CLOSEST]
        assert CLOSEST not in award_badges(several)[3]
