"""The networks of ``mlp``: samples of words at gates, and the training of a network on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from engine.cli.progress import Progress
from engine.errors import InputError
from engine.pruning.controllers.mlp import FEATURES, NEIGHBOURS
from engine.pruning.gate import OF_LAYER, ArrayGate, Decision, Gate
from engine.pruning.signals import neighbour_max
from engine.pytorch.forward import forward
from engine.pytorch.model import GatedModel
from engine.pytorch.packing import RaggedBatch
from engine.text.windows import Window
from engine.training.trainer import SampledController, draw_thresholds

UNITS, EPOCHS, BATCH = 16, 8, 4096
NEAR_ENTITY = 4.0  # weight of words near an entity, where a wrong exit costs more
WINDOWS = 8  # in a batch


class Samples(NamedTuple):
    """Words at one gate: ``features`` ``(n, features)``, ``changes`` and ``weights`` ``(n,)``."""

    features: np.ndarray
    changes: np.ndarray
    weights: np.ndarray


@torch.inference_mode()
def collect(model: GatedModel, windows: Sequence[Window], names: Sequence[str]) -> dict[int, Samples]:
    """Collects samples with the named features at each gate; every window is pruned."""
    gates = range(1, model.encoder.num_layers)
    samples: dict[int, list[Samples]] = {gate: [] for gate in gates}
    with Progress(f"Collect words at gates from {len(windows)} windows", len(windows)) as progress:
        for begin in range(0, len(windows), WINDOWS):
            batch = RaggedBatch.from_windows(windows[begin : begin + WINDOWS])
            dense = forward(model, batch, (), None).probabilities.argmax(-1)
            collector = Collector(batch, len(gates), names, dense)
            forward(model, batch, gates, collector)
            for gate, of_gate in collector.samples.items():
                samples[gate].append(of_gate)
            progress.advance(len(batch.lengths))
    if missing := [gate for gate, parts in samples.items() if not parts]:
        raise InputError(f"expected words at every gate, got none at {missing}; give more --texts")
    return {gate: Samples(*map(np.concatenate, zip(*parts, strict=True))) for gate, parts in samples.items()}


class Collector(SampledController):
    """A controller with random settings that collects samples at every gate, given the final labels of words."""

    def __init__(self, batch: RaggedBatch, gates: int, names: Sequence[str], dense: np.ndarray) -> None:
        super().__init__(*draw_thresholds(gates, len(batch.lengths), 1.0))
        self.names, self.dense = names, dense
        near_entity = neighbour_max(dense > 0, batch.words.window, NEIGHBOURS)
        self.weights = np.where(near_entity, NEAR_ENTITY, 1.0)
        self.samples: dict[int, Samples] = {}

    @property
    def signals(self) -> frozenset[str]:
        """The features that a gate's layer gives."""
        return OF_LAYER.intersection(self.names)

    def decide(self, gate: Gate) -> Decision:
        """Collects the words that reached a gate."""
        assert isinstance(gate, ArrayGate)
        columns = np.stack([FEATURES[name](gate) for name in self.names], axis=1).astype(np.float32)
        parts = columns, gate.near(gate.labels != self.dense, NEIGHBOURS), self.weights
        self.samples[gate.number] = Samples(*(part[gate.alive] for part in parts))
        return super().decide(gate)


def fit(samples: Samples) -> tuple[np.ndarray, ...]:
    """Trains one gate's network; returns weights and biases that include the standardisation of the inputs."""
    columns = torch.from_numpy(samples.features).float()
    changes, weights = (torch.from_numpy(part).float() for part in (samples.changes, samples.weights))
    mean, std = columns.mean(0), columns.std(0, correction=0).clamp(min=1e-6)
    inner, outer = nn.Linear(columns.shape[1], UNITS), nn.Linear(UNITS, 1)
    optimizer = torch.optim.AdamW([*inner.parameters(), *outer.parameters()], lr=3e-3, weight_decay=1e-3)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(columns)).split(BATCH):
            logits = outer(F.relu(inner((columns[chosen] - mean) / std))).squeeze(1)
            loss = F.binary_cross_entropy_with_logits(logits, changes[chosen], weights[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    weight = inner.weight / std
    arrays = (weight.T, inner.bias - weight @ mean, outer.weight[0], outer.bias)
    return tuple(array.detach().contiguous().numpy() for array in arrays)
