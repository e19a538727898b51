"""Links reopen what was chosen, hold no text, and change nothing where they are wrong."""

from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from demo.evidence import find_report
from demo.links import EARLY, EXAMPLES, examples, lesson, make_link, opening, read_link
from demo.settings import page_settings, select_strategy
from demo.view import LOST, SAME, differences
from engine.paths import State


def query_of(engine, page):
    return dict(parse_qsl(make_link(engine, page)[1:]))


def test_a_link_reopens_every_choice_and_never_holds_a_text(engine):
    page = replace(
        opening(engine),
        text=EXAMPLES["Animal study"],
        columns=("dense", "rule", "rule+recovery"),
        trigger="entity_loss",
        shown="rule+recovery",
        values={"rule.lambda_": 1.5},
    )
    assert read_link(engine, query_of(engine, page)) == page
    private = replace(page, text="a private text")
    assert "private" not in make_link(engine, private)
    assert read_link(engine, query_of(engine, private)) == replace(page, text=opening(engine).text)


def test_a_strategy_that_is_added_does_not_change_the_one_that_is_shown(engine):
    page = replace(opening(engine), columns=("dense", "entropy", "entropy+recovery"), shown="entropy+recovery")
    wider = replace(page, columns=(*page.columns, "rule"))
    assert read_link(engine, query_of(engine, wider)).shown == "entropy+recovery"


def test_links_of_earlier_versions_open_the_nearest_page(engine):
    old = {"strategies": "dense,rule,entropy,truncate-1,entropy+recovery", "shown": "entropy+recovery"}
    page = read_link(engine, old)
    assert len(page.columns) == 4
    assert page.shown == "entropy+recovery" in page.columns


@pytest.mark.parametrize(
    "query",
    [
        {"strategies": "nothing,", "shown": "nothing"},
        {"point": "quick", "trigger": "never", "example": "None"},
        {"rule.lambda_": "much"},
        {"bet": "3"},
        {"rule.lambda_": "nan"},
        {"rule.min_keep_ratio": "2"},
        {"strategies": "<script>", "entropy.max_entropy": "-1"},
    ],
)
def test_what_is_not_possible_changes_nothing(engine, query):
    assert read_link(engine, query) == opening(engine)


def test_only_the_weights_that_err_in_it_offer_the_failing_example(engine, shipped):
    assert {*examples(shipped)} - {*examples(engine)} == {EARLY}


def test_a_value_of_the_operating_point_is_not_in_the_link(engine):
    preset = {setting.name: f"{value:g}" for setting, value in page_settings(engine).items()}
    assert read_link(engine, preset) == opening(engine)
    assert not any("." in name for name in query_of(engine, opening(engine)))


class TestLesson:
    @pytest.fixture(scope="class")
    def results(self, shipped):
        """For each step the results of its columns."""

        def tagged(page, name):
            chosen = select_strategy(shipped, name, page.point, page.trigger, page.values)
            return shipped.tag(page.text, chosen.strategy)

        pages = [read_link(shipped, query) for _, query in lesson(shipped)]
        return [{name: tagged(page, name) for name in page.columns} for page in pages]

    def test_it_has_five_steps_with_the_shipped_weights_and_none_with_others(self, results, engine):
        assert len(results) == 5
        assert lesson(engine) == ()

    def test_the_third_misses_a_name_because_a_gate_took_it_for_no_entity(self, results):
        early = results[2]
        ((_, missed),) = [pair for pair in differences(early["entropy"], early["dense"]) if pair[0] == LOST]
        (word,) = [word for word in early["entropy"].trace.words if word.start == missed.start]
        assert (word.state, word.gates[-1].exited, word.gates[-1].label) == ("exited", True, "O")

    def test_in_the_fourth_words_come_back_and_with_them_the_name(self, results):
        back = results[3]
        assert LOST in [kind for kind, _ in differences(back["mlp"], back["dense"])]
        assert {kind for kind, _ in differences(back["mlp+recovery"], back["dense"])} == {SAME}
        assert (back["mlp+recovery"].paths.state == State.RECOVERED).any()

    def test_what_the_others_say_is_true_names_stay_longer_on_average_and_attention_saves_less(self, results, shipped):
        early = results[1]["entropy"]
        spans = [(entity.start, entity.end) for entity in early.entities]
        named = [any(start <= word.start < end for start, end in spans) for word in early.trace.words]
        layers = early.paths.layer
        assert layers[named].mean() > layers[[not name for name in named]].mean()
        report = find_report(shipped)
        speed = {row["variant"]: row["speedup_vs_dense"] for row in report.variants}
        assert speed["attention:balanced"] < speed["entropy:balanced"]
