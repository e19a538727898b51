"""Histograms of importance: every word appears once, with the threshold."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from demo.tabs.why.histograms import histograms
from engine import Engine
from engine.inspection.explain import WordScores

TEXT = "Famotidine-associated delirium. Six patients on famotidine (20 mg/day) had nausea; all recovered."


def score(**changes: object) -> WordScores:
    plain = WordScores(1, "O", 0.9, 0.1, 0.2, 1.0, 0.5, None, 0.2, 0.3, exited=False, reason="importance")
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_they_show_every_word_once() -> None:
    scores = [(score(importance=0.001 * 2**i, exited=i < 4),) for i in range(10)]
    figure = histograms(scores)
    assert "4 exited (filled), 6 stayed (outlined)" in figure
    assert len(re.findall('<rect class="exited"', figure)) == 4
    assert len(re.findall('<rect class="stayed"', figure)) == 6
    assert "importance, logarithmic" in figure
    assert "threshold 0.300" in figure


def test_bars_stand_on_one_another_up_to_the_top() -> None:
    figure = histograms([(score(importance=0.2, exited=exited),) for exited in (True, True, False)])
    heights = [float(height) for height in re.findall(r'height="([\d.]+)"/', figure)]
    assert heights == pytest.approx([66.67, 33.33], abs=0.01)


def test_negative_importance_has_a_linear_axis() -> None:
    assert "<span>importance</span>" in histograms([(score(importance=-1.0),), (score(importance=1.0),)])


def test_words_that_may_not_exit_are_counted_apart() -> None:
    assert "1 of them stayed as part of an entity" in histograms([(score(importance=float("inf")),), (score(),)])
    assert "1 of them stayed" in histograms([(score(importance=float("inf")),)])


@pytest.mark.parametrize(("reason", "said"), [("whole", "; 2 outlined to the left of it stayed"), ("importance", "")])
def test_outlined_bars_left_of_the_threshold_are_explained(reason: str, said: str) -> None:
    caption = histograms(
        [(score(importance=0.1, reason=reason),), (score(importance=0.2, reason=reason),), (score(exited=True),)]
    )
    assert ("despite their low importance" in caption) == bool(said)
    assert said in caption


def test_low_importance_is_explained_without_a_threshold_for_all_windows_too() -> None:
    words = [
        (score(importance=0.1, threshold=0.2, reason="few"),),
        (score(importance=0.1, threshold=0.3, reason="entity"),),
    ]
    assert "; 2 of those outlined stayed despite their low importance" in histograms(words)


def test_where_every_word_exits_there_is_no_importance_to_show() -> None:
    figure = histograms([(score(importance=0.0, threshold=1.0, exited=True, reason="end"),)] * 3)
    assert "Gate after layer 1: every word that reaches it exits (3)." in figure
    assert "<svg" not in figure


def test_there_is_a_histogram_for_each_gate(engine: Engine) -> None:
    result = engine.tag(TEXT, "entropy", gates=(1, 2))
    assert histograms(engine.explain(result)).count("<figure>") == 2
