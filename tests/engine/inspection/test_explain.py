"""Explanations: the scores behind every decision of a run, without running inside a timed call."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from engine import Engine
from engine.inspection.explain import WordScores
from engine.pruning.controllers.mlp import Network

TEXT = "Famotidine-associated delirium. Six patients on famotidine (20 mg/day) had delirium; all recovered."
SHORT = "failure and x x a1 nausea"  # random weights take its first two words for one entity


@pytest.mark.parametrize("strategy", ["rule", "entropy", "truncate-1", "entropy+recovery"])
def test_every_word_has_scores_up_to_the_gate_at_which_it_exited(engine: Engine, strategy: str) -> None:
    settings = {"max_entropy": 0.5, "neighbours": 0} if strategy.startswith("entropy") else {}
    result = engine.tag(TEXT, strategy, **settings)
    assert {word.state for word in result.trace.words} - {"kept"}
    for word, scores in zip(result.trace.words, engine.explain(result), strict=True):
        assert [(at.layer, at.label, at.exited) for at in scores] == [
            (at.layer, at.label, at.exited) for at in word.gates
        ]
        assert [at.confidence for at in scores] == pytest.approx([at.probability for at in word.gates], abs=1e-5)


@pytest.mark.parametrize("context", ["drop", "freeze"])
@pytest.mark.parametrize(("strategy", "settings"), [("entropy", {"max_entropy": 0.5}), ("rule", {"lambda_": 1.0})])
def test_words_exit_whose_importance_is_up_to_the_threshold(
    engine: Engine, strategy: str, settings: dict[str, float], context: str
) -> None:
    result = engine.tag(TEXT, strategy, min_keep_ratio=0.0, context=context, **settings)
    scores = [at for of_word in engine.explain(result) for at in of_word]
    assert any(at.exited for at in scores)
    assert any(not at.exited for at in scores)
    assert all(at.importance <= at.threshold for at in scores if at.exited and at.threshold is not None)


def test_scores_are_those_of_the_definitions(engine: Engine) -> None:
    result = engine.tag(TEXT, "entropy", max_entropy=0.5, neighbours=1, min_keep_ratio=0.0)
    explained = engine.explain(result)
    first = [of_word[0] for of_word in explained]
    entropies = [at.entropy for at in first]
    assert [at.windowed_entropy for at in first] == pytest.approx(
        [max(entropies[max(0, i - 1) : i + 2]) for i in range(len(entropies))]
    )
    assert all(math.isinf(at.importance) or at.importance == pytest.approx(at.windowed_entropy) for at in first)
    assert all(0 <= at.attention_entropy <= 1.0001 for at in first)
    assert {at.threshold for at in first} == {0.5}
    assert {at.risk for at in first} == {None}


class TestReasons:
    """Why words exited or stayed, each derived only from the scores."""

    @staticmethod
    def first_gate(engine: Engine, strategy: str, **settings: object) -> list[WordScores]:
        return [of_word[0] for of_word in engine.explain(engine.tag(TEXT, strategy, gates=(1,), **settings))]

    def test_entities_and_their_neighbours_stay_under_rule(self, engine: Engine) -> None:
        scores = self.first_gate(engine, "rule", lambda_=0.5, min_keep_ratio=0.0, neighbours=1)
        near = [any(at.label != "O" for at in scores[max(0, i - 1) : i + 2]) for i in range(len(scores))]
        for at, beside in zip(scores, near, strict=True):
            assert at.reason == ("importance" if at.importance >= at.threshold else "entity" if beside else "exit")
        assert {at.reason for at in scores} == {"exit", "importance", "entity"}

    def test_entities_and_their_neighbours_stay_under_entropy(self, engine: Engine) -> None:
        scores = self.first_gate(engine, "entropy", max_entropy=0.6, exit_entities=False, neighbours=1)
        assert {at.reason for at in scores if math.isinf(at.importance)} == {"entity"}

    def test_an_entity_exits_as_a_whole_or_not_at_all(self, engine: Engine) -> None:
        def first_gate(max_entropy: float) -> list[WordScores]:
            settings = {"gates": (1,), "max_entropy": max_entropy, "exit_entities": True, "neighbours": 0}
            return [of_word[0] for of_word in engine.explain(engine.tag(SHORT, "entropy", **settings))]

        scores = first_gate(0.0)
        assert [at.label for at in scores[:3]] == ["B-Disease", "I-Disease", "O"]
        assert scores[0].importance < scores[1].importance
        again = first_gate((scores[0].importance + scores[1].importance) / 2)
        assert [at.reason for at in again[:3]] == ["whole", "importance", "exit"]

    def test_a_minimum_of_words_stays(self, engine: Engine) -> None:
        freely = self.first_gate(engine, "entropy", max_entropy=1.0, exit_entities=True)
        assert {at.reason for at in freely} == {"end"}
        scores = self.first_gate(engine, "entropy", max_entropy=1.0, exit_entities=True, min_keep_ratio=0.5)
        assert Counter(at.reason for at in scores)["minimum"] >= len(scores) / 2
        assert {at.reason for at in scores} == {"exit", "minimum"}

    def test_at_a_gate_with_threshold_1_every_word_exits_unless_some_must_stay(self, engine: Engine) -> None:
        settings = {"gates": (1, 2), "max_entropy": (0.5, 1.0), "neighbours": 1}
        for more, exited in (({"exit_entities": True}, "end"), ({"exit_entities": False}, "exit")):
            explained = engine.explain(engine.tag(TEXT, "entropy", **settings, **more))
            reasons = {gate: {at.reason for of in explained for at in of if at.layer == gate} for gate in (1, 2)}
            assert "end" not in reasons[1]
            assert reasons[2] - {"entity"} == {exited}

    def test_a_single_word_does_not_exit(self, engine: Engine) -> None:
        settings = {"exit_entities": True, "neighbours": 0}
        importances = sorted(
            at.importance for at in self.first_gate(engine, "entropy", max_entropy=0.0, **settings) if at.label == "O"
        )
        scores = self.first_gate(engine, "entropy", max_entropy=(importances[0] + importances[1]) / 2, **settings)
        assert [at.reason for at in scores if at.importance == importances[0]] == ["few"]
        assert not any(at.exited for at in scores)

    @pytest.mark.parametrize(("strategy", "settings"), [("rule", {"lambda_": 1.0}), ("entropy", {"max_entropy": 0.5})])
    def test_words_exited_for_that_reason(self, engine: Engine, strategy: str, settings: dict[str, float]) -> None:
        scores = [at for of_word in engine.explain(engine.tag(TEXT, strategy, **settings)) for at in of_word]
        assert all((at.reason == "exit") == at.exited for at in scores)


def test_truncation_has_no_threshold(engine: Engine) -> None:
    scores = [at for of_word in engine.explain(engine.tag(TEXT, "truncate-1")) for at in of_word]
    assert {(at.threshold, at.reason) for at in scores} == {(None, None)}


def test_the_networks_risk_is_given_if_there_is_one(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = (np.zeros((1, 1)), np.zeros(1), np.zeros(1), np.zeros(1))
    monkeypatch.setattr(engine, "network", Network(("entropy",), {1: layers}))
    result = engine.tag(TEXT, "rule", gates=(1, 2), lambda_=-1.0)
    risks = {(at.layer, at.risk) for of_word in engine.explain(result) for at in of_word}
    assert risks == {(1, 0.5), (2, None)}


def test_without_gates_there_is_nothing_to_explain(engine: Engine) -> None:
    result = engine.tag(TEXT, "dense")
    assert engine.explain(result) == [()] * len(result.words)


def test_words_of_long_texts_are_in_text_order(engine: Engine) -> None:
    result = engine.tag(TEXT * 12, "entropy")
    assert len(result._runs) > 1
    labels = [[at.label for at in of_word] for of_word in engine.explain(result)]
    assert labels == [[at.label for at in word.gates] for word in result.trace.words]


def test_nothing_to_do_for_an_empty_text(engine: Engine) -> None:
    assert engine.explain(engine.tag("", "entropy")) == []
