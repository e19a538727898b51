"""Which format a model runs in: as requested, refused in one sentence, or the fastest, and reported."""

import copy
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from engine.checkpoint import INT8
from engine.errors import InputError
from engine.model import precision
from engine.model.gated import GatedModel
from engine.model.linear import Linear
from engine.model.precision import DTYPES, Precision, set_precision
from engine.model.runtimes.openvino import OpenVINORuntime

CPU = torch.device("cpu")


@pytest.fixture
def layers() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(Linear(64, 64, "gelu"), torch.nn.LayerNorm(64), Linear(64, 32), torch.nn.Linear(32, 5))


@pytest.fixture
def model(weights) -> GatedModel:
    return copy.deepcopy(weights.model)


@pytest.fixture
def int8(quantised_folder) -> Path:
    return quantised_folder / INT8


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setattr("engine.runs.cache_folder", lambda: tmp_path)


def times(**seconds: float):
    """Pretends that formats take these times."""
    return patch.object(precision, "_measure_seconds", lambda layer: seconds)


def test_formats_by_name(layers):
    assert DTYPES == ("float32", "bfloat16", "int8", "auto")
    assert set_precision(layers, "float32", CPU) == Precision("float32")
    assert set_precision(layers, "bfloat16", CPU).torch_dtype == torch.bfloat16
    assert {parameter.dtype for parameter in layers.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("dtype", ["int8", "auto"])
def test_in_int8_which_auto_prefers_openvino_runs_the_layers_and_the_rest_stays_in_float32(dtype, model, int8):
    assert set_precision(model, dtype, CPU, int8).dtype == "int8"
    assert isinstance(model.encoder.runtime, OpenVINORuntime)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def dies(*_, **__):
    return subprocess.CompletedProcess([], -8, "", "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda model, file, patch: file.unlink(),
            "got one without; make them with python -m engine",
        ),
        (lambda model, file, patch: file.write_bytes(b"no"), "expected layers in 8 bits in .*; restore the file"),
        (lambda model, file, patch: patch.setitem(sys.modules, "openvino", None), "openvino .*; pip install openvino"),
        (lambda model, file, patch: patch.setattr(subprocess, "run", dies), "a machine .* ended with status -8; use"),
        (lambda model, file, patch: model.encoder.layers[0].output.bias.data.add_(1), "got layers of other weights"),
    ],
)
def test_where_int8_is_not_possible_it_is_refused_and_auto_says_why_it_passes_it_over(
    model, int8, own_cache, tmp_path, monkeypatch, change, reason
):
    file = tmp_path / INT8
    file.write_bytes(int8.read_bytes())
    change(model, file, monkeypatch)
    file = file if file.exists() else None
    with pytest.raises(InputError, match=reason):
        set_precision(model, "int8", CPU, file)
    with times(float32=3, bfloat16=2):
        chosen = set_precision(model, "auto", CPU, file)
    assert chosen.dtype == "bfloat16"
    assert chosen.why.startswith("1.5× as fast as float32 here; no int8: expected")
    assert re.search(reason, chosen.why)
    assert model.encoder.runtime is None


@pytest.mark.parametrize(
    ("seconds", "best"), [({"float32": 3, "bfloat16": 2}, "bfloat16"), ({"float32": 1.05, "bfloat16": 1}, "float32")]
)
def test_without_int8_auto_is_bfloat16_if_it_is_clearly_faster(layers, own_cache, seconds, best):
    with times(**seconds):
        chosen = set_precision(layers, "auto", CPU)
    assert chosen.dtype == best
    assert {parameter.dtype for parameter in layers.parameters()} == {chosen.torch_dtype}


def test_auto_chooses_once_for_each_processor_version_and_number_of_threads(layers, own_cache, monkeypatch, tmp_path):
    def choice() -> str:
        return set_precision(copy.deepcopy(layers), "auto", CPU).dtype

    with times(float32=2, bfloat16=1):
        assert choice() == "bfloat16"
    with times(float32=1, bfloat16=2):
        assert choice() == "bfloat16"
        for name, other in (
            ("engine.runs.processor", lambda: "another"),
            ("engine.model.precision.torch.__version__", "0"),
            ("engine.model.precision.torch.get_num_threads", int),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(name, other)
                assert choice() == "float32"
        (tmp_path / "dtypes.json").write_text("{")
        assert choice() == "float32"
        monkeypatch.setattr("engine.runs.cache_folder", lambda: tmp_path / "dtypes.json" / "no folder")
        assert choice() == "float32"


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_that_are_not_finite_are_refused(layers, dtype):
    with torch.no_grad():
        layers[3].weight[2, 2] = torch.nan
    with pytest.raises(InputError, match=r"expected finite weights, got NaN or infinity in 3\.weight"):
        set_precision(layers, dtype, CPU)


def test_what_no_model_can_run_is_refused(layers):
    with pytest.raises(InputError, match="expected one of the dtypes"):
        set_precision(layers, "float16", CPU)
    with pytest.raises(InputError, match="device cpu"):
        set_precision(layers, "int8", torch.device("cuda"))
