"""8-bit layers: close to float32, unaffected by the rest of the batch, small, and refused where they would be wrong."""

import copy
import os
import subprocess
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from engine.errors import InputError
from engine.model import onednn
from engine.model.int8 import Int8Linear, quantise
from engine.model.linear import Linear
from engine.model.onednn import (
    LARGEST,
    ZERO,
    exact_int8,
    flop_formulas,
    int8_works,
    multiply_int8,
    pack_int8,
    quantise_rows,
    unpack_int8,
)

pytestmark = pytest.mark.skipif(not int8_works(), reason="x86 with VNNI alone")


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def layer_of(inputs: int, outputs: int, activation: str | None = None) -> Linear:
    torch.manual_seed(0)
    return Linear(inputs, outputs, activation)


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("activation", [None, "gelu", "gelu_new", "relu"])
@pytest.mark.parametrize("shape", [(384, 1536), (33, 17)])
def test_it_is_within_two_hundredths_of_float32(shape, activation):
    layer, rows = layer_of(*shape, activation), torch.randn(50, shape[0])
    assert 0 < error(Int8Linear(layer)(rows), layer(rows)) < 0.02


def test_an_outlier_in_one_row_costs_the_others_nothing():
    layer, rows = layer_of(384, 384), torch.randn(50, 384)
    quantised, expected = Int8Linear(layer), layer(rows)
    before = quantised(rows)
    rows[7, 3] = 1000
    after = quantised(rows)
    rows[7, 3] = 0
    assert error(before, expected) < 0.02
    others = torch.arange(50) != 7
    assert torch.equal(after[others], before[others])


@pytest.mark.parametrize("shape", [(384, 1152), (1536, 384), (33, 17)])
def test_rows_give_the_same_bits_in_every_batch(shape):
    layer, rows = Int8Linear(layer_of(*shape, "gelu")), torch.randn(1100, shape[0])
    together = layer(rows)
    for size in (1, 3, 8, 31, 64, 500):
        alone = torch.cat([layer(part) for part in rows[:size].split(1)]) if size < 10 else layer(rows[:size])
        assert torch.equal(alone, together[:size])
        assert torch.equal(layer(rows[-size:]), together[-size:])


def test_some_columns_are_those_of_the_whole_before_and_after_packing_anew():
    layer, rows = Int8Linear(layer_of(64, 192)), torch.randn(9, 64)
    whole = layer(rows)
    assert torch.equal(layer(rows, 0, 64), whole[:, :64])
    assert torch.equal(layer(rows, 64), whole[:, 64:])
    assert torch.equal(layer(rows, 32, 100), whole[:, 32:100])
    assert torch.equal(layer(rows), whole)


def test_rows_of_zeros_give_the_bias_and_what_is_not_finite_stays_so():
    layer = Int8Linear(layer_of(64, 32))
    rows = torch.zeros(3, 64)
    rows[1, 5], rows[2, 5] = torch.inf, torch.nan
    found = layer(rows)
    assert torch.equal(found[0], layer.bias)
    assert not found[1:].isfinite().any()


@pytest.mark.parametrize("at_once", [True, False])
def test_quantised_rows_are_rounded_to_the_nearest(at_once, monkeypatch):
    if at_once and not onednn.AT_ONCE:
        pytest.skip("an operator of PyTorch 2.10")
    monkeypatch.setattr(onednn, "AT_ONCE", at_once)
    rows = torch.cat([torch.linspace(-3, 3, 1001)[None], torch.randn(20, 1001)])
    quantised, largest = quantise_rows(rows)
    assert torch.equal(largest, rows.abs().amax(1, keepdim=True))
    steps = (quantised.float() - ZERO) - rows / largest * LARGEST
    assert steps.abs().max() <= 0.5 + 1e-4
    assert quantised[0, 0] == ZERO - LARGEST
    assert quantised[0, -1] == ZERO + LARGEST


def tensors_of(layer: Int8Linear) -> int:
    packed = sum(torch.ops.mkldnn._nbytes(one.packed) for one in layer._columns)
    return packed + sum(buffer.nbytes for buffer in layer.buffers())


def test_it_holds_under_three_tenths_of_the_bytes_of_float32():
    for shape in ((384, 1152), (384, 384), (1536, 384), (768, 3072)):
        layer = layer_of(*shape)
        quantised = Int8Linear(layer)
        float_bytes = layer.weight.nbytes + layer.bias.nbytes
        assert not list(quantised.parameters())
        for rows in (torch.randn(8, shape[0]), torch.randn(300, shape[0])):
            quantised(rows)
            quantised(rows, 0, shape[1] // 3)
            quantised(rows, shape[1] // 3)
        assert tensors_of(quantised) < 0.3 * float_bytes


def test_a_copy_computes_the_same_and_its_state_holds_the_integers():
    layer, rows = Int8Linear(layer_of(64, 48, "gelu")), torch.randn(5, 64)
    layer(rows, 16, 32)
    twin = copy.deepcopy(layer)
    assert torch.equal(twin(rows), layer(rows))
    weight = layer.state_dict()["_extra_state"]
    assert weight.dtype == torch.int8
    assert error(weight * layer.scale[:, None] * LARGEST, layer_of(64, 48).weight) < 0.02
    other = Int8Linear(Linear(64, 48, "gelu"))
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(rows), layer(rows))


def test_channels_of_zeros_are_zero():
    layer = layer_of(32, 8)
    layer.weight[3] = 0
    assert torch.equal(Int8Linear(layer)(torch.randn(4, 32))[:, 3], layer.bias[3].expand(4))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value):
    layer = layer_of(32, 8)
    layer.weight[3, 3] = value
    with pytest.raises(InputError, match="expected finite weights"):
        Int8Linear(layer)


def test_weights_that_lose_too_much_are_refused_by_name_and_nothing_changes():
    model = torch.nn.Sequential(layer_of(256, 8), layer_of(256, 8))
    rows = torch.randn(4, 256)
    expected = model[0](rows)
    model[1].weight[:, 3] = 1000 * model[1].weight.abs().max()
    with pytest.raises(InputError, match=r"^1: .*got some of which 8 bits round 100% to 0; use --dtype float32"):
        quantise(model)
    assert isinstance(model[0], Linear)
    assert torch.equal(model[0](rows), expected)


@pytest.mark.parametrize("shape", [(1536, 384), (768, 3072), (33, 17)])
def test_the_largest_products_are_exact(shape):
    weight = torch.full(shape[::-1], LARGEST, dtype=torch.int8)
    weight[1::2] = -LARGEST
    assert exact_int8(weight)
    rows = torch.full((70, shape[0]), ZERO + LARGEST, dtype=torch.uint8)
    products = multiply_int8(rows, pack_int8(weight), torch.ones(shape[1]))
    assert torch.equal(products[:, 0], torch.full((70,), float(LARGEST * LARGEST * shape[0])))
    assert torch.equal(products[:, 1], -products[:, 0])
    assert torch.equal(unpack_int8(pack_int8(weight)), weight)


EMULATED = """
import torch
from engine.errors import InputError
from engine.model.linear import Linear
from engine.model.onednn import exact_int8, int8_works
from engine.model.precision import set_precision

def refusal(act):
    try:
        act()
    except InputError as error:
        return str(error)

largest = torch.full((64, 256), 127, dtype=torch.int8)
assert not exact_int8(largest)  # the processor is emulated indeed: products saturate
assert exact_int8(largest // 2)  # the operator itself is there
assert not int8_works()
model = torch.nn.Sequential(Linear(64, 64))
assert "VNNI" in refusal(lambda: set_precision(model, "int8", torch.device("cpu")))
chosen = set_precision(model, "auto", torch.device("cpu"))
assert chosen.dtype == "float32", chosen  # bfloat16 is emulated or not there
assert isinstance(model[0], Linear)
"""


@pytest.mark.parametrize("instructions", ["AVX2", "AVX512_CORE"])
def test_without_vnni_it_is_refused_and_auto_takes_float32(instructions):
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": instructions, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", EMULATED], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_flop_counter_knows_its_multiply():
    layer = Int8Linear(layer_of(64, 48))
    with FlopCounterMode(display=False, custom_mapping=flop_formulas()) as counter:
        layer(torch.randn(5, 64))
    assert counter.get_total_flops() == 2 * 5 * 64 * 48
