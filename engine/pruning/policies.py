"""Exit policies: what decides at the gates of a strategy which words exit. Those with settings are controllers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from engine.pruning.gate import OF_LAYER, ArrayGate, Decision, Gate

TRUNCATE = "truncate"
Reason = Literal["end", "exit", "importance", "entity", "whole", "minimum", "few"]  # see `Controller.explain`


class ExitPolicy:
    """Decides which words exit at the gates of a strategy; this one lets none exit."""

    kind: ClassVar[str]

    @property
    def signals(self) -> frozenset[str]:
        """The signals that `decide` reads, by their names in `Gate`; ``windowed_entropy`` is that with neighbours."""
        return frozenset()

    def decide(self, gate: Gate) -> Decision:
        """Returns which of the alive words exit, and every word's importance; not called where `all_exit`."""
        return Decision(gate.is_alive & ~gate.is_alive, gate.where(gate.is_alive, 1.0, 1.0))

    def all_exit(self, index: int) -> bool:
        """Whether every word exits at gate number ``index``, counted from 0, so that the pass ends there."""
        return False

    def explain(self, gate: ArrayGate, decision: Decision) -> tuple[Sequence[float | None], Sequence[Reason | None]]:
        """Returns each word's threshold, and why it exited or stayed; ``None`` unless the policy is a controller."""
        nothing = [None] * len(decision.exits)
        return nothing, nothing

    def numbers(self, index: int) -> dict[str, float]:
        """Values of the numeric settings that `decide` reads at gate number ``index``, by name."""
        return {}

    @property
    def structure(self) -> tuple[Any, ...]:
        """Structural cache key: policies of equal keys compile to the same graph, whatever their `numbers`."""
        return (self.kind,)


class KeepAll(ExitPolicy):
    """Lets no word exit, and records signals of layers."""

    kind = "keep-all"
    signals: frozenset[str] = frozenset()

    def __init__(self, signals: Iterable[str] = ()) -> None:
        self.signals = OF_LAYER.intersection(signals)


@dataclass(frozen=True)
class Truncation(ExitPolicy):
    """Lets every word exit, so that the pass ends at the gate."""

    kind = TRUNCATE

    def all_exit(self, index: int) -> bool:
        return True


@dataclass(frozen=True, eq=False)
class GivenExits(ExitPolicy):
    """Lets words exit after given layers, whatever their scores.

    ``exit_at``: for each window of a call the gate or last layer after which each word exits, int64 ``(words,)``.
    """

    exit_at: Sequence[np.ndarray]
    kind = "given"

    def decide(self, gate: Gate) -> Decision:
        exits = (np.concatenate(self.exit_at) <= gate.number) & gate.is_alive
        return Decision(exits, np.zeros(len(exits)))
