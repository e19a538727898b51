"""Explanations: the scores behind every decision of a run, without running inside a timed call."""

import math
import pickle

import pytest

from tests.engine.pruning.test_controllers import CERTAIN, SURE, UNSURE, gate

TEXT = "Famotidine-associated delirium. Six patients on famotidine (20 mg/day) had delirium; all recovered."


def explained(engine, strategy, text=TEXT, **settings):
    """The scores of every word at every gate, in text order."""
    return [at for word in engine.tag(text, strategy, **settings).trace.words for at in word.gates]


@pytest.mark.parametrize("strategy", ["rule", "entropy", "truncate-1", "entropy+recovery"])
def test_every_word_has_scores_up_to_the_gate_at_which_it_exited(engine, strategy):
    settings = {"max_entropy": 0.5, "neighbours": 0} if strategy.startswith("entropy") else {}
    result = engine.tag(TEXT * 12, strategy, **settings)
    assert {word.state for word in result.trace.words} - {"kept"}
    for word in result.trace.words:
        reached = [gate for gate in result.strategy.gates if gate <= word.layer]
        assert [at.layer for at in word.gates] == reached
        assert [at.exited for at in word.gates] == [word.state != "kept" and at == word.layer for at in reached]
        if word.state == "exited" and not word.decoder:
            assert (word.label, word.probability) == (word.gates[-1].label, pytest.approx(word.gates[-1].confidence))


def test_scores_are_those_of_the_definitions(engine):
    first = explained(engine, "entropy", gates=(1,), max_entropy=0.5, neighbours=1, min_keep_ratio=0.0)
    entropies = [at.entropy for at in first]
    assert [at.windowed_entropy for at in first] == pytest.approx(
        [max(entropies[max(0, i - 1) : i + 2]) for i in range(len(entropies))]
    )
    assert all(math.isinf(at.importance) or at.importance == pytest.approx(at.windowed_entropy) for at in first)
    assert {at.threshold for at in first} == {0.5}


def test_words_stay_for_their_importance_or_for_an_entity_beside_them(engine):
    scores = explained(engine, "rule", gates=(1,), lambda_=0.5, min_keep_ratio=0.0, neighbours=1)
    near = [any(at.label != "O" for at in scores[max(0, i - 1) : i + 2]) for i in range(len(scores))]
    for at, beside in zip(scores, near, strict=True):
        assert at.reason == ("entity" if beside else "exit" if at.importance < at.threshold else "importance")
    assert {at.reason for at in scores} == {"exit", "importance", "entity"}
    scores = explained(engine, "entropy", gates=(1,), max_entropy=0.6, exit_entities=False, neighbours=1)
    assert {at.reason for at in scores if math.isinf(at.importance)} == {"entity"}


def test_a_word_stays_because_the_whole_entity_does_or_too_few_would_exit(engine):
    settings = {"gates": (1,), "exit_entities": True, "neighbours": 0}
    at = gate([1, 2, 0, 0], [SURE, UNSURE, SURE, SURE], controller=CERTAIN)
    assert CERTAIN.explain(at, CERTAIN.decide(at))[1] == ["whole", "importance", "exit", "exit"]
    all_stay = explained(engine, "entropy", max_entropy=0.0, **settings)
    least, second, *_ = sorted(at.importance for at in all_stay if at.label == "O")
    scores = explained(engine, "entropy", max_entropy=(least + second) / 2, **settings)
    assert [at.reason for at in scores if at.importance == least] == ["few"]
    assert not any(at.exited for at in scores)


@pytest.mark.parametrize(
    ("settings", "reasons"),
    [
        ({"exit_entities": True, "min_keep_ratio": 0.5, "max_entropy": (0.0, 1.0)}, {"exit", "minimum"}),
        ({"exit_entities": True}, {"end"}),
        ({"exit_entities": False}, {"exit"}),
    ],
)
def test_at_a_gate_with_threshold_1_every_word_exits_unless_some_must_stay(engine, settings, reasons):
    settings = {"gates": (1, 2), "max_entropy": (0.5, 1.0), "neighbours": 1} | settings
    scores = explained(engine, "entropy", **settings)
    assert "end" not in {at.reason for at in scores if at.layer == 1}
    assert {at.reason for at in scores if at.layer == 2} - {"entity"} == reasons


@pytest.mark.parametrize("kind", ["mlp", "mlp-attention"])
@pytest.mark.parametrize("backend", [0, 1], ids=["graph", "pytorch"])
def test_a_learned_controller_needs_no_signals_at_a_gate_that_every_word_exits(kind, backend, engines, monkeypatch):
    engine = engines("bert")[0]
    monkeypatch.setattr(engine, "backend", (engine.backend, engines("bert")[1])[backend])
    result = engine.tag(TEXT, kind, gates=(1, 2), max_risk=(0.3, 1.0), exit_entities=True)
    ended = [at for word in result.trace.words for at in word.gates if at.layer == 2]
    assert {(at.exited, at.threshold, at.reason) for at in ended} == {(True, 1.0, "end")}
    assert pickle.loads(pickle.dumps(result)).trace == result.trace


def test_truncation_has_no_threshold_and_without_gates_or_words_there_is_nothing_to_explain(engine):
    assert {(at.threshold, at.reason) for at in explained(engine, "truncate-1")} == {(None, None)}
    assert explained(engine, "dense") == explained(engine, "entropy", "") == []
