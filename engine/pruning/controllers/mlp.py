"""The controller ``mlp``: a small network estimates how likely a word's label is to change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from engine.errors import InputError, first_line
from engine.pruning.controllers.base import ThresholdController, exit_entities, min_keep_ratio
from engine.pruning.gate import Decision, GateView
from engine.pruning.graph_gate import GraphGateView, Node
from engine.pruning.settings import setting

NEIGHBOURS = 1  # words on each side that the network considers


def _log(values: np.ndarray) -> np.ndarray:
    return np.log(values.clip(min=1e-6))


# Most words are certain; logarithms make their small differences visible.
FEATURES: Mapping[str, Callable[[GateView], np.ndarray]] = {
    "entropy": lambda gate: _log(gate.entropy),
    "windowed_entropy": lambda gate: _log(gate.near(gate.entropy, NEIGHBOURS)),
    "top_probability": lambda gate: _log(1 - gate.confidence),
    "margin": lambda gate: gate.margin,
    "outside": lambda gate: _log(gate.probabilities[:, 0]),
    "change": lambda gate: gate.rows.change,
}

# The same in operations of a graph.
GRAPH_FEATURES: Mapping[str, Callable[[GraphGateView], Node]] = {
    "entropy": lambda gate: gate.log(gate.entropy),
    "windowed_entropy": lambda gate: gate.log(gate.near(gate.entropy, NEIGHBOURS)),
    "top_probability": lambda gate: gate.log(gate.complement(gate.confidence)),
    "margin": lambda gate: gate.margin,
    "outside": lambda gate: gate.log(gate.outside),
    "change": lambda gate: gate.change,
}


def features(gate: GateView, names: tuple[str, ...]) -> np.ndarray:
    """The named features of every word, float32 ``(words, features)``."""
    return np.stack([FEATURES[name](gate) for name in names], axis=1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Network:
    """One perceptron with a hidden layer (ReLU) for each gate.

    ``names``: names of the features.
    ``layers``: gate → weights ``(features, units)`` and biases ``(units,)`` of the hidden layer, weights ``(units,)``
    and bias ``(1,)`` of the output.
    """

    names: tuple[str, ...]
    layers: Mapping[int, tuple[np.ndarray, ...]]

    def risk(self, gate: GateView) -> np.ndarray:
        """Probability, float32 ``(words,)``, that the final label of a word or a neighbour differs from the gate's.

        Raises an `InputError` if there is no network for this gate.
        """
        if gate.number not in self.layers:
            raise InputError(
                f"expected one of the gates {sorted(self.layers)} for mlp, got {gate.number}; "
                "choose other gates, or train the controller again"
            )
        inner, inner_bias, outer, outer_bias = self.layers[gate.number]
        hidden = np.maximum(features(gate, self.names) @ inner + inner_bias, 0)
        return 1 / (1 + np.exp(-(hidden @ outer + outer_bias)))

    def compose(self, gate: GraphGateView) -> Node:
        """`risk` in operations of a graph."""
        inner, inner_bias, outer, outer_bias = self.layers[gate.layer]
        return gate.perceptron(
            [GRAPH_FEATURES[name](gate) for name in self.names], inner, inner_bias, outer, outer_bias
        )

    def to_bytes(self) -> bytes:
        """All weights, for digests."""
        return b"".join(
            str(gate).encode() + b"".join(map(np.ndarray.tobytes, of)) for gate, of in sorted(self.layers.items())
        )

    def save(self, path: Path) -> None:
        """Saves the networks to a safetensors file."""
        tensors = {f"{gate}.{part}": array for gate, arrays in self.layers.items() for part, array in enumerate(arrays)}
        save_file(tensors, path, metadata={"features": ",".join(self.names)})

    @classmethod
    def load(cls, path: Path) -> Network:
        """Loads the networks from a file that `save` wrote; raises an `InputError` if they are missing or damaged."""
        try:
            with safe_open(path, "numpy") as file:
                names = tuple(file.metadata()["features"].split(","))
                gates = sorted({int(key.partition(".")[0]) for key in file.keys()})  # noqa: SIM118
                layers = {gate: tuple(file.get_tensor(f"{gate}.{part}") for part in range(4)) for gate in gates}
            if unknown := set(names) - set(FEATURES):
                raise ValueError(f"unknown features {sorted(unknown)}")
            for gate, parts in layers.items():
                shapes, units = [part.shape for part in parts], parts[1].size
                if shapes != [(len(names), units), (units,), (units,), (1,)]:
                    raise ValueError(f"shapes {shapes} for {len(names)} features at gate {gate}")
                if not all(np.isfinite(part).all() for part in parts):
                    raise ValueError(f"weights that are not finite at gate {gate}")
        except Exception as error:  # the library raises its own types
            raise InputError(
                f"expected the networks of a learned controller in {path}, got {first_line(error)}; restore the file, "
                "or make them again with python -m engine.training.controller"
            ) from error
        return cls(names, layers)


@dataclass(frozen=True)
class LearnedController(ThresholdController):
    """Words exit when the network expects that their own label and their neighbours' are already final.

    At a gate with threshold 1 every word may exit. ``network`` comes with the weights and is not a setting.
    """

    kind = "mlp"
    description = "Words exit when a small network expects that their label will not change."
    needs_network = True

    max_risk: float | tuple[float, ...] = setting(
        0.05, "probability of a change of label up to which a word may exit", kind="per gate"
    )
    exit_entities: bool = exit_entities()
    min_keep_ratio: float = min_keep_ratio(0.0)
    network: Network | None = field(default=None, repr=False, compare=False)

    @property
    def signals(self) -> frozenset[str]:
        """What the network computes the risk from."""
        names = self.network.names if self.network is not None else ()
        return frozenset("confidence" if name == "top_probability" else name for name in names)

    def __call__(self, gate: GateView) -> Decision:
        assert self.network is not None, "the engine sets the network"
        threshold = self.at(gate.index)
        no_choice = threshold >= 1 and not self.min_keep_ratio
        risk = np.zeros(len(gate.words)) if no_choice else self.network.risk(gate)
        if not self.exit_entities:
            risk = np.where(gate.near(gate.labels > 0, NEIGHBOURS), np.inf, risk)
        return self.exit_below(gate, risk, threshold)

    @property
    def form(self) -> tuple[Any, ...] | None:
        """The settings that change the graph; ``None`` without a network."""
        if self.network is None:
            return None
        return self.kind, self.exit_entities, self.min_keep_ratio > 0

    def compose(self, gate: GraphGateView) -> tuple[Node, Node]:
        """Decides in operations of a graph."""
        assert self.network is not None, "the engine sets the network"
        risk = self.network.compose(gate)
        if not self.exit_entities:
            risk = gate.where(gate.near(gate.entity, NEIGHBOURS), np.inf, risk)
        return self.stay_above(gate, risk), risk

    @property
    def importance_is(self) -> str:
        """The probability that the network estimates."""
        return "the learned controller's probability that the label of the word or of a neighbour still changes"

    @property
    def thresholds(self) -> float | tuple[float, ...]:
        """``max_risk``."""
        return self.max_risk
