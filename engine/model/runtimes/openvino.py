"""Runs layers in 8 bits on OpenVINO, with one graph for each layer, as `engine.training.quantise` stored them.

Weights and activations have static scales, so a text's result does not depend on its neighbours in the batch. A graph
computes windows padded to one length, and every strategy uses the same graphs, with fewer rows after words exit.
Embeddings, label heads and attention statistics stay in PyTorch.
"""

from __future__ import annotations

import copy
import hashlib
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from io import BytesIO
from pathlib import Path
from threading import local
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import Tensor, nn

from engine.errors import InputError, first_line
from engine.model.attention import once
from engine.model.layers import LayerOutput
from engine.model.linear import Linear
from engine.model.packing import RaggedBatch
from engine.model.padding import Rows, pad_windows
from engine.model.threads import runtime_threads
from engine.runs import cached

if TYPE_CHECKING:
    from engine.model.encoders import Encoder

LARGEST_ERROR = 0.2  # of layer 1 in 8 bits ÷ standard deviation of its float32 output; usually 0.03


def openvino() -> Any:
    """Imports the library; raises an `InputError` if it is not installed."""
    # Without this optional package, OpenVINO and NNCF send no telemetry.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        return import_module("openvino")
    except ImportError as error:
        raise InputError(
            "expected the package openvino for dtype int8, got none; pip install openvino, or use --dtype float32"
        ) from error


@cache
def _core() -> tuple[Any, int]:
    """OpenVINO's entry point, and the id of the process that created it."""
    return openvino().Core(), os.getpid()


def core() -> Any:
    """OpenVINO's entry point; raises an `InputError` in a process forked after its first use, without its threads."""
    found, process = _core()
    if process != os.getpid():
        raise InputError(
            "expected a process that was forked before the first call in int8, got one forked after it; "
            "start processes with spawn, or use --dtype float32"
        )
    return found


class PaddedLayer(nn.Module):
    """A layer in the form that OpenVINO converts: padded windows, and separate query, key and value weights."""

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
        self.scores = partial(encoder.scores, number)

    def forward(self, active: Tensor, visible: Tensor, *placed: Tensor) -> Tensor:
        """Runs the layer on ``active`` rows, ``(windows, queries, hidden)``, which attend to ``visible`` ones.

        A batch has the same rows as both. Two inputs let the quantiser give queries and keys scales of their own.
        """
        seen = self.layer.normed(visible)
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query(self.layer.normed(active)), self.key(seen), self.value(seen))
        )
        attended = self.scores(query, key, *placed).softmax(-1) @ value
        return self.layer.update(active, attended.transpose(1, 2).flatten(2))


def _linear_copy(weight: Tensor, bias: Tensor) -> nn.Linear:
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.load_state_dict({"weight": weight.detach(), "bias": bias.detach()})
    return made


@torch.no_grad()  # what requires gradients cannot become a constant
def convert(encoder: Encoder, number: int) -> Any:
    """Converts a layer of a float32 encoder to an ``openvino.Model`` for any number of windows and rows."""
    windows, queries, keys = free = (2, 24, 40)
    places = encoder.placed(number, *(np.tile(np.arange(rows), (windows, 1)) for rows in (queries, keys)))
    hidden = [torch.zeros(windows, rows, encoder.hidden_size) for rows in (queries, keys)]
    example = (*hidden, *map(torch.from_numpy, places))
    shapes = [[-1 if size in free else size for size in one.shape] for one in example]
    runtime = openvino()
    layer, free_shapes = PaddedLayer(encoder, number).eval(), [runtime.PartialShape(one) for one in shapes]
    layer(*example)  # what depends on weights alone is cached now: torch 2.7 traces no parameters of other modules
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # the head size is a constant
        return runtime.convert_model(layer, example_input=example, input=free_shapes)


def inputs(encoder: Encoder, number: int, batch: RaggedBatch) -> tuple[Rows, list[tuple[np.ndarray, ...]]]:
    """Pads a batch and returns, for each group, the inputs of a layer's graph other than hidden states.

    The result is cached for all layers of the same kind.
    """

    def make() -> tuple[Rows, list[tuple[np.ndarray, ...]]]:
        found = pad_windows(batch)
        positions = found.split(found.position)
        return found, [tuple(map(np.ascontiguousarray, encoder.placed(number, one, one))) for one in positions]

    return once(batch, ("padded", encoder.kind(number)), make)


@dataclass(frozen=True, eq=False)
class Graphs:
    """A model's layers in 8 bits.

    ``layers``: layer number → OpenVINO IR of its graph (XML, weights).
    ``digest``: SHA-256 of the float32 layers that the graphs were made from.
    ``sample``: inputs of layer 1 and its float32 output, to check that a machine computes the layer correctly.
    """

    layers: dict[int, tuple[bytes, bytes]]
    digest: str
    sample: tuple[list[np.ndarray], np.ndarray]

    @classmethod
    def load(cls, path: Path) -> Graphs:
        """Loads the graphs from a file that `save` wrote; raises an `InputError` if it is none."""
        try:
            with safe_open(path, "numpy") as file:
                stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                digest = file.metadata()["layers"]
            numbers = sorted(int(name.partition(".")[0]) for name in stored if name.endswith(".xml"))
            layers = {n: (stored[f"{n}.xml"].tobytes(), stored[f"{n}.bin"].tobytes()) for n in numbers}
            inputs = [stored[name] for name in sorted(stored) if name.startswith("input.")]
            return cls(layers, digest, (inputs, stored["output"]))
        except Exception as error:  # the library raises its own types
            raise InputError(
                f"expected layers in 8 bits in {path}, got {first_line(error)}; restore the file, or make it again "
                "with python -m engine.training.quantise"
            ) from error

    def save(self, path: Path) -> None:
        """Saves the graphs to a safetensors file."""
        inputs, output = self.sample
        stored = {f"input.{index}": one for index, one in enumerate(inputs)} | {"output": output}
        for number, (xml, weights) in self.layers.items():
            stored[f"{number}.xml"], stored[f"{number}.bin"] = (np.frombuffer(x, np.uint8) for x in (xml, weights))
        save_file(stored, path, metadata={"layers": self.digest})

    def check(self, encoder: Encoder) -> None:
        """Raises an `InputError` unless the graphs were made from this encoder's layers."""
        if self.digest != layers_digest(encoder):
            raise InputError(
                "expected layers in 8 bits made from these weights, got layers of other weights; make them again with "
                "python -m engine.training.quantise"
            )


def layers_digest(encoder: Encoder) -> str:
    """SHA-256 of the weights of an encoder's layers."""
    digest = hashlib.sha256()
    for value in encoder.layers.state_dict().values():
        digest.update(value.detach().float().contiguous().numpy(force=True).tobytes())
    return digest.hexdigest()


def error_of_sample(graphs: Graphs) -> float:
    """Root-mean-square error of layer 1 in 8 bits ÷ standard deviation of its float32 output."""
    inputs, expected = graphs.sample
    compiled = _compile(*graphs.layers[1], torch.get_num_threads())
    found = compiled.create_infer_request().infer(inputs)[0]
    return float(np.sqrt(np.mean((found - expected) ** 2)) / expected.std())


def check_machine(path: Path, graphs: Graphs) -> None:
    """Raises an `InputError` unless this machine computes the layers in a file, already loaded, correctly.

    On some processors, some versions of OpenVINO crash or compute wrong numbers. A separate process therefore tries
    the layers, until they have run once with this processor, version and size of layers.
    """
    size = graphs.sample[1].shape[-1]

    def try_layers() -> str:
        found_here = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", __name__, str(path)]
        process = subprocess.run(command, capture_output=True, text=True, env=found_here)
        if process.returncode:
            lines = process.stderr.strip().splitlines() or [f"its process ended with status {process.returncode}"]
            # Not cached: memory may have run out, for example.
            raise InputError(
                f"expected a machine that runs dtype int8, got one on which OpenVINO fails: {lines[-1]}; "
                "use --dtype float32"
            )
        return "works"

    cached("openvino.json", f"OpenVINO {openvino().__version__}, layers {size} wide", try_layers)


class OpenVINORuntime:
    """Runs the layers of a float32 encoder by their graphs."""

    def __init__(self, encoder: Encoder, graphs: Graphs) -> None:
        self.encoder, self.graphs = encoder, graphs
        self._tensor = partial(openvino().Tensor, shared_memory=True)
        self._requests = local()

    def __str__(self) -> str:
        """Identifies what results depend on: the library's version and the graphs."""
        digest = hashlib.sha256(b"".join(part for graph in self.graphs.layers.values() for part in graph))
        return f"OpenVINO {openvino().__version__}, layers {digest.hexdigest()}"

    def layer(self, number: int, hidden: Tensor, batch: RaggedBatch) -> LayerOutput:
        """Runs layer ``number`` on ``(rows, hidden)``."""
        request = self._request(number)
        shape, places = inputs(self.encoder, number, batch)
        padded = shape.pad(hidden.numpy())
        output = np.empty_like(padded)
        for rows, of_rows, of_places in zip(shape.split(padded), shape.split(output), places, strict=True):
            for index, one in enumerate((rows, rows, *of_places)):
                request.set_input_tensor(index, self._tensor(one))
            request.set_output_tensor(0, self._tensor(of_rows))
            request.infer(share_outputs=True)
        updated = shape.unpad(output)
        layer: Any = self.encoder.layers[number - 1]
        placing = self.encoder.placing
        return LayerOutput(torch.from_numpy(updated), lambda: layer.attention(hidden, batch, placing(number, batch)))

    def _request(self, number: int) -> Any:
        """Returns this thread's inference request for a layer.

        Each thread compiles its own graphs, because calls to a shared compiled graph run in the runtime's own threads,
        which costs a quarter of the time.
        """
        key = (number, runtime_threads(), os.getpid())
        requests: dict[tuple[int, int, int], Any] = self._requests.__dict__.setdefault("by_layer", {})
        if key not in requests:
            requests[key] = _compile(*self.graphs.layers[number], runtime_threads()).create_infer_request()
        return requests[key]


def _compile(xml: bytes, weights: bytes, threads: int) -> Any:
    return core().compile_model(core().read_model(BytesIO(xml), BytesIO(weights)), "CPU", properties(threads))


def properties(threads: int) -> dict[str, Any]:
    """OpenVINO's properties of a graph that one thread compiles for itself and runs with ``threads`` threads."""
    return {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # threads of several graphs would be pinned to the same processors
    }


if __name__ == "__main__":
    found = error_of_sample(Graphs.load(Path(sys.argv[1])))
    if not found < LARGEST_ERROR:
        sys.exit(f"layer 1 differs by {found:.2f} of its deviation from float32")
