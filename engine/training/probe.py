"""Initial gate heads: each is fitted separately, with L-BFGS, to the hidden states of the dense pass at its layer.

The encoder stays unchanged, so one pass over some texts is enough, and the fit is convex. Self-distillation then starts
much closer to its goal than from random heads.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from engine.model.gated import GatedModel
from engine.pruning.forward import forward
from engine.training.data import Example, pack
from engine.training.sampling import all_stay

logger = logging.getLogger(__name__)

MAX_BYTES = 10**9  # of hidden states that are kept
ITERATIONS = 40
WEIGHT_DECAY = 1e-4


def fit_heads(model: GatedModel, batches: Sequence[Sequence[Example]], temperature: float) -> None:
    """Fits the heads before the last layer to the targets of examples; nothing else in the model changes.

    Args:
        model: with a head after every layer.
        batches: examples; if they hold more words than there is room for, only the first are used.
        temperature: of the targets; see `pack`.
    """
    logger.info("fitting %d gate heads", model.encoder.num_layers - 1)
    inputs, targets = _collect(copy.deepcopy(model).eval(), batches, temperature)
    for number, states in enumerate(tqdm(inputs, desc="fitting gate heads", disable=None), start=1):
        head = model.heads[str(number)]
        assert isinstance(head, nn.Linear)
        _fit(head, states.float(), targets)


@torch.no_grad()
def _collect(
    model: GatedModel, batches: Sequence[Sequence[Example]], temperature: float
) -> tuple[list[Tensor], Tensor]:
    """The input of each gate's head, half precision ``(words, hidden)``, and the targets ``(words, labels)``."""
    device = next(model.parameters()).device
    gates = range(1, model.encoder.num_layers)
    room = MAX_BYTES // (len(gates) * model.encoder.hidden_size * 2)
    inputs: list[list[Tensor]] = [[] for _ in gates]
    targets: list[Tensor] = []
    for number, kept in zip(gates, inputs, strict=True):
        model.heads[str(number)].register_forward_pre_hook(lambda _, given, kept=kept: kept.append(given[0].half()))
    for batch in tqdm(batches, desc="hidden states of gates", disable=None):
        if sum(map(len, targets)) > room:
            break
        packed = pack(batch, device, temperature)
        forward(model, packed.batch, gates, all_stay)
        targets.append(packed.targets)
    return [torch.cat(parts) for parts in inputs], torch.cat(targets)


def _fit(head: nn.Linear, states: Tensor, targets: Tensor) -> None:
    """Multinomial logistic regression with soft targets, on standardised inputs."""
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
