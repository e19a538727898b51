"""The compiled pass: equal to PyTorch's where nothing is quantised, under every strategy and in every family."""

import shutil

import numpy as np
import pytest

from engine.compiled import passes
from engine.compiled.compose import Composition, Plan
from engine.errors import InputError
from engine.models.checksums import write_checksums
from engine.models.folder import COMPILED, INT8
from engine.runtime import compile_model, openvino, operations
from engine.tagger import Engine, load_engine
from engine.text.slots import STEP, window_inputs
from tests.conftest import TEXT, configure, flip_last_bit
from tests.engine.compiled.compiling import both
from tests.engine.pytorch.families import FAMILIES

pytest.importorskip("openvino")

TEXTS = [TEXT, "Nausea.", TEXT[20:] * 4]  # the last has several windows
PLACING = "mpnet"  # here positions enter attention, too
STRATEGIES = {
    "dense": {},
    "truncate-2": {},
    "entropy": {"gates": (1, 2), "max_entropy": (0.5, 0.7), "neighbours": 2, "exit_entities": True},
    "entropy+recovery": {"gates": (1, 2), "max_entropy": 0.8, "trigger": "any", "recovery_limit": 3},
    "mlp": {"gates": (1, 2), "max_risk": (0.4, 0.6), "exit_entities": True},
    "rule": {"gates": (1, 2), "lambda_": 0.5, "min_keep_ratio": 0.3},
}


def assert_equal(expected: Engine, compiled: Engine, name: str, **settings: object) -> None:
    for one, other in zip(*(e.tag_batch(TEXTS, name, **settings) for e in (expected, compiled)), strict=True):
        np.testing.assert_allclose(other.probabilities, one.probabilities, atol=1e-4)
        assert [entity.key for entity in other.entities] == [entity.key for entity in one.entities]
        words = zip(one.trace.words, other.trace.words, strict=True)
        for ours, theirs in words:
            assert (ours.layer, ours.state, ours.label) == (theirs.layer, theirs.state, theirs.label)
            assert [(g.layer, g.exited, g.reason) for g in ours.gates] == [
                (g.layer, g.exited, g.reason) for g in theirs.gates
            ]
            importance = ([g.importance for g in of.gates] for of in (ours, theirs))
            np.testing.assert_allclose(*importance, atol=1e-4 if name == "mlp" else 1e-3)
        assert one.recovered == other.recovered
        if not one.recovered:
            assert one.cost == other.cost


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_compiled_pass_equals_pytorchs_under_every_strategy(name):
    assert_equal(*both("bert"), name, **STRATEGIES[name])


@pytest.mark.parametrize(
    "family", [pytest.param(one, marks=[pytest.mark.slow] * (one != PLACING)) for one in FAMILIES if one != "bert"]
)
def test_a_compiled_pass_equals_pytorchs_in_every_family(family):
    assert_equal(*both(family), "entropy", **STRATEGIES["entropy"])


@pytest.mark.parametrize("name", ["dense", "entropy+recovery"])
def test_a_text_comes_out_the_same_alone_and_among_others(name):
    _, compiled = both("bert")
    together = compiled.tag_batch([*TEXTS] * 4, name, batch_size=12, **STRATEGIES[name])
    for text, among in zip([*TEXTS] * 4, together, strict=True):
        alone = compiled.tag(text, name, **STRATEGIES[name])
        np.testing.assert_allclose(alone.probabilities, among.probabilities, atol=1e-5)


def test_gates_pad_rows_to_multiples_of_8_with_one_padding_row_in_front():
    _, engine = both("bert")
    model = engine.compiled
    composition = Composition(Plan(3, (1,)), *model._stored, model.labels)
    graph = openvino().Model([operations().result(composition.position)], composition.model.get_parameters(), "rows")
    compiled = compile_model(graph, threads=1)
    names = [one.get_any_name() for one in compiled.inputs]
    window = engine.pieces.windows(TEXT.split())[0]
    inputs = window_inputs(window, len(engine.labels), 0)
    for count in range(1, window.words):
        stays = inputs["alive"] * (np.arange(inputs["alive"].size) < count)
        given = inputs | {"1.stays": stays.astype(np.float32)}
        (position,) = compiled({name: given[name] for name in names}).values()
        kept = [0, *np.flatnonzero((window.word >= 0) & (window.word < count)), len(window.word) - 1]  # CLS and SEP
        assert position.size % STEP == 0
        np.testing.assert_array_equal(position[0, 1 : 1 + len(kept)], kept)
        assert not position[0, 0]
        assert not position[0, 1 + len(kept) :].any()


def test_other_thresholds_compile_nothing(monkeypatch):
    _, compiled = both("bert")
    compiled.tag(TEXT, "entropy", gates=(1,), max_entropy=0.5)
    compile_model, made = passes.compile_model, []
    monkeypatch.setattr(passes, "compile_model", lambda *given: made.append(given) or compile_model(*given))
    compiled.tag(TEXT, "entropy", gates=(1,), max_entropy=0.2, min_exit_ratio=0.3)
    assert not made
    compiled.tag(TEXT, "entropy", gates=(2,), max_entropy=0.2)
    assert len(made) == 1


@pytest.mark.parametrize(
    ("damage", "keyword"),
    [
        (lambda f: (f / INT8).unlink(), "int8.safetensors"),
        (lambda f: (f / COMPILED).unlink(), "expected compiled.safetensors in .*; make it with python -m"),
        (lambda f: (f / COMPILED).write_bytes(b"{}"), "the parts of a compiled pass in .*; restore it"),
        (lambda f: flip_last_bit(f / "model.safetensors"), "made from .*model.safetensors, got one of another"),
        (lambda f: configure(f, num_attention_heads=2), "made for .*config.json, got one for other settings"),
    ],
)
def test_files_that_do_not_belong_together_are_refused_and_auto_goes_on_with_pytorch(tmp_path, damage, keyword):
    folder = shutil.copytree(both("bert")[1].folder, tmp_path / "model")
    damage(folder)
    write_checksums(folder)
    with pytest.raises(InputError, match=keyword):
        load_engine(folder, "int8")
    engine = load_engine(folder)
    assert (engine.dtype, engine.why[:7]) == ("float32", "no int8")
