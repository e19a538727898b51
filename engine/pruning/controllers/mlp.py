"""The controller ``mlp``: a small network estimates how likely a word's label is to change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from engine.errors import InputError, explained
from engine.pruning.controllers.base import ThresholdController
from engine.pruning.gate import Gate, Values
from engine.settings import setting

NEIGHBOURS = 1  # words on each side that the network considers

# Most words are certain; logarithms make their small differences visible.
FEATURES: Mapping[str, Callable[[Gate], Values]] = {
    "entropy": lambda gate: gate.log(gate.entropy),
    "windowed_entropy": lambda gate: gate.log(gate.near(gate.entropy, NEIGHBOURS)),
    "top_probability": lambda gate: gate.log(1 - gate.confidence),
    "margin": lambda gate: gate.margin,
    "outside": lambda gate: gate.log(gate.outside),
    "change": lambda gate: gate.of_layer("change"),
    "attention_entropy": lambda gate: gate.of_layer("attention_entropy"),
    "received": lambda gate: gate.log(gate.of_layer("received")),
}


@dataclass(frozen=True, eq=False)
class Network:
    """One perceptron with a hidden layer (ReLU) for each gate."""

    names: tuple[str, ...]  # of the features
    # gate → weights (features, units), biases (units,) of the hidden layer, weights (units,), bias (1,) of the output
    layers: Mapping[int, tuple[np.ndarray, ...]]

    def risk(self, gate: Gate) -> Values:
        """Probability, ``(words,)``, that the final label of a word or a neighbour differs from the gate's.

        Raises an `InputError` if there is no network for this gate.
        """
        if gate.number not in self.layers:
            raise InputError(f"mlp has no network for gate {gate.number}, only for {sorted(self.layers)}.")
        return gate.perceptron([FEATURES[name](gate) for name in self.names], self.layers[gate.number])

    def to_bytes(self) -> bytes:
        return b"".join(
            str(gate).encode() + b"".join(map(np.ndarray.tobytes, arrays))
            for gate, arrays in sorted(self.layers.items())
        )

    def save(self, path: Path) -> None:
        tensors = {f"{gate}.{part}": array for gate, arrays in self.layers.items() for part, array in enumerate(arrays)}
        save_file(tensors, path, metadata={"features": ",".join(self.names)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Loads the networks from a file that `save` wrote; raises an `InputError` if they are missing or damaged."""
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
        return cls(names, layers)


@dataclass(frozen=True)
class LearnedController(ThresholdController):
    """Words exit when the network expects that their own label and their neighbours' are already final.

    At a gate with threshold 1 every word may exit. ``network`` comes with the weights and is not a setting.
    """

    kind = "mlp"
    description = "Words exit when a small network expects that their label will not change."
    importance_is = "chance that the label changes"
    network_file = "controller.safetensors"
    neighbours = NEIGHBOURS
    threshold_name = "max_risk"

    max_risk: float | tuple[float, ...] = setting(0.05, "probability of a change of label up to which a word may exit")
    network: Network | None = field(default=None, repr=False, compare=False)

    @property
    def signals(self) -> frozenset[str]:
        names = self.network.names if self.network is not None else ()
        return frozenset("confidence" if name == "top_probability" else name for name in names)

    def importance(self, gate: Gate) -> Values:
        assert self.network is not None, "the engine sets the network"
        return self.network.risk(gate)

    @property
    def structure(self) -> tuple[Any, ...]:
        return (*super().structure, id(self.network))


@dataclass(frozen=True)
class AttentiveController(LearnedController):
    """`LearnedController` whose network also sees attention, as that of Bio-PruneNER does."""

    kind = "mlp-attention"
    description = "Words exit when a small network that also sees attention expects that their label will not change."
    network_file = "controller-attention.safetensors"
