"""Averaging: the mean of weights, and a folder that loads."""

import copy
import shutil

import torch

from engine import load_engine
from engine.checkpoint import load_weights, save_weights
from engine.training.average import average, main
from tests.conftest import contents


def test_the_mean_of_a_model_and_itself_is_the_model(model_folder, tmp_path):
    assert main([str(model_folder), str(model_folder), "--out", str(tmp_path / "mean")]) == 0
    text = "Aspirin caused nausea."
    mean, model = (load_engine(folder).tag(text, "dense") for folder in (tmp_path / "mean", model_folder))
    assert abs(mean.probabilities - model.probabilities).max() < 1e-3  # saved in half precision


def test_a_folder_with_files_in_it_stays_as_it_is(model_folder, tmp_path, capsys):
    out = shutil.copytree(model_folder, tmp_path / "mean")
    for name in ("operating_points.json", "frontier.csv"):
        (out / name).write_text("{}")
    before = contents(out)
    assert main([str(model_folder), str(model_folder), "--out", str(out)]) == 2
    assert f"expected a new folder, got {out} with other files in it" in capsys.readouterr().err
    assert contents(out) == before


def test_the_mean_of_plain_checkpoints_is_one(plain_folder, tmp_path):
    assert main([str(plain_folder), str(plain_folder), "--out", str(tmp_path / "mean")]) == 0
    mean = load_engine(tmp_path / "mean")
    assert not mean.model.has_gates
    assert mean.tag("Aspirin caused nausea.", "dense").words


def test_every_weight_is_the_mean(model_folder):
    weights = load_weights(model_folder)
    shifted = copy.deepcopy(weights)
    with torch.no_grad():
        for parameter in shifted.model.parameters():
            parameter += 2
    before = {name: value.clone() for name, value in weights.model.state_dict().items()}
    for name, value in average([weights, shifted]).model.state_dict().items():
        assert torch.allclose(value, before[name] + 1, atol=1e-5), name


def test_models_of_different_shapes_are_refused(model_folder, tmp_path, capsys):
    plain = load_weights(model_folder)
    plain.model.heads = torch.nn.ModuleDict({key: head for key, head in plain.model.heads.items() if key != "1"})
    save_weights(tmp_path / "other", plain.model, plain.tokenizer)
    assert main([str(model_folder), str(tmp_path / "other"), "--out", str(tmp_path / "mean")]) == 2
    assert "expected models of the same shape" in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()
