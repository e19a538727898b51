"""The float32 graph equals PyTorch; what it keeps, and what it refuses."""

import gc
import shutil
import time
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from engine.errors import InputError
from engine.graph import backend as graph
from engine.loading import load_engine
from engine.models.family import ACTIVATIONS
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.controllers.base import ThresholdController
from engine.pruning.recovery import ANY, TRIGGERS
from engine.pruning.strategy_names import RECOVERY
from tests.conftest import TEXT, configure, plain_probabilities
from tests.engine.pytorch.families import every_family

TEXTS = [TEXT, "Nausea.", "x", TEXT[20:] * 4]  # the last has several windows
ENTROPY = {"gates": (1, 2), "max_entropy": (0.5, 0.7), "neighbours": 2, "exit_entities": True}
STRATEGIES = [
    ("dense", {}),
    ("truncate-2", {}),
    ("entropy", ENTROPY),
    ("entropy", ENTROPY | {"min_keep_ratio": 0.3}),
    ("entropy", {"gates": (1, 2), "max_entropy": (0.8, 1.0), "neighbours": 0, "exit_entities": True}),
    ("entropy+recovery", ENTROPY | {"max_entropy": 0.8, "recovery_limit": 3, "max_rise": -1.0}),
    ("mlp", {"gates": (1, 2), "max_risk": (0.4, 0.6), "exit_entities": True}),
    ("rule", {"gates": (1, 2), "lambda_": 0.5, "min_keep_ratio": 0.3, "neighbours": 3}),
    ("attention", {"gates": (1, 2), "lambda_": 0.5, "focus": 0.5, "neighbours": 0}),
    ("attention", {"gates": (1, 2), "lambda_": 2.0, "min_keep_ratio": 0.0, "neighbours": 0}),  # all words may exit
    ("attention+recovery", {"gates": (1, 2), "lambda_": -0.5, "received": 0.0, "min_confidence": 0.99}),
]


def assert_equal(engine, pytorch, name, settings):
    strategy = engine.strategy(name, **settings)
    windows = [window for text_windows in engine.pieces.of_texts(TEXTS)[1] for window in text_windows]
    for ours, theirs in zip(engine.backend.run(windows, strategy), pytorch.run(windows, strategy), strict=True):
        np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-5)
        for part in ("exit_at", "exited", "recovered"):
            assert getattr(ours, part).tolist() == getattr(theirs, part).tolist()
        assert (ours.rows, ours.labelled) == (theirs.rows, theirs.labelled)
        for gate, expected in zip(ours.gates, theirs.gates, strict=True):
            alive = gate.is_alive
            assert (gate.number, alive.tolist()) == (expected.number, expected.is_alive.tolist())
            assert gate.decision.exits.tolist() == expected.decision.exits.tolist()
            assert gate.signals.keys() <= expected.signals.keys()
            pairs = [(gate.signals[name], expected.signals[name]) for name in gate.signals]
            for ours, theirs in [*pairs, (gate.decision.importance, expected.decision.importance)]:
                np.testing.assert_allclose(ours[alive], theirs[alive], atol=5e-3)


@pytest.mark.parametrize(("name", "settings"), STRATEGIES, ids=str)
def test_the_graph_equals_pytorch_under_every_strategy(name, settings, engines):
    assert_equal(*engines("bert"), name, settings)


@every_family
@pytest.mark.parametrize("at", [0, 2, 8])
def test_the_graph_equals_pytorch_in_every_family(family, at, engines):
    assert_equal(*engines(family), *STRATEGIES[at])


@st.composite
def recovering(draw):
    """The name and settings of a strategy that brings words back; often its last gate ends the pass."""
    kind = draw(st.sampled_from(list(CONTROLLERS)))
    chosen = {
        "gates": draw(st.sampled_from([(2,), (1, 2), (1, 2)])),
        "min_keep_ratio": draw(st.sampled_from([0.0, 0.3])),
        "trigger": draw(st.sampled_from([*TRIGGERS, ANY])),
        "min_confidence": draw(st.sampled_from([0.4, 1.0])),
        "max_rise": draw(st.sampled_from([-1.0, 0.1])),
        "recovery_limit": draw(st.sampled_from([1, 3, 64])),
    }
    if not issubclass(CONTROLLERS[kind], ThresholdController):
        return kind + RECOVERY, chosen | {"lambda_": draw(st.sampled_from([-0.5, 0.5, 2.0]))}
    first, second = draw(st.sampled_from([0.3, 0.5, 0.7])), draw(st.sampled_from([0.5, 0.7, 1.0]))
    if second == 1:
        chosen |= {"exit_entities": True, "min_keep_ratio": 0.0}
    return kind + RECOVERY, chosen | {CONTROLLERS[kind].threshold_name: (first, second)}


@settings(derandomize=True)  # a score may lie at its threshold by chance
@given(recovering())
def test_results_of_the_graph_and_pytorch_agree_when_words_come_back(engines, drawn):
    engine, pytorch = engines("bert")
    assert_equal(engine, pytorch, *drawn)
    with pytest.MonkeyPatch.context() as patch:
        ours = engine.tag_batch(TEXTS, drawn[0], **drawn[1])
        patch.setattr(engine, "backend", pytorch)
        theirs = engine.tag_batch(TEXTS, drawn[0], **drawn[1])
    for mine, other in zip(ours, theirs, strict=True):
        assert [entity.key for entity in mine.entities] == [entity.key for entity in other.entities]
        assert (mine.paths, mine.cost) == (other.paths, other.cost)
        for word, expected in zip(mine.trace.words, other.trace.words, strict=True):
            assert (word.layer, word.state, word.label) == (expected.layer, expected.state, expected.label)
            assert [gate.reason for gate in word.gates] == [gate.reason for gate in expected.gates]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_hugging_faces(activation, plain_folder, tmp_path):
    configure(folder := shutil.copytree(plain_folder, tmp_path / "model"), hidden_act=activation)
    engine = load_engine(folder, "float32")
    (expected,) = plain_probabilities(engine, [TEXT])
    np.testing.assert_allclose(engine.tag(TEXT, "dense").probabilities, expected, atol=1e-4)


@pytest.fixture
def composed(monkeypatch):
    """The plans of which graphs are composed meanwhile."""
    plans, compose = [], graph.compose
    monkeypatch.setattr(
        graph, "compose", lambda plan, *parts, **how: plans.append(plan) or compose(plan, *parts, **how)
    )
    return plans


def test_other_thresholds_compose_nothing(model_folder, composed):
    engine = load_engine(model_folder, "float32")
    for at in (0.2, 0.5, 0.9):
        engine.tag(TEXT, "entropy", gates=(1, 2), max_entropy=at, min_keep_ratio=at)
    assert len(composed) == 1
    engine.tag(TEXT, "entropy", gates=(2,), max_entropy=0.2)
    assert len(composed) == 2


def test_few_sessions_are_kept(model_folder, composed):
    engine = load_engine(model_folder, "float32")

    def sessions():
        gc.collect()
        return sum(isinstance(item, graph.Session) for item in gc.get_objects())

    before = sessions()
    plans = list(product([(1,), (2,), (1, 2)], range(17)))[: graph.MAX_SESSIONS + 3]
    for gates, near in [*plans, plans[-1]]:
        engine.tag("nausea", "rule", gates=gates, neighbours=near)
    assert len(composed) == len(plans) == graph.MAX_SESSIONS + 3
    assert sessions() - before <= graph.MAX_SESSIONS


def damaged(folder, name, value):
    tensors = load_file(folder / "model.safetensors")
    if value is None:
        del tensors[name]
    else:
        tensors[name] += value
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "keyword"),
    [
        (
            lambda f: damaged(f, "bert.encoder.layer.0.output.dense.weight", np.nan),
            "layer.0.output.dense.weight .*NaN or infinity",
        ),
        (lambda f: damaged(f, "bert.embeddings.LayerNorm.bias", np.inf), "LayerNorm.bias .*NaN or infinity"),
        (
            lambda f: damaged(f, "bert.encoder.layer.1.output.dense.weight", None),
            "no tensor bert.encoder.layer.1.output",
        ),
        (
            lambda f: damaged(f, "bert.encoder.layer.0.attention.self.key.bias", None),
            "no tensor bert.encoder.layer.0.attention.self.key.bias",
        ),
        (lambda f: damaged(f, "bert.embeddings.LayerNorm.bias", None), "no tensor bert.embeddings.LayerNorm.bias"),
        (lambda f: damaged(f, "bert.encoder.layer.2.output.LayerNorm.weight", 3e38), "score is NaN or infinity"),
    ],
)
def test_what_cannot_be_computed_is_an_error_of_one_line(plain_folder, tmp_path, damage, keyword):
    folder = shutil.copytree(plain_folder, tmp_path / "model")
    damage(folder)
    with pytest.raises(InputError, match=keyword) as caught:
        load_engine(folder, "float32").tag(TEXT, "dense")
    assert "\n" not in str(caught.value)


def test_its_threads_sleep_once_a_call_returns():
    engine = load_engine(threads=2)
    engine.tag(TEXT * 3)
    begin = time.process_time()
    time.sleep(0.01)
    assert time.process_time() - begin < 0.005, engine


def test_a_call_takes_one_thread_for_each_window_while_another_is_in_progress(model_folder, monkeypatch):
    taken = []

    class Session(graph.Session):
        def __init__(self, model, threads, weights):
            taken.append(threads)
            super().__init__(model, threads, weights)

    monkeypatch.setattr(graph, "Session", Session)
    engine = load_engine(model_folder, threads=2)
    engine.tag_batch([TEXT], "dense", on_window=lambda done, all_windows: engine.tag(TEXT, "truncate-1"))
    assert taken == [2, 1]
    engine.tag(TEXT, "truncate-2")
    assert taken == [2, 1, 2]
