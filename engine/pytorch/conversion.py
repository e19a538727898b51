"""Converts parts of an encoder to graphs of OpenVINO, each for one window of any number of rows.

Only `engine.training.quantise` does this. Large weights outside layers become inputs of their graph, since the
checkpoint has them already.
"""

from __future__ import annotations

import copy
import hashlib
import math
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.pytorch.encoders import Encoder
from engine.pytorch.linear import Linear
from engine.runtime import openvino, operations

LARGE = 10_000  # weights of a tensor from which it is an input
ROWS = 24  # of the example that is traced


class WindowLayer(nn.Module):
    """A layer in the form that OpenVINO converts: one window, and separate query, key and value weights."""

    def __init__(self, encoder: Encoder, number: int) -> None:
        super().__init__()
        layer: Any = copy.deepcopy(encoder.layers[number - 1])
        parts = zip(layer.qkv.weight.chunk(3), layer.qkv.bias.chunk(3), strict=True)
        self.query, self.key, self.value = (_linear_copy(weight, bias) for weight, bias in parts)
        for name, module in list(layer.named_children()):
            if isinstance(module, Linear):
                setattr(layer, name, nn.Sequential(_linear_copy(module.weight, module.bias), module._activation))
        del layer.qkv
        self.layer, self.heads = layer, encoder.num_heads
        self.place = partial(encoder.place, number)

    def forward(self, hidden: Tensor, *placed: Tensor) -> Tensor:
        """Runs the layer on ``(1, rows, hidden)``; ``placed`` is what `Encoder.placed` returns."""
        seen = self.layer.normed(hidden)
        query, key, value = (
            part(seen).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        query, key, bias = self.place(query, key, *placed)
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        attended = (scores if bias is None else scores + bias).softmax(-1) @ value
        return self.layer.update(hidden, attended.transpose(1, 2).flatten(2))


class Method(nn.Module):
    """A method of an encoder as a module."""

    def __init__(self, encoder: Encoder, name: str, *first: int) -> None:
        super().__init__()
        self.encoder, self.name, self.first = encoder, name, first

    def forward(self, *given: Tensor) -> Any:
        """Calls the method."""
        return getattr(self.encoder, self.name)(*self.first, *given)


def _linear_copy(weight: Tensor, bias: Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.load_state_dict({"weight": weight.detach(), "bias": bias.detach()})
    return made


def positions() -> Tensor:
    """Positions of the example, int32 ``(1, rows)``."""
    return torch.arange(ROWS, dtype=torch.int32)[None]


def _convert(module: nn.Module, example: tuple[Tensor, ...], names: Sequence[str]) -> Any:
    """Converts a module to an ``openvino.Model`` whose inputs have these names, for any number of rows."""
    shapes = [[-1 if size == ROWS else size for size in one.shape] for one in example]
    runtime = openvino()
    with warnings.catch_warnings(), torch.no_grad():  # what requires gradients cannot become a constant
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # sizes of heads are constants
        module(*example)  # what depends on weights alone is cached now: torch 2.7 traces no parameters of others
        graph = runtime.convert_model(
            module.eval(), example_input=example, input=[runtime.PartialShape(shape) for shape in shapes]
        )
    for parameter, name in zip(graph.get_parameters(), names, strict=True):
        parameter.set_friendly_name(name)
    return graph


def convert_layer(encoder: Encoder, number: int) -> Any:
    """Converts a layer of a float32 encoder; its inputs are hidden states and what `Encoder.placed` returns."""
    placed = encoder.placed(number, positions())
    hidden = torch.zeros(1, ROWS, encoder.hidden_size)
    names = ["hidden", *(f"placed{index}" for index in range(len(placed)))]
    return _convert(WindowLayer(encoder, number), (hidden, *placed), names)


def convert_rest(encoder: Encoder) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    """Converts all of a float32 encoder but its layers.

    Returns:
        The graphs by the names that `engine.compiled.compose` knows, and the checkpoint's names for the large weights
        that are inputs of these graphs.
    """
    ids, hidden = positions(), torch.zeros(1, ROWS, encoder.hidden_size)
    made = {"embedding": _convert(Method(encoder, "embedded"), (ids, ids), ["input_ids", "position_ids"])}
    for number in range(1, encoder.num_layers + 1):
        if (name := f"placed.{encoder.kind(number)}") not in made and encoder.placed(number, ids):
            made[name] = _convert(Method(encoder, "placed", number), (ids,), ["position"])
    for name, number in {"features": 1, "features.last": encoder.num_layers}.items():
        if encoder.features(number, hidden) is not hidden:
            made[name] = _convert(Method(encoder, "features", number), (hidden,), ["hidden"])
    weights: dict[str, tuple[str, ...]] = {}
    for graph in made.values():
        for name in _take_out_weights(graph, encoder):
            weights[name] = tuple(encoder.huggingface_names(name))
    return made, weights


def _take_out_weights(graph: Any, encoder: Encoder) -> list[str]:
    """Makes the large weights in a graph inputs with the encoder's names for them, which it returns."""
    taken = []
    state = {name: value for name, value in encoder.state_dict().items() if value.numel() > LARGE}
    for node in graph.get_ordered_ops():
        if node.get_type_name() != "Constant":
            continue
        for name, value in state.items():
            if tuple(node.shape) == tuple(value.shape) and np.array_equal(node.data, value.numpy()):
                parameter = operations().parameter(list(value.shape), openvino().Type.f32)
                node.output(0).replace(parameter.output(0))
                parameter.set_friendly_name(name)
                graph.add_parameters([parameter])
                taken.append(name)
                break
    return taken


def layers_digest(encoder: Encoder) -> str:
    """SHA-256 of the weights of an encoder's layers."""
    digest = hashlib.sha256()
    for value in encoder.layers.state_dict().values():
        digest.update(value.detach().float().contiguous().numpy(force=True).tobytes())
    return digest.hexdigest()
