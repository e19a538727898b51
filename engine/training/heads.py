"""Label heads after every layer: fitted to a frozen encoder, or trained with it while words exit (self-sampling)."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from engine.model.gated import GatedModel
from engine.pruning.controllers import EntropyController
from engine.pruning.forward import forward
from engine.pruning.gate import Decision, Gate
from engine.pruning.memory import MemoryBuffer
from engine.training.data import Example, Packed, pack, spread_outside

logger = logging.getLogger(__name__)

ENTROPIES = (0.003, 0.3)  # thresholds are drawn from this range, log-uniformly
MAX_BYTES = 4 * 10**8  # of hidden states that are stored to fit heads
ITERATIONS = 40
WEIGHT_DECAY = 1e-4


@dataclass(frozen=True, eq=False)
class SampledController:
    """An `EntropyController` with a separate random threshold for each gate and window, float ``(gates, windows)``.

    Entropies are never negative, so −1 closes a gate; at 1 all words exit.
    """

    thresholds: np.ndarray
    controller: EntropyController

    @classmethod
    def draw(cls, gates: int, windows: int, pruned: float, lowest: float = ENTROPIES[0]) -> SampledController:
        """Draws thresholds, so that training sees all ways of pruning.

        Args:
            gates: number of gates, one after each layer but the last.
            windows: number of windows in the batch.
            pruned: share of the windows that are pruned; all words stay in the others. A quarter of those pruned end
                at a gate, drawn from a third of the depth to the last one.
            lowest: the lowest threshold of the middle gate, within 0.003–0.3. Few words exit at thresholds below most
                words' entropy.
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


def keep_all(gate: Gate) -> Decision:
    """A controller under which no word exits."""
    return Decision(np.zeros_like(gate.alive), np.zeros(len(gate.words)))


def with_gates(plain: GatedModel) -> GatedModel:
    """Gives the model of a token-classification checkpoint fresh heads after all layers but the last."""
    last = str(plain.encoder.num_layers)
    model = GatedModel(plain.encoder, plain.labels, gates=True)
    model.heads[last] = plain.heads[last]
    return model


def fit_heads(model: GatedModel, batches: Sequence[Sequence[Example]], deadline: float = math.inf) -> None:
    """Fits each head but the last to targets, with L-BFGS, on the hidden states of the dense pass.

    The rest of the model is constant, so one pass over some texts is enough and the fit is convex. Self-distillation
    then starts much closer to its goal than from random heads. If the batches contain more words than fit into
    ``MAX_BYTES``, or than run before a time by `time.monotonic`, only the first are used.
    """
    logger.info("fitting %d gate heads", model.encoder.num_layers - 1)
    inputs, targets = _head_inputs(copy.deepcopy(model).eval(), batches, deadline)
    for number, states in enumerate(tqdm(inputs, desc="fitting gate heads", disable=None), start=1):
        head = model.heads[str(number)]
        assert isinstance(head, nn.Linear)
        _fit_head(head, states.float(), targets)


@torch.no_grad()
def _head_inputs(
    model: GatedModel, batches: Sequence[Sequence[Example]], deadline: float
) -> tuple[list[Tensor], Tensor]:
    """Returns the input of each gate's head, half precision ``(words, hidden)``, and targets ``(words, labels)``."""
    device = next(model.parameters()).device
    gates = range(1, model.encoder.num_layers)
    max_words = MAX_BYTES // (len(gates) * model.encoder.hidden_size * 2)
    inputs: list[list[Tensor]] = [[] for _ in gates]
    targets: list[Tensor] = []
    for number, stored in zip(gates, inputs, strict=True):
        model.heads[str(number)].register_forward_pre_hook(
            lambda _, given, stored=stored: stored.append(given[0].half())
        )
    for batch in tqdm(batches, desc="hidden states of gates", disable=None):
        if sum(map(len, targets)) > max_words or (targets and time.monotonic() > deadline):
            break
        packed = pack(batch, device)
        forward(model, packed.batch, gates, keep_all)
        targets.append(packed.targets)
    return [torch.cat(parts) for parts in inputs], torch.cat(targets)


def _fit_head(head: nn.Linear, states: Tensor, targets: Tensor) -> None:
    """Fits a multinomial logistic regression with soft targets on standardised inputs."""
    mean, std = states.mean(0), states.std(0).clamp(min=1e-4)
    states = (states - mean) / std
    weight = torch.zeros_like(head.weight, requires_grad=True)
    bias = targets.mean(0).clamp(min=1e-6).log().requires_grad_()
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(states @ weight.T + bias, targets) + WEIGHT_DECAY * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        head.weight.copy_(weight / std)
        head.bias.copy_(bias - head.weight @ mean)


def joint_loss(memory: MemoryBuffer, packed: Packed, layers: int) -> Tensor:
    """Loss of every word where it exits, plus the mean loss of all heads but the last.

    Without pruning all words end at the last layer, and this is the joint loss of Xin et al. 2020 (DeeBERT). It is
    cross-entropy with the target distribution, which has the gradient of KL divergence. The pass that filled the
    memory had a head after every layer.
    """
    ends, gates = [], []
    for head in memory.heads:
        logits = head.logits.float()
        targets = spread_outside(packed.targets[head.words], logits, packed.outside[head.words])
        losses = F.cross_entropy(logits, targets, reduction="none")
        ends.append(losses[np.flatnonzero(memory.exit_at[head.words] == head.number)].sum())
        if head.number < layers:
            gates.append(losses.mean())
    end = torch.stack(ends).sum() / len(packed.targets)
    return end + (torch.stack(gates).mean() if gates else 0.0)
