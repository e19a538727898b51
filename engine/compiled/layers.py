"""Encoder layers in 8 bits, one graph each, as `engine.training.quantise` stores them in ``int8.safetensors``.

Weights and activations have static scales, so a text's result does not depend on other texts. ``python -m
engine.compiled.layers FILE`` tries layer 1 on its sample.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from engine.errors import InputError, first_line
from engine.runtime import compile_model, core

LARGEST_ERROR = 0.2  # of layer 1 in 8 bits ÷ standard deviation of its float32 output; usually 0.03
Graph = tuple[bytes, bytes]  # OpenVINO's IR: XML and constants


def packed(graphs: Mapping[Any, Graph]) -> dict[str, np.ndarray]:
    """Graphs by name as the tensors of a safetensors file."""
    tensors = {}
    for name, graph in graphs.items():
        tensors[f"{name}.xml"], tensors[f"{name}.bin"] = (np.frombuffer(part, np.uint8) for part in graph)
    return tensors


def unpacked(tensors: Mapping[str, np.ndarray]) -> dict[str, Graph]:
    """The graphs among the tensors of a file."""
    names = sorted(name.removesuffix(".xml") for name in tensors if name.endswith(".xml"))
    return {name: (tensors[f"{name}.xml"].tobytes(), tensors[f"{name}.bin"].tobytes()) for name in names}


def read_graph(graph: Graph) -> Any:
    """Reads an ``openvino.Model`` from its IR."""
    return core().read_model(*map(BytesIO, graph))


@dataclass(frozen=True, eq=False)
class Layers:
    """A model's layers in 8 bits.

    ``graphs``: layer number → its graph. Its inputs are hidden states ``(1, rows, hidden)``, twice in files of version
    0.2, and what `Encoder.placed` returns; its output is hidden states.
    ``digest``: SHA-256 of the float32 layers that the graphs were made from.
    ``sample``: inputs of layer 1 and its float32 output, to check that a machine computes the layer correctly.
    """

    graphs: dict[int, Graph]
    digest: str
    sample: tuple[list[np.ndarray], np.ndarray]

    @classmethod
    def load(cls, path: Path) -> Layers:
        """Loads the layers from a file that `save` wrote; raises an `InputError` if it is none."""
        try:
            with safe_open(path, "numpy") as file:
                stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                digest = file.metadata()["layers"]
            graphs = {int(name): graph for name, graph in unpacked(stored).items()}
            inputs = [stored[name] for name in sorted(stored) if name.startswith("input.")]
            return cls(graphs, digest, (inputs, stored["output"]))
        except Exception as error:  # the library raises its own types
            raise InputError(
                f"expected layers in 8 bits in {path}, got {first_line(error)}; restore the file, or make it again "
                "with python -m engine.training.quantise"
            ) from error

    def save(self, path: Path) -> None:
        """Saves the layers to a safetensors file."""
        inputs, output = self.sample
        sample = {f"input.{index}": one for index, one in enumerate(inputs)} | {"output": output}
        save_file(sample | packed(self.graphs), path, metadata={"layers": self.digest})

    def error_of_sample(self) -> float:
        """Root-mean-square error of layer 1 in 8 bits ÷ standard deviation of its float32 output."""
        inputs, expected = self.sample
        found = compile_model(read_graph(self.graphs[1]), 1).create_infer_request().infer(inputs)[0]
        return float(np.sqrt(np.mean((found - expected) ** 2)) / expected.std())


if __name__ == "__main__":
    error = Layers.load(Path(sys.argv[1])).error_of_sample()
    if not error < LARGEST_ERROR:
        sys.exit(f"layer 1 differs by {error:.2f} of its deviation from float32")
