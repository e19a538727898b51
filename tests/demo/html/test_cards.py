"""What the demo shows is the result, all of the text, and nothing but text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.html import cards as presenters
from demo.html.escape import escape, notice
from demo.measuring import RUNS, Measured
from engine import Engine, Entity, Result

TEXT = "Famotidine-associated delirium. Six patients\non famotidine (20 mg/day)  had nausea;\n\nall recovered. "
NASTY = "<script>alert(1)</script> ${1+1} {{value}} `x` \\ &amp; \0\x1b \ud800 שלום \u202eabc\u202c 😀 x\r\n\ty"
INJECTION = "<img src=x onerror=alert(1)> ${alert(1)} {{value}} `x` \\n \"'"

any_text = st.text(st.characters(exclude_categories=()), max_size=60)


def measured(result: Result, latency_ms: float = 10.0) -> Measured:
    return Measured(result, (latency_ms,) * RUNS)


def offsets(result: Result) -> list[tuple[int, int, str | None]]:
    spans, position = [], 0
    for text, category in presenters.segments(result):
        spans.append((position, position + len(text), category))
        position += len(text)
    return spans


class TestSegments:
    @pytest.mark.parametrize("strategy", ["dense", "hf", "rule", "entropy", "random", "truncate-1"])
    @pytest.mark.parametrize("text", [TEXT, NASTY, "", " \n "])
    def test_together_they_are_the_text(self, engine: Engine, strategy: str, text: str) -> None:
        shown = "".join(piece for piece, _ in presenters.segments(engine.tag(text, strategy)))
        assert shown == text.replace("\ud800", "\ufffd")

    @settings(max_examples=60, deadline=None)
    @given(text=any_text, strategy=st.sampled_from(["dense", "rule", "truncate-2"]))
    def test_any_text_keeps_its_offsets_and_its_entities(self, engine: Engine, text: str, strategy: str) -> None:
        result = engine.tag(text, strategy)
        shown = "".join(piece for piece, _ in presenters.segments(result))
        assert len(shown) == len(text)
        assert all(a == b or "\ud800" <= b <= "\udfff" for a, b in zip(shown, text, strict=True))
        shown.encode()
        marked = [(start, end, c.partition(",")[0]) for start, end, c in offsets(result) if c and c[0].isupper()]
        assert marked == [entity.key for entity in result.entities]

    def test_dense_marks_nothing_but_entities(self, engine: Engine) -> None:
        result = engine.tag(TEXT, "dense")
        assert {category for _, category in presenters.segments(result)} <= {None, "Chemical", "Disease"}

    @pytest.mark.parametrize("strategy", ["rule", "random@rule"])
    def test_words_that_left_are_marked_with_their_layer_and_others_are_not(
        self, engine: Engine, strategy: str
    ) -> None:
        result = replace(engine.tag(TEXT, strategy, **({"lambda_": 2.0} if strategy == "rule" else {})), entities=())
        spans = offsets(result)
        states = {word.state for word in result.trace.words}
        assert states == {"left", "kept"}
        for word in result.trace.words:
            category = next(category for start, end, category in spans if start <= word.start < end)
            assert category == (presenters.left_at(word.layer) if word.state == "left" else None)

    def test_a_run_of_words_that_left_together_is_one_piece(self, engine: Engine) -> None:
        result = replace(engine.tag(TEXT, "truncate-2"), entities=())
        assert presenters.segments(result) == [(TEXT.rstrip(), "left at layer 2"), (" ", None)]

    def test_words_that_came_back_are_marked_and_counted(self, engine: Engine) -> None:
        recovering = engine.strategy("entropy", max_entropy=0.45, min_keep_ratio=0.3, exit_entities=True).recovering()
        strategy = recovering.with_knobs(trigger="confidence", min_confidence=1.0, recovery_limit=2)
        result = engine.tag(TEXT, strategy)
        spans = offsets(replace(result, entities=()))
        assert [word.state for word in result.trace.words].count("recovered") == 2
        for word in result.trace.words:
            category = next(category for start, end, category in spans if start <= word.start < end)
            assert (category == presenters.BACK) == (word.state == "recovered")
        assert "<dt>came back</dt><dd>2 words</dd>" in presenters.card(
            measured(result), measured(engine.tag(TEXT, "dense"))
        )

    def test_an_entity_whose_words_left_is_still_one(self, engine: Engine) -> None:
        entity = Entity(0, 10, "Chemical", "Famotidine")
        result = replace(engine.tag(TEXT, "truncate-1"), entities=(entity,))
        assert presenters.segments(result)[0] == ("Famotidine", "Chemical, left at layer 1")

    def test_an_entity_of_which_some_words_left_says_so(self, engine: Engine) -> None:
        result = engine.tag(TEXT, "rule", lambda_=2.0)
        words = result.trace.words
        first = next(i for i in range(len(words)) if words[i].state != words[i + 1].state)
        start, end = words[first].start, words[first + 1].end
        result = replace(result, entities=(Entity(start, end, "Disease", TEXT[start:end]),))
        assert (TEXT[start:end], "Disease, partly left") in presenters.segments(result)

    def test_every_category_has_a_colour_of_the_components_palette(self, engine: Engine) -> None:
        colours = presenters.colours(engine.labels.types, engine.encoder.num_layers)
        recovering = engine.strategy("entropy", max_entropy=0.45, neighbours=0).recovering()
        always = recovering.with_knobs(trigger="confidence", min_confidence=1.0, recovery_limit=5)
        for strategy in ("dense", "rule", "random", "truncate-1", "truncate-2", always):
            categories = {category for _, category in presenters.segments(engine.tag(TEXT, strategy))}
            assert categories - {None} <= set(colours)
        assert set(colours.values()) <= {*presenters.PALETTE, presenters.BACK_COLOUR, "transparent"}
        assert colours["Chemical"] == colours["Chemical, left at layer 1"] != colours["Disease"]


class TestEscaping:
    @given(text=any_text)
    def test_neither_markup_nor_templates_survive(self, text: str) -> None:
        escaped = escape(text)
        assert not set("<>\"'${}`\\") & set(escaped)
        escaped.encode()

    def test_entities_of_users_are_text(self, engine: Engine) -> None:
        dense = replace(engine.tag(INJECTION, "dense"), entities=())
        found = (Entity(0, len(INJECTION), "Chemical", INJECTION),)
        page = presenters.card(measured(replace(engine.tag(INJECTION, "rule"), entities=found)), measured(dense))
        assert "&lt;img src=x onerror=alert(1)&gt; &#36;&#123;alert(1)&#125;" in page
        assert "<img" not in page
        assert "${" not in page
        assert "{{" not in page

    def test_messages_are_text(self) -> None:
        assert "<b>" not in notice("<b>${x}</b>")


class TestCard:
    @pytest.fixture
    def dense(self, engine: Engine) -> Measured:
        return measured(engine.tag(TEXT, "dense"), 87.0)

    def test_dense_is_the_reference(self, dense: Measured) -> None:
        page = presenters.card(dense, dense)
        assert "87.0 ms" in page
        assert "the reference" in page
        assert "100.0%" in page
        assert "details" not in page

    def test_says_plainly_when_slower_than_dense(self, engine: Engine, dense: Measured) -> None:
        page = presenters.card(measured(engine.tag(TEXT, "rule"), 100.0), dense)
        assert "slower than dense on this text: 0.87×" in page

    def test_never_rounds_in_favour_of_the_strategy(self, engine: Engine, dense: Measured) -> None:
        page = presenters.card(measured(engine.tag(TEXT, "rule"), 87.1), dense)
        assert "slower than dense on this text: 0.99×" in page

    def test_says_how_much_faster(self, engine: Engine, dense: Measured) -> None:
        page = presenters.card(measured(engine.tag(TEXT, "rule"), 43.5), dense)
        assert "2.00× as fast as dense" in page
        assert "slower" not in page

    @pytest.mark.parametrize("latency_ms", [43.5, 174.0])
    def test_few_runs_tell_neither_faster_nor_slower(self, engine: Engine, latency_ms: float) -> None:
        dense = Measured(engine.tag(TEXT, "dense"), (87.0, 87.0))
        page = presenters.card(Measured(engine.tag(TEXT, "rule"), (latency_ms, latency_ms)), dense)
        assert f"too few runs to tell from dense on this text: {87 / latency_ms:.2f}×" in page
        assert "slower" not in page

    def test_figures_are_those_of_the_result(self, engine: Engine, dense: Measured) -> None:
        result = engine.tag(TEXT, "truncate-1")
        page = presenters.card(measured(result), dense)
        assert f"{result.cost.token_layers_kept:.1%}" in page
        assert f"{result.cost.multiply_adds / dense.result.cost.multiply_adds:.2f}× dense" in page
        assert f"0 of {len(result.words)} stayed, {len(result.words)} left at layer 1" in page

    @pytest.mark.parametrize(
        ("strategy", "about"),
        [
            ("random", "As many words leave as under entropy with the same settings"),
            ("rule+recovery", "Where the result looks doubtful, words come back (trigger: any)"),
            ("truncate-1", "The encoder ends early"),
        ],
    )
    def test_says_what_the_strategy_does(self, engine: Engine, dense: Measured, strategy: str, about: str) -> None:
        assert escape(about) in presenters.card(measured(engine.tag(TEXT, strategy)), dense)

    def test_counts_and_lists_entities_that_differ(self, engine: Engine, dense: Measured) -> None:
        nausea = Entity(TEXT.index("nausea"), TEXT.index("nausea") + 6, "Disease", "nausea")
        famotidine = Entity(0, 10, "Chemical", "Famotidine")
        delirium = Entity(22, 30, "Disease", "delirium")
        reference = replace(dense, result=replace(dense.result, entities=(famotidine, delirium)))
        changed = replace(engine.tag(TEXT, "rule"), entities=(replace(famotidine, type="Disease"), nausea))
        page = presenters.card(measured(changed), reference)
        assert "Unlike dense: 1 lost, 1 new, 1 type changed" in page
        assert "0 of 2 entities" in page
        for item in ("≠ Famotidine</b> (Disease)", "− delirium</b> (Disease)", "+ nausea</b> (Disease)"):
            assert item in page

    def test_a_different_score_is_no_difference(self, engine: Engine, dense: Measured) -> None:
        same = tuple(replace(entity, score=0.5) for entity in dense.result.entities)
        page = presenters.card(measured(replace(engine.tag(TEXT, "rule"), entities=same)), dense)
        assert "The same entities as dense" in page

    def test_long_lists_of_differences_are_cut(self, engine: Engine, dense: Measured) -> None:
        many = tuple(Entity(i, i + 1, "Disease", TEXT[i]) for i in range(presenters.LISTED + 3))
        nothing = replace(dense, result=replace(dense.result, entities=()))
        page = presenters.card(measured(replace(engine.tag(TEXT, "rule"), entities=many)), nothing)
        assert page.count("<b>+") == presenters.LISTED
        assert "and 3 more" in page


def test_conditions_name_device_dtype_threads_and_runs(engine: Engine) -> None:
    dense = engine.tag(TEXT, "dense")
    line = presenters.conditions("cpu", "float32", 2, {"dense": measured(dense)})
    for part in ("cpu", "float32", "2 threads", "median of 5 runs", "discarded"):
        assert part in line
    assert "1 thread." in presenters.conditions("cpu", "float32", 1, {"dense": Measured(dense, (1.0,))})


class TestDistinctions:
    @pytest.fixture
    def pair(self, engine: Engine) -> dict[str, Measured]:
        return {name: measured(engine.tag(TEXT, name)) for name in ("dense", "truncate-1")}

    def test_the_fastest_was_ahead_in_every_round(self, pair: dict[str, Measured]) -> None:
        ahead = pair | {"truncate-1": replace(pair["truncate-1"], runs_ms=(9.0, 8.0, 9.9, 9.0, 9.0))}
        assert presenters.FASTEST in presenters.distinctions(ahead)["truncate-1"]
        once_behind = pair | {"truncate-1": replace(pair["truncate-1"], runs_ms=(1.0, 1.0, 10.1, 1.0, 1.0))}
        assert not any(presenters.FASTEST in marks for marks in presenters.distinctions(once_behind).values())
        assert "None is marked fastest: no strategy was ahead" in presenters.conditions("cpu", "x", 2, once_behind)

    def test_few_rounds_tell_nothing(self, pair: dict[str, Measured]) -> None:
        few = {name: replace(one, runs_ms=(time,)) for (name, one), time in zip(pair.items(), (9.0, 1.0), strict=True)}
        assert presenters.FASTEST not in presenters.distinctions(few)["truncate-1"]
        assert "too few runs" in presenters.conditions("cpu", "float32", 2, few)

    def test_fewest_operations_are_marked_unless_two_share_them(self, pair: dict[str, Measured]) -> None:
        assert presenters.distinctions(pair) == {"dense": [], "truncate-1": [presenters.FEWEST]}
        assert presenters.distinctions({"dense": pair["dense"], "hf": pair["dense"]}) == {"dense": [], "hf": []}

    def test_closest_to_dense_is_one_of_several(self, engine: Engine, pair: dict[str, Measured]) -> None:
        several = pair | {"truncate-2": measured(engine.tag(TEXT, "dense")), "hf": measured(engine.tag(TEXT, "hf"))}
        assert presenters.distinctions(several)["truncate-2"] == [presenters.CLOSEST]
        assert presenters.CLOSEST not in presenters.distinctions(several)["hf"]
