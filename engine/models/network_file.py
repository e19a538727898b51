"""The file of a model folder that holds the networks of a learned controller."""

from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from engine.errors import explained
from engine.pruning.controllers.mlp import FEATURES, Network


def write_network(path: Path, network: Network) -> None:
    tensors = {f"{gate}.{part}": array for gate, arrays in network.layers.items() for part, array in enumerate(arrays)}
    save_file(tensors, path, metadata={"features": ",".join(network.names)})


def read_network(path: Path) -> Network:
    """Reads the networks that `write_network` wrote; raises an `InputError` if they are missing or damaged."""
    remedy = "Restore the file, or make it again with bioner controller"
    with explained(f"Cannot read the networks of a learned controller in {path}", remedy):
        with safe_open(path, "numpy") as file:
            names = tuple(file.metadata()["features"].split(","))
            gates = sorted({int(key.partition(".")[0]) for key in file.keys()})  # noqa: SIM118
            layers = {gate: tuple(file.get_tensor(f"{gate}.{part}") for part in range(4)) for gate in gates}
        if unknown := set(names) - set(FEATURES):
            raise ValueError(f"its features {sorted(unknown)} are unknown")
        for gate, parts in layers.items():
            shapes, units = [part.shape for part in parts], parts[1].size
            if shapes != [(len(names), units), (units,), (units,), (1,)]:
                raise ValueError(f"the shapes {shapes} at gate {gate} do not fit {len(names)} features")
            if not all(np.isfinite(part).all() for part in parts):
                raise ValueError(f"weights at gate {gate} are not finite")
    return Network(names, layers)
