"""The packed multiply equals PyTorch's, and never uses outdated weights."""

import pytest
import torch

from engine.model.linear import PACKABLE, Linear, packs


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
