"""Trains the networks of ``mlp`` for a model folder: ``python -m engine.training.controller``.

Unlabelled texts, preferably ones that the encoder was not trained on, run once densely and once pruned with random
settings. At each gate a network learns from cheap features of the remaining words whether the final dense label of a
word or of a neighbour differs from the gate's. No gold is needed.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm
from transformers import set_seed

from engine.cli.command import as_command
from engine.errors import InputError
from engine.formats.texts import read_texts
from engine.models.checksums import updating
from engine.models.folder import CONTROLLER, model_folder
from engine.pruning.controllers.mlp import FEATURES, NEIGHBOURS, Network, features
from engine.pruning.gate import Decision, GateView
from engine.pruning.signals import neighbour_max
from engine.pytorch.forward import forward
from engine.pytorch.gated import GatedModel
from engine.pytorch.packing import RaggedBatch
from engine.tagger import load_engine
from engine.text.windows import Window
from engine.text.words import words_of
from engine.training.loop import SampledController

logger = logging.getLogger(__name__)

TEXTS = 800  # that are used, the last ones
UNITS, EPOCHS, BATCH = 16, 8, 4096
NEAR_ENTITY = 4.0  # weight of words near an entity, where a wrong exit costs more
WINDOWS = 8  # in a batch


class Samples(NamedTuple):
    """Words at one gate: ``features`` ``(n, features)``, ``changes`` and ``weights`` ``(n,)``."""

    features: np.ndarray
    changes: np.ndarray
    weights: np.ndarray


@torch.inference_mode()
def collect(model: GatedModel, windows: Sequence[Window]) -> dict[int, Samples]:
    """Collects samples at each gate; every window is pruned."""
    gates = range(1, model.encoder.num_layers)
    found: dict[int, list[Samples]] = {gate: [] for gate in gates}
    for begin in tqdm(range(0, len(windows), WINDOWS), desc="windows", disable=None):
        batch = RaggedBatch.from_windows(windows[begin : begin + WINDOWS])
        for gate, samples in _samples_of_batch(model, batch, gates).items():
            found[gate].append(samples)
    if missing := [gate for gate, parts in found.items() if not parts]:
        raise InputError(f"expected words at every gate, got none at {missing}; give more --texts")
    return {gate: Samples(*map(np.concatenate, zip(*parts, strict=True))) for gate, parts in found.items()}


def _samples_of_batch(model: GatedModel, batch: RaggedBatch, gates: Sequence[int]) -> dict[int, Samples]:
    dense = forward(model, batch, (), None).probabilities.argmax(-1)
    weights = np.where(neighbour_max(dense > 0, batch.words.window, NEIGHBOURS), NEAR_ENTITY, 1.0)
    controller = SampledController.draw(len(gates), len(batch.lengths), 1.0)
    found: dict[int, Samples] = {}

    def record(gate: GateView) -> Decision:
        parts = features(gate, tuple(FEATURES)), gate.near(gate.labels != dense, NEIGHBOURS), weights
        found[gate.number] = Samples(*(part[gate.alive] for part in parts))
        return controller(gate)

    forward(model, batch, gates, record)
    return found


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


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.controller", description=__doc__)
    add = parser.add_argument
    add("--model", required=True, type=Path, help="model folder with gates; the networks go into it")
    add("--texts", required=True, nargs="+", metavar="FILE", help="texts in any format; the last 800 are used")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    folder = model_folder(arguments.model)
    engine = load_engine(folder, "float32")
    engine.strategy("truncate-1")  # refuses a model without gates
    set_seed(0)
    texts = read_texts(arguments.texts)[-TEXTS:]
    windows = [window for text in texts for window in engine.pieces.windows(words_of(text))]
    layers = {}
    for gate, samples in collect(engine.model, windows).items():
        logger.info("gate %d: %d words, %.2f%% change", gate, len(samples.changes), 100 * samples.changes.mean())
        layers[gate] = fit(samples)
    with updating(folder, CONTROLLER) as fresh:
        Network(tuple(FEATURES), layers).save(fresh)
    print(
        f"the networks are in {folder / CONTROLLER}; choose operating points with python -m engine.training.calibrate"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
