"""Averaging: the mean of weights, and a folder that loads."""

import copy
import shutil

import pytest
import torch

from engine import load_engine
from engine.checkpoint import load_weights, save_weights
from engine.training.average import average, main
from tests.conftest import contents


@pytest.mark.parametrize("gates", [True, False])
def test_the_mean_of_a_model_and_itself_is_the_model(gates, model_folder, plain_folder, tmp_path):
    source = model_folder if gates else plain_folder
    assert main([str(source), str(source), "--out", str(tmp_path / "mean")]) == 0
    engines = load_engine(tmp_path / "mean"), load_engine(source)
    mean, model = (engine.tag("Aspirin caused nausea.", "dense").probabilities for engine in engines)
    assert abs(mean - model).max() < 1e-3  # saved in half precision
    assert engines[0].model.has_gates == gates


def test_every_weight_is_the_mean(model_folder):
    weights = load_weights(model_folder)
    shifted = copy.deepcopy(weights)
    with torch.no_grad():
        for parameter in shifted.model.parameters():
            parameter += 2
    before = {name: value.clone() for name, value in weights.model.state_dict().items()}
    for name, value in average([weights, shifted]).model.state_dict().items():
        assert torch.allclose(value, before[name] + 1, atol=1e-5), name


def test_models_of_different_shapes_and_a_folder_with_files_in_it_are_refused(model_folder, tmp_path, capsys):
    plain = load_weights(model_folder)
    plain.model.heads = torch.nn.ModuleDict({key: head for key, head in plain.model.heads.items() if key != "1"})
    save_weights(tmp_path / "other", plain.model, plain.tokenizer)
    assert main([str(model_folder), str(tmp_path / "other"), "--out", str(tmp_path / "mean")]) == 2
    assert "the same shape" in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()
    out = shutil.copytree(model_folder, tmp_path / "mean")
    before = contents(out)
    assert main([str(model_folder), str(model_folder), "--out", str(out)]) == 2
    assert "expected a new folder" in capsys.readouterr().err
    assert contents(out) == before
