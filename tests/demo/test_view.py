"""What is drawn of a text: its words, what differs from all layers, and why a word left, came back or was changed."""

import json
import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.markup import escape
from demo.run import Column, run
from demo.settings import select_strategy
from demo.view import CHANGED, LOST, NEW, SAME, SCRIPT, differences, summary, view, word_range
from engine import Entity, InputError
from engine.paths import State
from engine.pruning.recovery import TRIGGERS
from tests.conftest import TEXT, cascade
from tests.demo.conftest import as_stored

HOSTILE = "<img src=x onerror=alert(1)> ${1+1} {{7*7}} `x` \\n \"'<script>alert(1)</script> &amp; \ud800"
EXITING = {"max_entropy": 0.45, "min_keep_ratio": 0.3, "exit_entities": True}
RECOVERING = EXITING | {"recovery_limit": 2}


def entity(text, type_="Disease", within=TEXT):
    start = within.index(text)
    return Entity(start, start + len(text), type_, text, 0.75)


@pytest.fixture
def drawn(engine):
    """Draws results on a text beside what all layers find in it."""

    def draw(*results, full=None):
        full = full or engine.tag(results[0].text, "dense")
        return view(engine, [Column(as_stored(result), result, 10.0) for result in results], full)

    return draw


class TestWords:
    @pytest.mark.parametrize("text", [TEXT, f" {TEXT}\n", "", "  ", HOSTILE, "α-tocopherol 山田 🧪 \u202e\0 x\r\n\ty"])
    def test_with_what_is_between_them_they_are_the_text(self, engine, drawn, text):
        data = drawn(engine.tag(text, "dense"))
        assert "".join(map("".join, data["words"])) + data["rest"] == text.replace("\ud800", "\ufffd")
        json.dumps(data, allow_nan=False).encode()

    def test_of_a_long_text_the_first_are_drawn_and_the_page_says_so(self, engine, drawn, monkeypatch):
        monkeypatch.setattr("demo.view.MAX_WORDS", 5)
        data = drawn(engine.tag(TEXT, "rule"))
        assert len(data["words"]) == len(data["columns"][0]["words"]) == 5
        assert data["cut"].startswith("The first 5 of")

    def test_each_has_the_layer_state_and_label_of_its_path(self, engine, drawn):
        result = engine.tag(TEXT, "entropy", **EXITING)
        words = drawn(result)["columns"][0]["words"]
        shown = [(layer, state, engine.labels.names[label]) for layer, state, label, *_ in words]
        layers, states, labels = vars(result.paths).values()
        assert shown == [
            (layer, State(state).name.lower(), label)
            for layer, state, label in zip(layers, states, labels, strict=True)
        ]
        gates = [word[4] for word in words]
        assert [len(of_word) for of_word in gates] == [len(word.gates) for word in result.trace.words]
        assert {gate[5] for of_word in gates for gate in of_word} <= set(drawn(result)["reasons"])


class TestDifferences:
    def test_entities_are_the_same_extra_changed_or_missed(self, engine):
        full = SimpleNamespace(entities=(entity("Famotidine"), entity("delirium"), entity("patients on")))
        found = SimpleNamespace(entities=(entity("Famotidine"), entity("Six"), entity("patients")))
        pairs = [(kind, entity.text) for kind, entity in differences(found, full)]
        assert pairs == [(SAME, "Famotidine"), (LOST, "delirium"), (NEW, "Six"), (CHANGED, "patients")]

    @pytest.mark.parametrize(
        ("kinds", "said"),
        [
            ([SAME, SAME], (2, "the same")),
            ([], (0, "none, as under all layers")),
            ([SAME, LOST], (1, "word1 missed")),
            ([SAME, NEW, CHANGED], (3, "word1 extra, word2 changed")),
            ([SAME, SAME, LOST, LOST, NEW], (3, "2 same, 2 missed, 1 extra")),
        ],
    )
    def test_few_are_named_and_many_counted(self, kinds, said):
        assert summary([(kind, Entity(at, at + 1, "T", f"word{at}")) for at, kind in enumerate(kinds)]) == said

    def test_an_entity_covers_the_words_that_it_overlaps(self, engine):
        words = engine.tag(TEXT, "dense").trace.words
        first, last = word_range(words, entity("patients on"))
        assert [word.text for word in words[first : last + 1]] == ["patients", "on"]
        assert word_range(words, entity("elir")) == word_range(words, entity("delirium"))


class TestReturns:
    @pytest.mark.parametrize("trigger", TRIGGERS)
    def test_a_word_that_came_back_says_which_trigger_fired_on_which_word(self, engine, drawn, trigger):
        settings = RECOVERING | {"trigger": trigger, "min_confidence": 1.0, "max_rise": -1.0}
        result = engine.tag(TEXT, "entropy+recovery", **settings)
        back = drawn(result)["columns"][0]["back"]
        assert set(back) == {str(index) for index, state in enumerate(result.paths.state) if state == State.RECOVERED}
        if trigger != "entity_loss":
            assert back, "this trigger always fires with these settings"
        said = {
            "confidence": "too uncertain at the end",
            "entropy_spike": "grew less certain",
            "entity_loss": "got lost",
        }
        assert all(said[trigger] in reason and "“" in reason for reason in back.values())

    def test_in_a_cascade_it_is_the_doubt_of_the_small_model(self, both):
        result = both.tag(TEXT, cascade(0))
        data = view(both, [Column(as_stored(result), result, 1.0)], both.tag(TEXT, "dense"))
        assert all("the small model was unsure" in reason for reason in data["columns"][0]["back"].values())
        assert len(data["columns"][0]["ends"]) == 6, "the layers of both models"


class TestRun:
    def test_all_layers_are_the_reference_also_if_they_are_no_column(self, engine):
        (column,), full = run(engine, TEXT, [select_strategy(engine, "rule")])
        assert column.result.entities == engine.tag(TEXT, "rule").entities
        assert full.strategy == engine.strategy("dense")
        assert column.milliseconds > 0

    @pytest.mark.parametrize(("text", "number"), [(" \n", 1), ("a" * 100_001, 1), (TEXT, 0), (TEXT, 5), (None, 1)])
    def test_an_empty_or_long_text_and_too_many_columns_are_refused(self, engine, text, number):
        with pytest.raises(InputError, match=r"There is no text|100,001|Choose 1 to 4|NoneType"):
            run(engine, text, [select_strategy(engine, "dense")] * number)


def test_the_script_makes_no_markup_of_data():
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", SCRIPT.read_text()) == []


@given(text=st.text(st.characters(exclude_categories=()), max_size=60))
def test_neither_markup_nor_templates_survive_where_text_becomes_markup(text):
    escaped = escape(text)
    assert not set("<>\"'${}`\\") & set(escaped)
    escaped.encode()
