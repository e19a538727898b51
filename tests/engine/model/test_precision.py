"""Which format a model runs in: as requested, refused in one sentence, or the fastest, and reported."""

import copy
from unittest.mock import patch

import pytest
import torch

from engine.errors import InputError
from engine.model import precision
from engine.model.int8 import Int8Linear
from engine.model.linear import Linear
from engine.model.onednn import int8_works
from engine.model.precision import DTYPES, Precision, set_precision

CPU = torch.device("cpu")
needs_int8 = pytest.mark.skipif(not int8_works(), reason="x86 with VNNI alone")


@pytest.fixture
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(Linear(64, 64, "gelu"), torch.nn.LayerNorm(64), Linear(64, 32), torch.nn.Linear(32, 5))


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setattr("engine.runs.cache_folder", lambda: tmp_path)


def times(**seconds: float):
    """Pretends that working formats take these times."""
    return patch.object(precision, "_measure_seconds", lambda trials, rows: {name: seconds[name] for name in trials})


def test_formats_by_name(model):
    assert DTYPES == ("float32", "bfloat16", "int8", "auto")
    assert set_precision(model, "float32", CPU) == Precision("float32")
    assert set_precision(model, "bfloat16", CPU).torch_dtype == torch.bfloat16
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


@needs_int8
def test_int8_quantises_packed_layers_and_leaves_the_rest_in_float32(model):
    rows = torch.randn(7, 64)
    with torch.no_grad():
        expected = model(rows)
        assert set_precision(model, "int8", CPU) == Precision("int8")
        assert [isinstance(layer, Int8Linear) for layer in model] == [True, False, True, False]
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
        torch.testing.assert_close(model(rows), expected, atol=0.05, rtol=0)


@needs_int8
@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({"float32": 3, "bfloat16": 2, "int8": 1}, "int8"),
        ({"float32": 3, "bfloat16": 1, "int8": 1}, "bfloat16"),
        ({"float32": 1, "bfloat16": 5, "int8": 1}, "float32"),
        ({"float32": 2, "bfloat16": 5, "int8": 1}, "int8"),
    ],
)
def test_auto_is_the_fastest_and_of_equals_the_more_precise(model, seconds, best):
    with times(**seconds):
        chosen = set_precision(model, "auto", CPU)
    assert chosen.dtype == best
    assert chosen.why
    assert any(isinstance(layer, Int8Linear) for layer in model) == (best == "int8")


def test_auto_chooses_once_for_each_processor_version_and_number_of_threads(model, monkeypatch, tmp_path):
    def choice() -> str:
        return set_precision(copy.deepcopy(model), "auto", CPU).dtype

    with times(float32=2, bfloat16=1, int8=3):
        assert choice() == "bfloat16"
    with times(float32=1, bfloat16=2, int8=3):
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


@needs_int8
def test_auto_passes_over_int8_where_a_layer_cannot_be_quantised(model):
    with torch.no_grad():
        model[2].weight[:, 0] = 1000
        with times(float32=3, bfloat16=2, int8=1):
            chosen = set_precision(model, "auto", CPU)
    assert chosen.dtype == "bfloat16"
    assert "int8 is not possible: 2: expected finite weights without large outliers" in chosen.why


def test_auto_without_layers_to_quantise_is_float32():
    assert set_precision(torch.nn.Linear(4, 4), "auto", CPU).dtype == "float32"


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_that_are_not_finite_are_refused(model, dtype):
    with torch.no_grad():
        model[3].weight[2, 2] = torch.nan
    with pytest.raises(InputError, match=r"expected finite weights, got NaN or infinity in 3\.weight"):
        set_precision(model, dtype, CPU)


def test_refusals_name_a_format_that_works(model):
    with pytest.raises(InputError, match="expected one of the dtypes"):
        set_precision(model, "float16", CPU)
    with pytest.raises(InputError, match="expected device cpu for dtype int8, got cuda; use --dtype bfloat16"):
        set_precision(model, "int8", torch.device("cuda"))
    with (
        patch.object(precision, "int8_works", lambda: False),
        pytest.raises(InputError, match=r"expected an x86 processor with VNNI .* use --dtype float32"),
    ):
        set_precision(model, "int8", CPU)
    if int8_works():
        with pytest.raises(InputError, match="expected linear layers to quantise"):
            set_precision(torch.nn.Linear(4, 4), "int8", CPU)
    assert not any(isinstance(layer, Int8Linear) for layer in model)
