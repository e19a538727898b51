"""The packed multiply equals PyTorch's, and never uses outdated weights."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.pytorch.linear import PACKABLE, Linear, packs, rounded


def plain(layer: Linear, rows: torch.Tensor) -> torch.Tensor:
    with torch.enable_grad():
        assert not packs(rows)
        return layer(rows).detach()


@torch.no_grad()
@pytest.mark.parametrize("activation", [None, "gelu", "gelu_new", "relu"])
def test_packed_weights_give_the_same(activation):
    layer, rows = Linear(16, 24, activation), torch.randn(5, 16)
    assert packs(rows) == PACKABLE
    torch.testing.assert_close(layer(rows), plain(layer, rows), atol=1e-5, rtol=0)


@pytest.mark.skipif(not PACKABLE, reason="oneDNN on x86 alone")
@torch.no_grad()
def test_without_gradients_weights_are_packed_once():
    layer, rows = Linear(16, 24), torch.randn(3, 16)
    assert packs(rows)
    layer(rows)
    packed = layer._packed
    layer(torch.randn(7, 16))
    assert layer._packed is packed


def test_a_step_of_training_and_loaded_weights_are_seen():
    layer, rows = Linear(16, 24), torch.randn(3, 16)
    with torch.no_grad():
        layer(rows)
    layer(rows).sum().backward()
    torch.optim.SGD(layer.parameters(), lr=0.5).step()
    with torch.no_grad():
        torch.testing.assert_close(layer(rows), plain(layer, rows), atol=1e-5, rtol=0)
        layer.load_state_dict({"weight": torch.ones(24, 16), "bias": torch.zeros(24)})
        torch.testing.assert_close(layer(rows), rows.sum(1, keepdim=True).expand(3, 24), atol=1e-5, rtol=0)


@given(count=st.integers(1, 3000))
def test_rounding_adds_few_rows_of_zeros_and_leaves_few_different_numbers(count):
    rows = torch.ones(count, 1)
    with torch.no_grad():
        more = rounded(rows)
        assert torch.equal(more[:count], rows)
        assert not more[count:].any()
        assert len(more) - count < max(8, count // 8)
        assert len({len(rounded(torch.ones(n, 1))) for n in (count, len(more))}) == 1
    assert rounded(rows) is rows  # unchanged with gradients in float32
