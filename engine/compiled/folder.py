"""Loads the compiled pass of a model folder."""

from __future__ import annotations

import numpy as np
from safetensors import safe_open

from engine.compiled.compose import Heads
from engine.compiled.layers import Layers
from engine.compiled.parts import AGAIN, Checkpoint, Parts
from engine.compiled.passes import CompiledModel
from engine.errors import InputError
from engine.models.folder import COMPILED, GATES, INT8, ModelFolder
from engine.runtime import check_device, check_machine


def compiled_model(folder: ModelFolder, device: str = "cpu") -> CompiledModel:
    """Loads what a folder stores for the compiled pass.

    Raises:
        InputError: if the device is no CPU, OpenVINO is missing or fails on this machine, or the folder lacks files, or
            has files of other weights.
    """
    check_device(device)
    for name in (INT8, COMPILED):
        if not (folder.path / name).is_file():
            raise InputError(
                f"expected {name} in {folder.source} for dtype int8, got no such file; make it with "
                f"python -m engine.training.quantise {folder.source}" + " --texts FILE" * (name == INT8)
            )
    parts = Parts.load(folder.path / COMPILED)
    parts.check(folder)
    layers = Layers.load(folder.path / INT8)
    if sorted(layers.graphs) != list(range(1, parts.facts.sizes.layers + 1)):
        raise InputError(f"expected {parts.facts.sizes.layers} layers in {INT8}, got others; {AGAIN} --texts FILE")
    check_machine(folder.path / INT8, parts.facts.sizes.hidden)
    checkpoint = Checkpoint(folder.path)
    return CompiledModel(folder, parts, layers, checkpoint, _heads(folder, checkpoint, parts.facts.sizes.layers))


def _heads(folder: ModelFolder, checkpoint: Checkpoint, layers: int) -> Heads:
    """Reads the label heads of a folder's model, in the order of our labels."""
    kinds, order = ("weight", "bias"), list(folder.label_order)
    heads = {layers: [checkpoint.tensor((f"classifier.{kind}",)) for kind in kinds]}
    if folder.has_gates:
        with safe_open(folder.path / GATES, "numpy") as file:
            for number in range(1, layers):
                heads[number] = [file.get_tensor(f"{number}.{kind}").astype(np.float32) for kind in kinds]
    return {number: (weights[order], biases[order]) for number, (weights, biases) in heads.items()}
