"""A controller decides in a graph what it decides on arrays, and products in 8 bits are close to those in float32."""

from functools import cache

import numpy as np
import onnxruntime
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from engine.graph.gate import GraphGate
from engine.graph.onnx_graph import Graph
from engine.graph.products import MIDDLE, Products
from engine.models.tensors import Tensors
from engine.pruning.controllers import CONTROLLERS, EntropyController, RuleController
from engine.pruning.controllers.mlp import LearnedController
from engine.pruning.gate import ArrayGate, Words
from engine.text.labels import LabelSet
from tests.engine.pytorch.families import network

LABELS = LabelSet(("Chemical", "Disease"))
SIGNALS = ("change", "attention_entropy", "received")
ATTENTION = CONTROLLERS["attention"]
CASES = [
    EntropyController(max_entropy=0.5, neighbours=0, exit_entities=True),
    EntropyController(max_entropy=0.6, neighbours=2),
    EntropyController(max_entropy=0.9, neighbours=1, exit_entities=True, min_keep_ratio=0.4),
    RuleController(lambda_=0.3, neighbours=0, min_keep_ratio=0.0),
    RuleController(lambda_=1.0, neighbours=2, min_keep_ratio=0.6),
    LearnedController(max_risk=0.5, network=network(), exit_entities=True),
    LearnedController(max_risk=0.7, network=network(), min_keep_ratio=0.5),
    ATTENTION(lambda_=0.2, neighbours=0),
    ATTENTION(lambda_=1.5, neighbours=1, received=0.0, focus=0.5, min_keep_ratio=0.0),
]


@cache
def session(index: int) -> onnxruntime.InferenceSession:
    """The graph of one gate alone."""
    graph = Graph()
    probabilities = graph.input("probabilities", np.float32, ["words", len(LABELS)])
    alive = graph.input("alive", np.bool_, ["words"])

    def signal(name):
        return graph.input(name, np.float32, ["words"])

    shape = graph.op("Shape", alive, dtype=np.int64)
    decision = CASES[index].decide(GraphGate(graph, 1, 0, shape, alive, probabilities, LABELS, signal))
    graph.output("exits", decision.exits)
    graph.output("importance", decision.importance)
    return onnxruntime.InferenceSession(graph.model(embedded=True))


def in_graph(index: int, inputs) -> tuple[np.ndarray, np.ndarray]:
    numbers = {f"{name}@1": np.array([value], np.float32) for name, value in CASES[index].numbers(0).items()}
    of = session(index)
    exits, importance = of.run(None, {value.name: (inputs | numbers)[value.name] for value in of.get_inputs()})
    return exits, importance


@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda index: str(CASES[index]))
@given(words=st.integers(1, 40), seed=st.integers(0, 10**6), spread=st.floats(0.5, 6), share=st.floats(0, 1))
def test_a_controller_decides_alike_on_arrays_and_in_a_graph(index, words, seed, spread, share):
    rng, controller = np.random.default_rng(seed), CASES[index]
    logits = rng.normal(scale=spread, size=(words, len(LABELS))) + np.array([spread, 0, 0, 0, 0])
    probabilities = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)
    inputs = {name: rng.random(words).astype(np.float32) for name in SIGNALS}
    alive = rng.random(words) <= share
    at = ArrayGate(1, 0, Words.of([words]), alive, probabilities, LABELS, controller.numbers(0), inputs)
    decision = controller.decide(at)
    exits, importance = in_graph(index, inputs | {"probabilities": probabilities, "alive": alive})
    np.testing.assert_allclose(importance[alive], decision.importance[alive], atol=1e-4, rtol=1e-4)
    near = np.abs(decision.importance - controller.threshold(at, controller.importance(at))) <= 1e-5
    assume(not near[alive].any())
    scores = decision.importance[alive & np.isfinite(decision.importance)]
    assume((np.diff(np.sort(scores)) > 1e-5).all() or not controller.min_keep_ratio)
    assert exits.tolist() == decision.exits.tolist()


@given(words=st.integers(10, 40), seed=st.integers(0, 10**6))
def test_rounding_never_decides_who_exits_where_all_words_attend_alike(words, seed):
    index, rng = CASES.index(ATTENTION(lambda_=0.2, neighbours=0)), np.random.default_rng(seed)
    noise = {name: (0.5 + rng.normal(scale=1e-7, size=words)).astype(np.float32) for name in SIGNALS}
    probabilities, alive = np.tile(np.float32([0.8, 0.05, 0.05, 0.05, 0.05]), (words, 1)), np.ones(words, bool)
    at = ArrayGate(1, 0, Words.of([words]), alive, probabilities, LABELS, CASES[index].numbers(0), noise)
    exits, importance = in_graph(index, noise | {"probabilities": probabilities, "alive": alive})
    assert not exits.any()
    assert not CASES[index].decide(at).exits.any()
    assert not importance.any()


@pytest.fixture
def products(tmp_path):
    """A module's products with rows of which one is much larger: in float32, in 8 bits, and row by row."""
    rng = np.random.default_rng(0)
    weights = {"a.weight": rng.normal(size=(24, 32)), "a.bias": rng.normal(size=24)}
    save_file({name: value.astype(np.float32) for name, value in weights.items()}, tmp_path / "model.safetensors")
    rows = rng.normal(size=(1, 10, 32)).astype(np.float32)
    rows[0, 3] *= 30

    def output(quantised, per_row):
        graph = Graph()
        values = graph.input("rows", np.float32, [1, "rows", 32])
        of = Products(Tensors(tmp_path), quantised=quantised)
        middles = graph.constant(np.full(10, MIDDLE), np.uint8) if per_row else None
        graph.output("output", of.linear(graph, values, ["a"], middles=middles, exact=False))
        session = onnxruntime.InferenceSession(graph.model(embedded=True))
        return session.run(None, {"rows": rows})[0][0]

    return [output(*how) for how in ((False, False), (True, False), (True, True))]


def test_products_in_8_bits_are_close_and_closer_with_a_scale_for_each_row(products):
    exact, whole, by_row = products
    small = np.arange(10) != 3
    errors = [np.abs(output - exact)[small].max() for output in (whole, by_row)]
    assert errors[1] < 0.5 < errors[0] < 6, errors
    assert np.abs(by_row - exact)[3].max() < 0.3 * 30


def test_in_8_bits_nearly_all_words_have_the_label_of_float32(engine, quantised):
    float32, int8 = (each.tag("Famotidine caused delirium and nausea. " * 10, "dense") for each in (engine, quantised))
    assert (int8.probabilities.argmax(1) == float32.probabilities.argmax(1)).mean() > 0.75
    assert np.abs(int8.probabilities - float32.probabilities).max() > 0
