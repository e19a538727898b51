"""Histograms of importance: every word appears once, with the threshold."""

import re
from dataclasses import replace

from demo.tabs.why.histograms import histograms
from engine.inspection.explain import WordScores

TEXT = "Famotidine-associated delirium. Six patients on famotidine (20 mg/day) had nausea; all recovered."


def score(**changes):
    plain = WordScores(1, "O", 0.9, 0.1, 0.2, 1.0, 0.5, None, 0.2, 0.3, exited=False, reason="importance")
    return replace(plain, **changes)


def test_they_show_every_word_once():
    scores = [(score(importance=0.001 * 2**i, exited=i < 4),) for i in range(10)]
    figure = histograms(scores)
    assert "4 exited (filled), 6 stayed (outlined)" in figure
    assert len(re.findall('<rect class="exited"', figure)) == 4
    assert len(re.findall('<rect class="stayed"', figure)) == 6
    assert "importance, logarithmic" in figure
    assert "threshold 0.300" in figure


def test_words_that_may_not_exit_are_counted_apart():
    assert "1 of them stayed as part of an entity" in histograms([(score(importance=float("inf")),), (score(),)])
    assert "1 of them stayed" in histograms([(score(importance=float("inf")),)])


def test_where_every_word_exits_there_is_no_importance_to_show():
    figure = histograms([(score(importance=0.0, threshold=1.0, exited=True, reason="end"),)] * 3)
    assert "Gate after layer 1: every word that reaches it exits (3)." in figure
    assert "<svg" not in figure


def test_there_is_a_histogram_for_each_gate(engine):
    result = engine.tag(TEXT, "entropy", gates=(1, 2))
    assert histograms(engine.explain(result)).count("<figure>") == 2
