"""Makes what the compiled pass needs of a model: ``python -m engine.training.quantise``.

NNCF quantises layers to 8 bits, with static scales of activations, calibrated on the rows that each layer sees when
texts run under ``dense`` and the operating points of ``entropy``. The rest of the encoder is converted as it is. The
folder gets two more files; its weights stay as they are. Without texts, layers that were made before are used again.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from engine.cli.command import as_command
from engine.compiled.layers import Graph, Layers
from engine.compiled.parts import Checkpoint, Facts, Parts, configuration_digest
from engine.errors import InputError
from engine.formats.texts import read_texts
from engine.models.checksums import sha256_of, updating
from engine.models.folder import COMPILED, CONTROLLER, GATES, INT8, model_folder, read_config, relevant
from engine.pruning.strategy import Strategy
from engine.pytorch.checkpoint import weights_digest
from engine.pytorch.conversion import WindowLayer, convert_layer, convert_rest, layers_digest
from engine.pytorch.encoders import Encoder
from engine.runtime import openvino
from engine.tagger import Engine, load_engine

TEXTS = 100  # more change the scales little, and NNCF keeps all inputs in memory


@contextmanager
def recorded(encoder: Encoder) -> Iterator[dict[int, list[list[np.ndarray]]]]:
    """Yields the inputs of every layer's graph, window by window, of the passes that run meanwhile."""
    found: dict[int, list[list[np.ndarray]]] = defaultdict(list)

    def record(number: int, arguments: tuple[Any, ...]) -> None:
        hidden, batch, _ = arguments
        position = torch.from_numpy(batch.position)
        for rows, at in zip(hidden.split(batch.lengths), position.split(batch.lengths), strict=True):
            if len(rows):
                inputs = (rows[None], *encoder.placed(number, at[None].int()))
                found[number].append([one.numpy(force=True) for one in inputs])

    hooks = [
        layer.register_forward_pre_hook(lambda _, arguments, number=number: record(number, arguments))
        for number, layer in enumerate(encoder.layers, start=1)
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def strategies(engine: Engine) -> list[Strategy]:
    """The strategies to calibrate under: ``dense``, and ``entropy`` at each operating point or with its defaults."""
    if not engine.has_gates:
        return [engine.strategy("dense")]
    points = engine.points.get("entropy")
    pruning = [engine.strategy("entropy", point) for point in points] if points else [engine.strategy("entropy")]
    return [engine.strategy("dense"), *pruning]


def check_nncf() -> None:
    """Raises an `InputError` if NNCF is not installed."""
    if not find_spec("nncf"):
        raise InputError("expected the package nncf to quantise, got none; pip install -r requirements-int8.txt")


def quantise(engine: Engine, texts: Sequence[str]) -> Layers:
    """Quantises the layers of an engine's model, in float32 on the CPU, to 8 bits; the model stays unchanged.

    The texts for calibration run in turn under each of `strategies`.
    """
    check_nncf()
    openvino()  # switches telemetry off, which NNCF would also send
    import nncf

    encoder = engine.encoder
    with recorded(encoder) as inputs:
        for text, strategy in zip(tqdm(texts[:TEXTS], unit="text", disable=None), itertools.cycle(strategies(engine))):
            engine.tag(text, strategy)
    sample = min(inputs[1], key=lambda one: one[0].size)
    graphs = {}
    for number in tqdm(range(1, encoder.num_layers + 1), unit="layer", disable=None):
        seen = inputs.pop(number)
        with redirect_stdout(sys.stderr):  # its progress bars
            graph = nncf.quantize(
                convert_layer(encoder, number),
                nncf.Dataset(seen),
                model_type=nncf.ModelType.TRANSFORMER,
                subset_size=len(seen),
            )
        graphs[number] = serialised(graph)
    with torch.no_grad():
        output = WindowLayer(encoder, 1)(*map(torch.from_numpy, sample)).numpy()
    return Layers(graphs, layers_digest(encoder), (sample, output))


def make_parts(engine: Engine, folder: Path) -> Parts:
    """Converts all of a folder's model but its layers, which the folder already has in 8 bits.

    Raises:
        InputError: if the checkpoint's files do not hold the weights as the graphs need them.
    """
    graphs, weights = convert_rest(engine.encoder)
    checkpoint, state = Checkpoint(folder), engine.encoder.state_dict()
    for name, tensors in weights.items():
        if not np.array_equal(checkpoint.tensor(tensors), state[name].numpy(force=True)):
            raise InputError(
                f"expected {tensors[0]} in {folder} as it is loaded, got others; save the checkpoint again"
            )
    files = [*checkpoint.files, *(folder / name for name in (INT8, GATES, CONTROLLER) if (folder / name).is_file())]
    pieces = engine.pieces
    facts = Facts(
        sizes=engine.model.sizes,
        max_rows=engine.encoder.max_rows,
        first_position=engine.encoder.first_position,
        kinds=tuple(map(engine.encoder.kind, range(1, engine.sizes.layers + 1))),
        weights=weights,
        tokens=(pieces.cls_id, pieces.sep_id, pieces.unk_id),
        pieces=pieces.digest(),
        digest=weights_digest(engine.model, engine.network),
        checksums={file.name: sha256_of(file) for file in files},
        configuration=configuration_digest(relevant(read_config(folder, folder))),
    )
    return Parts(facts, {name: serialised(graph) for name, graph in graphs.items()})


def serialised(graph: Any) -> Graph:
    """Converts a graph to OpenVINO's IR: XML and constants."""
    with tempfile.TemporaryDirectory() as folder:
        xml, constants = Path(folder, "graph.xml"), Path(folder, "graph.bin")
        openvino().serialize(graph, str(xml), str(constants))
        return xml.read_bytes(), constants.read_bytes()


def add_compiled(folder: Path, texts: Sequence[str] | None) -> None:
    """Adds what the compiled pass needs to a model folder; without texts, its layers in 8 bits stay."""
    engine = load_engine(folder, "float32")
    if texts is not None:
        layers = quantise(engine, texts)
        with updating(folder, INT8) as fresh:
            layers.save(fresh)
    elif not (folder / INT8).is_file():
        raise InputError(f"expected layers in 8 bits in {folder}, got none; make them with --texts FILE")
    elif Layers.load(folder / INT8).digest != layers_digest(engine.encoder):
        raise InputError(f"expected layers in 8 bits of these weights in {folder}, got others; add --texts FILE")
    parts = make_parts(engine, folder)
    with updating(folder, COMPILED) as fresh:
        parts.save(fresh)


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.quantise", description=__doc__)
    parser.add_argument("model", type=Path, help="model folder to add the files to")
    parser.add_argument("--texts", nargs="+", metavar="FILE", help="calibration texts in any format; 100 are used")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    folder = model_folder(arguments.model)
    add_compiled(folder, None if arguments.texts is None else read_texts(arguments.texts))
    print(f"what dtype int8 needs is in {folder / INT8} and {folder / COMPILED}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
