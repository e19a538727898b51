"""The networks of ``mlp``: samples of words at gates, and the training of a network on them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from engine.cli.progress import progress
from engine.errors import InputError
from engine.pruning.controllers.mlp import FEATURES, NEIGHBOURS
from engine.pruning.gate import ArrayGate
from engine.pruning.signals import neighbour_max
from engine.pytorch.forward import forward
from engine.pytorch.model import GatedModel
from engine.pytorch.packing import RaggedBatch
from engine.text.windows import Window
from engine.training.trainer import SampledController, draw_thresholds

UNITS, EPOCHS, BATCH = 16, 8, 4096
NEAR_ENTITY = 4.0  # weight of words near an entity, where a wrong exit costs more


class Samples(NamedTuple):
    """Words at one gate: ``features`` ``(n, features)``, ``changes`` and ``weights`` ``(n,)``."""

    features: np.ndarray
    changes: np.ndarray
    weights: np.ndarray


@torch.inference_mode()
def collect(model: GatedModel, windows: Sequence[Window], names: Sequence[str]) -> dict[int, Samples]:
    """Collects samples with the named features at each gate; every window is pruned."""
    layers = model.encoder.num_layers
    samples: dict[int, list[Samples]] = {gate: [] for gate in range(1, layers)}
    with progress(what=f"Collect words at gates from {len(windows)} windows", total=len(windows)) as bar:
        for batch in RaggedBatch.in_turn(windows):
            dense = forward(model, batch, (), None).probabilities.argmax(-1)
            words = batch.words
            weights = np.where(neighbour_max(dense > 0, words.window, NEIGHBOURS), NEAR_ENTITY, 1.0)
            controller = SampledController(*draw_thresholds(layers - 1, len(batch.lengths), 1.0), frozenset(names))
            for index, at in enumerate(forward(model, batch, range(1, layers), controller).gates):
                gate = ArrayGate(at.number, index, words, at.is_alive, at.probabilities, model.labels, {}, at.signals)
                features = np.stack([FEATURES[name](gate) for name in names], axis=1).astype(np.float32)
                parts = features, gate.near(gate.labels != dense, NEIGHBOURS), weights
                samples[gate.number].append(Samples(*(part[gate.is_alive] for part in parts)))
            bar.update(len(batch.lengths))
    if missing := [gate for gate, parts in samples.items() if not any(len(part.changes) for part in parts)]:
        raise InputError(f"No words reach these gates: {', '.join(map(str, missing))}. Give more --texts.")
    return {gate: Samples(*map(np.concatenate, zip(*parts, strict=True))) for gate, parts in samples.items()}


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
