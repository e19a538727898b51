"""Training the learned controller: samples without gold, a network that tells them apart, a folder that runs mlp."""

import json
import shutil

import numpy as np
import pytest
import torch

from engine import InputError, load_engine
from engine.models.points_file import POINTS
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.controllers.mlp import FEATURES
from engine.pruning.gate import OF_ATTENTION
from engine.pruning.strategy import Strategy
from engine.pytorch.forward import run
from engine.training.controller import main
from engine.training.networks import Samples, collect, fit
from engine.training.points import store
from tests.conftest import TEXT

SENTENCES = [TEXT, "Nausea after aspirin was seen in two of the patients .", "No delirium was noted ."]


def test_a_change_is_that_the_dense_label_of_a_word_or_neighbour_differs_from_the_gates(engine, weights):
    windows = engine.pieces.windows(TEXT.split())
    torch.manual_seed(0)
    samples = collect(weights.model, windows, ["entropy"])
    passes = (run(weights.model, windows, engine.strategy(name)) for name in ("dense", "truncate-1"))
    dense, gate = (np.concatenate([record.probabilities for record in records]).argmax(-1) for records in passes)
    differs = gate != dense
    expected = [differs[max(0, i - 1) : i + 2].any() for i in range(len(differs))]
    assert samples[1].changes.tolist() == expected  # no word exits before the first gate
    near = [(dense > 0)[max(0, i - 1) : i + 2].any() for i in range(len(dense))]
    assert samples[1].weights.tolist() == [4.0 if here else 1.0 for here in near]


def test_a_gate_that_no_word_reaches_needs_more_texts_and_a_single_word_is_enough(weights):
    with pytest.raises(InputError, match=r"gates: 1, 2\. Give more --texts"):
        collect(weights.model, [], ["entropy"])
    network = fit(Samples(np.array([[0.3, 0.7]], np.float32), np.array([True]), np.ones(1)))
    assert all(np.isfinite(part).all() for part in network)


def test_a_network_learns_what_tells_words_apart():
    torch.manual_seed(0)
    columns = np.random.default_rng(0).normal(5, 3, size=(60_000, 2)).astype(np.float32)
    changes = columns[:, 1] > 7
    inner, inner_bias, outer, outer_bias = fit(Samples(columns, changes, np.ones(len(columns))))
    risk = 1 / (1 + np.exp(-(np.maximum(columns @ inner + inner_bias, 0) @ outer + outer_bias)))
    assert ((risk > 0.5) == changes).mean() > 0.95


@pytest.mark.parametrize("attention", [False, True])
def test_the_command_makes_a_folder_that_runs_mlp_with_and_without_attention(attention, model_folder, tmp_path):
    folder, sentences = shutil.copytree(model_folder, tmp_path / "model"), tmp_path / "sentences.txt"
    sentences.write_text("\n".join(SENTENCES))
    assert main(["--model", str(folder), "--lines", "--texts", str(sentences), *["--attention"] * attention]) == 0
    engine, kind = load_engine(folder), "mlp-attention" if attention else "mlp"
    assert {*engine.folder.networks[kind].names} == FEATURES.keys() - ({*OF_ATTENTION} if not attention else set())
    kept = [engine.tag(TEXT, kind, max_risk=risk, exit_entities=True).cost.token_layers for risk in (0.0, 0.5, 1.0)]
    assert kept[0] > kept[1] >= kept[2]


def test_operating_points_of_networks_that_are_replaced_go(model_folder, tmp_path):
    folder, sentences = shutil.copytree(model_folder, tmp_path / "model"), tmp_path / "sentences.txt"
    sentences.write_text("\n".join(SENTENCES))
    for kind in ("mlp", "entropy"):
        store(folder, {kind: {"balanced": Strategy((1,), CONTROLLERS[kind](), point="balanced").to_json()}})
    assert main(["--model", str(folder), "--lines", "--texts", str(sentences)]) == 0
    assert json.loads((folder / POINTS).read_text()).keys() & {"mlp", "entropy"} == {"entropy"}
