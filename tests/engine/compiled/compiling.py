"""Model folders whose compiled pass is not quantised, so that it must equal PyTorch's."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch

from engine.compiled.layers import Layers
from engine.models.checksums import write_checksums
from engine.models.folder import COMPILED, CONTROLLER, INT8
from engine.pruning.controllers.mlp import GRAPH_FEATURES, Network
from engine.pytorch.checkpoint import save_weights
from engine.pytorch.conversion import ROWS, WindowLayer, convert_layer, layers_digest, positions
from engine.tagger import Engine, load_engine
from engine.training.quantise import make_parts, serialised
from tests.engine.pytorch.families import gated, huggingface, tiny, tokenizer_of


@torch.no_grad()
def add_unquantised(folder: Path) -> None:
    """Adds what `engine.training.quantise` makes to a model folder, without quantising."""
    engine = load_engine(folder, "float32")
    encoder = engine.encoder
    graphs = {number: serialised(convert_layer(encoder, number)) for number in range(1, encoder.num_layers + 1)}
    hidden = torch.from_numpy(np.random.default_rng(0).normal(size=(1, ROWS, encoder.hidden_size)).astype(np.float32))
    sample = (hidden, *encoder.placed(1, positions()))
    output = WindowLayer(encoder, 1)(*sample).numpy()
    Layers(graphs, layers_digest(encoder), ([one.numpy() for one in sample], output)).save(folder / INT8)
    make_parts(engine, folder).save(folder / COMPILED)
    write_checksums(folder)


def network() -> Network:
    """A random network of ``mlp`` for gates 1 and 2, with every feature."""
    rng = np.random.default_rng(0)
    names = tuple(GRAPH_FEATURES)
    shapes = (len(names), 4), (4,), (4,), (1,)
    layers = {gate: tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes) for gate in (1, 2)}
    return Network(names, layers)


@cache
def both(family: str) -> tuple[Engine, Engine]:
    """A tiny model of a family in PyTorch and compiled; do not modify."""
    tokenizer = tokenizer_of(family)
    folder = Path(mkdtemp())
    save_weights(folder, gated(huggingface(tiny(family, len(tokenizer)))), tokenizer)
    network().save(folder / CONTROLLER)
    write_checksums(folder)
    add_unquantised(folder)
    return load_engine(folder, "float32"), load_engine(folder, "int8")
