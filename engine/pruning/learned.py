"""The learned controller: a small network estimates how likely a word's label is still to change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from engine.errors import InputError, first_line
from engine.pruning.controllers import Decision, Gate, as_tuple, at_gate, check_flag, check_number, leave_below
from engine.pruning.signals import neighbour_max, normalised_entropy

NEIGHBOURS = 1  # the network answers for a word together with the words so many places away
_TINY = 1e-6


def _log(values: np.ndarray) -> np.ndarray:
    return np.log(values.clip(min=_TINY))


def _margin(probabilities: np.ndarray) -> np.ndarray:
    best = np.partition(_log(probabilities), -2, axis=-1)
    return best[:, -1] - best[:, -2]


# Logarithms spread the many certain words apart.
FEATURES: Mapping[str, Callable[[Gate], np.ndarray]] = {
    "entropy": lambda gate: _log(normalised_entropy(gate.probabilities)),
    "windowed_entropy": lambda gate: _log(
        neighbour_max(normalised_entropy(gate.probabilities), gate.words.window, NEIGHBOURS)
    ),
    "top_probability": lambda gate: _log(1 - gate.probabilities.max(-1)),
    "margin": lambda gate: _margin(gate.probabilities),
    "outside": lambda gate: _log(gate.probabilities[:, 0]),
    "change": Gate.change,
    "attention_received": Gate.attention_received,
    "attention_entropy": Gate.attention_entropy,
}
ATTENTION_FEATURES = ("attention_received", "attention_entropy")


def features(gate: Gate, names: tuple[str, ...]) -> np.ndarray:
    """The named features of every word, float32 ``(words, features)``."""
    return np.stack([FEATURES[name](gate) for name in names], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Network:
    """A perceptron with one hidden layer (ReLU) for each gate.

    ``names``: its features; ``layers``: gate → weights ``(features, units)``, biases ``(units,)``, weights ``(units,)``
    and bias ``(1,)`` of the output.
    """

    names: tuple[str, ...]
    layers: Mapping[int, tuple[np.ndarray, ...]]

    def risk(self, gate: Gate) -> np.ndarray:
        """Probability, float32 ``(words,)``, that the final label of a word or of a neighbour is not the gate's.

        Raises:
            InputError: the network knows nothing about this gate.
        """
        if gate.number not in self.layers:
            raise InputError(
                f"expected a gate out of {sorted(self.layers)} for mlp, got {gate.number}; "
                "choose other gates, or train the controller again"
            )
        inner, inner_bias, outer, outer_bias = self.layers[gate.number]
        hidden = np.maximum(features(gate, self.names) @ inner + inner_bias, 0)
        return 1 / (1 + np.exp(-(hidden @ outer + outer_bias)))

    def save(self, path: Path) -> None:
        """Writes a safetensors file."""
        tensors = {f"{gate}.{part}": array for gate, arrays in self.layers.items() for part, array in enumerate(arrays)}
        save_file(tensors, path, metadata={"features": ",".join(self.names)})

    @classmethod
    def load(cls, path: Path) -> Network:
        """The inverse of `save`.

        Raises:
            InputError: no such file, or not one of these.
        """
        try:
            with safe_open(path, "numpy") as file:
                names = tuple(file.metadata()["features"].split(","))
                gates = sorted({int(key.partition(".")[0]) for key in file.keys()})  # noqa: SIM118
                layers = {gate: tuple(file.get_tensor(f"{gate}.{part}") for part in range(4)) for gate in gates}
        except Exception as error:  # the library raises kinds of its own
            raise InputError(
                f"expected the networks of a learned controller in {path}, got none: {first_line(error)}; "
                "make them with python -m engine.training.controller"
            ) from error
        if unknown := set(names) - set(FEATURES):
            raise InputError(f"expected features out of {list(FEATURES)} in {path}, got {sorted(unknown)}; retrain")
        return cls(names, layers)


@dataclass(frozen=True)
class LearnedController:
    """Words leave when the network thinks that their final label, and their neighbours', is already there.

    Args:
        max_risk: probability of a change, 0–1, up to which a word may leave: one value for all gates, or one for each
            (the last one for further gates). At a gate with 1 every word may.
        exit_entities: words of predicted entities may leave (the whole entity at once); otherwise they and their
            neighbours stay.
        min_keep_ratio: share of a window's words, 0–1, that stay to the end at least.
        network: comes with the weights.
    """

    max_risk: float | tuple[float, ...] = 0.05
    exit_entities: bool = False
    min_keep_ratio: float = 0.0
    network: Network | None = field(default=None, repr=False, compare=False)
    kind: ClassVar[str] = "mlp"

    def __post_init__(self) -> None:
        if isinstance(self.max_risk, list):  # from JSON
            object.__setattr__(self, "max_risk", tuple(self.max_risk))
        for value in as_tuple(self.max_risk) or (None,):
            check_number("max_risk", value, 0, 1)
        check_flag("exit_entities", self.exit_entities)
        check_number("min_keep_ratio", self.min_keep_ratio, 0, 1)

    @property
    def uses_attention(self) -> bool:
        """Whether attention statistics are among the features."""
        return self.network is not None and bool(set(self.network.names) & set(ATTENTION_FEATURES))

    def __call__(self, gate: Gate) -> Decision:
        assert self.network is not None, "the engine adds it"
        threshold = at_gate(as_tuple(self.max_risk), gate)
        risk = self.network.risk(gate) if threshold < 1 else np.zeros(len(gate.words))
        if not self.exit_entities:
            near = neighbour_max(gate.labels > 0, gate.words.window, NEIGHBOURS)
            risk = np.where(near, np.inf, risk)
        return leave_below(gate, risk, threshold, self.min_keep_ratio, whole=self.exit_entities)

    def threshold(self, gate: Gate, need: np.ndarray) -> np.ndarray:
        """The need, ``(words,)``, up to which words are let go at a gate."""
        return np.full(len(need), at_gate(as_tuple(self.max_risk), gate))
