"""The tab Why: words to choose from, with scores and reasons."""

import html
import json
import re
from dataclasses import replace

import pytest

from demo.common.markup import label_name
from demo.tabs import why
from demo.tabs.why import NUMBERS, listbox, why_view
from tests.demo.tabs.conftest import DELIRIUM, FAMOTIDINE, HOSTILE, RECOVERING, TEXT, beside, run_of, spans, text_of


def view(engine, strategy, **settings):
    result = engine.tag(TEXT, strategy, **settings)
    return why_view(engine, run_of(), beside(result, result))


def of_words(page):
    """What the page knows of each word: for each gate that it reached, the lines of its detail."""
    return json.loads(html.unescape(re.search(r'data-words="(.+?)"', page)[1]))


@pytest.mark.parametrize("strategy", ["rule", "entropy", "truncate-1", "entropy+recovery"])
def test_every_word_has_its_scores(engine, strategy):
    page = view(engine, strategy)
    assert len(of_words(page)) == page.count('role="option"') == len(engine.tag(TEXT).words)


def test_names_as_many_neighbours_as_the_strategy_looks_at_and_no_importance_where_every_word_exits(engine):
    assert "entropy with neighbours (2 on each side)" in view(engine, "entropy", neighbours=2)
    page = view(engine, "entropy", gates=(1,), max_entropy=1.0, exit_entities=True)
    assert {(row[0][2 + list(NUMBERS).index("importance")], row[0][-1]) for row in of_words(page)} == {
        ("–", "exited: every word exits at this gate")
    }


@pytest.mark.parametrize(
    ("strategy", "set_", "used"),
    [
        ("entropy", {}, {"entropy", "windowed_entropy", "importance", "threshold"}),
        ("entropy", {"neighbours": 0}, {"entropy", "importance", "threshold"}),
        ("rule", {}, {"confidence", "importance", "threshold"}),
        ("truncate-1", {}, set()),
    ],
)
def test_tells_the_scores_that_the_strategy_uses_from_the_others(engine, strategy, set_, used):
    (found,) = re.findall(r'data-scores="(.+?)"', view(engine, strategy, **set_))
    numbers = dict(zip(NUMBERS, json.loads(html.unescape(found))[2:-1], strict=True))
    assert {name for name, (_, is_used) in numbers.items() if is_used} == used


def words_of(result, dense=None):
    return listbox(beside(result, dense or result), ("Chemical", "Disease"))


def test_the_list_holds_the_text_as_text_with_one_word_in_the_tab_order(engine):
    markup = words_of(engine.tag(HOSTILE, "rule"))
    assert text_of(markup) == HOSTILE.replace("\ud800", "\ufffd")
    assert [word["tabindex"] for word in spans(markup, "word")].count("0") == 1


def test_words_say_what_became_of_them(engine):
    recovered = engine.tag(TEXT, "entropy+recovery", **RECOVERING)
    labels = [option["aria-label"] for option in spans(words_of(recovered), "word")]
    assert [label.partition(": ")[0] for label in labels] == [word.text for word in recovered.trace.words]
    assert sum("came back" in label for label in labels) == 2


@pytest.mark.parametrize("strategy", ["entropy", "entropy+recovery", "truncate-1"])
def test_labels_are_worded_as_in_the_race_and_never_as_the_model_writes_them(engine, strategy):
    page = view(engine, strategy)
    of_gates = {gate[1] for word in of_words(page) for gate in word}
    assert {"no entity", "begin Chemical"} <= of_gates <= {label_name(name) for name in engine.labels.names}
    assert "labelled begin Chemical with probability" in page
    assert not re.search(r"\b[BI]-(Chemical|Disease)", page)


def test_entities_say_what_differs_from_dense(engine):
    dense = replace(engine.tag(TEXT, "dense"), entities=(FAMOTIDINE, DELIRIUM))
    result = replace(engine.tag(TEXT, "truncate-2"), entities=(FAMOTIDINE,))
    entities = [(one["data-kind"], one["data-type"]) for one in spans(words_of(result, dense), "entity")]
    assert entities == [("same", "Chemical"), ("lost", "− Disease")]


def test_long_texts_are_cut_and_the_view_says_so(engine, monkeypatch):
    monkeypatch.setattr(why, "MAX_WORDS", 5)
    page = view(engine, "truncate-1")
    assert page.count('role="option"') == 5
    assert "Showing the first 5 of 21 words." in page
