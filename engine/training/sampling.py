"""Self-sampling: controllers with randomly drawn settings, so training sees all ways of pruning."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from engine.pruning.controllers import EntropyController
from engine.pruning.gate import Decision, Gate
from engine.pruning.strategy import Context

ENTROPIES = (0.003, 0.3)  # thresholds are drawn from this range, log-uniformly
FROZEN = 0.25  # share of the batches in which words that exit are frozen instead of dropped


def all_stay(gate: Gate) -> Decision:
    """All words stay."""
    return Decision(np.zeros_like(gate.alive), np.zeros(len(gate.words)))


def draw_context() -> Context:
    """Draws a context mode."""
    return "freeze" if torch.rand(()) < FROZEN else "drop"


@dataclass(frozen=True, eq=False)
class SampledController:
    """An `EntropyController` with a separate threshold for each gate and window, float ``(gates, windows)``.

    Entropies are never negative, so −1 closes a gate; at 1 all words exit.
    """

    thresholds: np.ndarray
    controller: EntropyController

    @classmethod
    def draw(cls, gates: int, windows: int, pruned: float, lowest: float = ENTROPIES[0]) -> SampledController:
        """Draws settings.

        Args:
            gates: how many there are, one after each layer but the last.
            windows: of the batch.
            pruned: share of the windows that are pruned; in the others all words stay. Of those pruned, a quarter end
                at a gate, drawn from a third of the depth to the last one.
            lowest: the lowest threshold of the middle gate, within 0.003–0.3. Thresholds below most words' entropy let
                few of them exit.
        """
        low, high = math.log(np.clip(lowest, *ENTROPIES)), math.log(ENTROPIES[1])
        levels = (low + (high - low) * torch.rand(windows)).exp()
        steepness = 1 + torch.rand(windows)  # from first to last gate the threshold grows up to 16-fold
        steps = (torch.linspace(-2, 2, gates) if gates > 1 else torch.zeros(gates)).unsqueeze(1)
        thresholds = (levels * steepness**steps).clamp(max=ENTROPIES[1])
        thresholds[torch.rand(gates, windows) < 1 / 3] = -1.0
        ends = torch.randint(max(1, (gates + 1) // 3) - 1, gates, (windows,))
        for window in (torch.rand(windows) < 0.25).nonzero().flatten().tolist():
            thresholds[ends[window], window] = 1.0
        thresholds[:, torch.rand(windows) >= pruned] = -1.0
        neighbours = int(torch.randint(1, 3, ()))
        return cls(thresholds.numpy(), EntropyController(neighbours=neighbours, exit_entities=True))

    def __call__(self, gate: Gate) -> Decision:
        return self.controller.decide(gate, self.thresholds[gate.index][gate.words.window])
