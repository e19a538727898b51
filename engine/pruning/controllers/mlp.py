"""The controller ``mlp``: a small network estimates how likely a word's label is to change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.errors import InputError
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
