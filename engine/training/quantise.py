"""Quantises a model's layers to 8 bits for OpenVINO: ``python -m engine.training.quantise``.

NNCF calibrates static scales of activations on the rows that each layer sees when texts run under ``dense`` and the
operating points of ``entropy``. The folder gets one more file; its weights stay as they are.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from engine.checkpoint import INT8, model_folder
from engine.checksums import updating
from engine.command import as_command
from engine.data.texts import read_texts
from engine.errors import InputError
from engine.model.layers import LayerOutput
from engine.model.packing import RaggedBatch
from engine.model.runtimes.openvino import Graphs, PaddedLayer, convert, inputs, layers_digest, openvino
from engine.pruning.strategy import Strategy
from engine.tagger import Engine, load_engine

logger = logging.getLogger(__name__)

TEXTS = 100  # more change the scales little, and NNCF keeps all inputs in memory


class InputRecorder:
    """A runtime that computes in PyTorch and stores the inputs of every layer, in the form that its graph takes."""

    def __init__(self, engine: Engine) -> None:
        self.encoder = engine.encoder
        self.inputs: dict[int, list[list[np.ndarray]]] = defaultdict(list)

    def layer(self, number: int, hidden: Tensor, batch: RaggedBatch) -> LayerOutput:
        """Runs a layer."""
        shape, places = inputs(self.encoder, number, batch)
        groups = zip(shape.split(shape.pad(hidden.numpy())), places, strict=True)
        self.inputs[number] += [[rows, rows, *of_places] for rows, of_places in groups]
        self.encoder.runtime = None
        try:
            return self.encoder.layer(number, hidden, batch)
        finally:
            self.encoder.runtime = self


def strategies(engine: Engine) -> list[Strategy]:
    """The strategies to calibrate under: ``dense``, and ``entropy`` at each operating point or with its defaults."""
    if not engine.model.has_gates:
        return [engine.strategy("dense")]
    points = engine.points.get("entropy")
    pruning = [engine.strategy("entropy", point) for point in points] if points else [engine.strategy("entropy")]
    return [engine.strategy("dense"), *pruning]


def check_nncf() -> None:
    """Raises an `InputError` if NNCF is not installed."""
    if not find_spec("nncf"):
        raise InputError("expected the package nncf to quantise, got none; pip install -r requirements-int8.txt")


def quantise(engine: Engine, texts: Sequence[str]) -> Graphs:
    """Quantises the layers of an engine's model, in float32 on the CPU, to 8 bits; the model stays unchanged.

    The texts for calibration run in turn under each of `strategies`.
    """
    check_nncf()
    openvino()  # switches telemetry off, which NNCF would also send
    import nncf

    recorder = engine.encoder.runtime = InputRecorder(engine)
    try:
        for text, strategy in zip(tqdm(texts[:TEXTS], unit="text", disable=None), itertools.cycle(strategies(engine))):
            engine.tag(text, strategy)
    finally:
        engine.encoder.runtime = None
    sample = min(recorder.inputs[1], key=lambda one: one[0].size)
    layers = {}
    for number in tqdm(range(1, engine.encoder.num_layers + 1), unit="layer", disable=None):
        seen = recorder.inputs.pop(number)
        graph = convert(engine.encoder, number)
        with redirect_stdout(sys.stderr):  # its progress bars
            quantised = nncf.quantize(
                graph, nncf.Dataset(seen), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(seen)
            )
        layers[number] = serialised(quantised)
    with torch.no_grad():
        output = PaddedLayer(engine.encoder, 1)(*map(torch.from_numpy, sample)).numpy()
    return Graphs(layers, layers_digest(engine.encoder), (sample, output))


def serialised(graph: Any) -> tuple[bytes, bytes]:
    """Converts a graph to OpenVINO's IR: XML and weights."""
    with tempfile.TemporaryDirectory() as folder:
        xml, weights = Path(folder, "layer.xml"), Path(folder, "layer.bin")
        openvino().serialize(graph, str(xml), str(weights))
        return xml.read_bytes(), weights.read_bytes()


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.quantise", description=__doc__)
    parser.add_argument("model", type=Path, help="model folder to add the layers in 8 bits to")
    parser.add_argument(
        "--texts", required=True, nargs="+", metavar="FILE", help="calibration texts in any format; 100 are used"
    )
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    folder = model_folder(arguments.model)
    graphs = quantise(load_engine(folder), read_texts(arguments.texts))
    with updating(folder, INT8) as fresh:
        graphs.save(fresh)
    print(f"the layers in 8 bits are in {folder / INT8}; --dtype int8 runs them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
