"""Every family in 8 bits: near float32, and a batch of N equals N batches of one, bit for bit."""

import copy

import numpy as np
import pytest
import torch

from engine.model.encoders.base import Encoder
from engine.model.int8 import Int8Linear, quantise
from engine.model.onednn import int8_works
from engine.model.packing import RaggedBatch
from tests.engine.model.families import FAMILIES, pair
from tests.engine.model.test_packing import window

pytestmark = pytest.mark.skipif(not int8_works(), reason="x86 with VNNI alone")
WINDOWS = [window([1] * 30, offset=5), window([2, 1] * 10, offset=9), window([1] * 7, offset=20)]


def quantised(family: str) -> tuple[Encoder, Encoder]:
    plain = pair(family)[1].encoder
    small = copy.deepcopy(plain)
    assert quantise(small) >= 4 * small.num_layers
    assert not any(isinstance(module, torch.nn.Linear) for module in small.layers.modules())
    return plain, small


def run(encoder: Encoder, batch: RaggedBatch, *, freeze: bool) -> torch.Tensor:
    """Dense, or with every third word frozen after layer 1."""
    hidden = encoder.layer(1, encoder.embed(batch), batch).hidden
    if freeze:
        batch, rows = batch.freeze(np.arange(len(batch.words)) % 3 > 0)
        hidden = hidden[torch.from_numpy(rows)]
    for number in range(2, encoder.num_layers + 1):
        hidden = encoder.layer(number, hidden, batch).hidden
    return hidden


@torch.no_grad()
@pytest.mark.parametrize("freeze", [False, True], ids=["dense", "freeze"])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_near_float32(family, freeze):
    plain, small = quantised(family)
    batch = RaggedBatch.from_windows(WINDOWS)
    expected, found = run(plain, batch, freeze=freeze), run(small, batch, freeze=freeze)
    assert 0 < (found - expected).norm() / expected.norm() < 0.1
    assert any(isinstance(module, Int8Linear) and len(module._columns) > 1 for module in small.modules()) == freeze


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_a_window_gives_the_same_bits_alone_and_among_others(family):
    small = quantised(family)[1]
    together = run(small, RaggedBatch.from_windows(WINDOWS), freeze=False)
    alone = [run(small, RaggedBatch.from_windows([one]), freeze=False) for one in WINDOWS]
    assert torch.equal(together, torch.cat(alone))
