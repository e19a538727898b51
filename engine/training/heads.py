"""Label heads after every layer: fitted to a frozen encoder, or trained with it while words exit."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from engine.checkpoint import save_weights
from engine.errors import InputError
from engine.model.gated import GatedModel
from engine.model.packing import RaggedBatch
from engine.pruning.forward import forward
from engine.pruning.gate import Decision, Gate
from engine.pruning.memory import MemoryBuffer
from engine.pruning.strategy import Context
from engine.training.data import Example, Packed, mask_words, pack, spread_outside
from engine.training.loop import Training, TrainingConfig, option
from engine.training.sampling import ENTROPIES, SampledController, all_stay, draw_context

logger = logging.getLogger(__name__)

MAX_BYTES = 10**9  # of hidden states that are kept to fit heads
ITERATIONS = 40
WEIGHT_DECAY = 1e-4


@dataclass(frozen=True, kw_only=True)
class HeadsConfig(TrainingConfig):
    """Settings of training with a head after every layer."""

    temperature: float = option(
        "temperature of the soft labels; below 1 sharpens them, so that certain words differ more from doubtful ones",
        0.5,
    )
    pruned: float = option("share of windows that are pruned; a word's loss is then taken where it exits", 0.0)
    dense_share: float = option(
        "with --pruned: share of the targets that the dense pass of the same model gives (self-distillation); takes a "
        "third of the time",
        0.0,
    )
    mask: float = option("share of words that are masked in each pass", 0.1)
    label_smoothing: float = option(
        "of the cross-entropy; raises the entropy of certain words, and all thresholds", 0.0
    )
    gate_weight: float = option("weight of the mean loss of the gate heads beside the loss of the final labels", 1.0)

    LIMITS = TrainingConfig.LIMITS | {
        "temperature": (0.05, 20),
        "pruned": (0, 1),
        "dense_share": (0, 1),
        "mask": (0, 0.9),
        "label_smoothing": (0, 0.9),
        "gate_weight": (0, 100),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dense_share and not self.pruned:
            raise InputError(
                f"expected --pruned with --dense-share {self.dense_share}, got none; add it, or leave --dense-share out"
            )

    @property
    def scored(self) -> tuple[str, ...]:
        """``dense``; if windows are pruned, also ``entropy`` with its default settings."""
        return ("dense", "entropy") if self.pruned else ("dense",)


C = TypeVar("C", bound=HeadsConfig)


def with_gates(plain: GatedModel) -> GatedModel:
    """The model of a token-classification checkpoint with fresh heads before its last layer."""
    last = str(plain.encoder.num_layers)
    model = GatedModel(plain.encoder, plain.labels, gates=True)
    model.heads[last] = plain.heads[last]
    return model


def freeze(model: GatedModel) -> GatedModel:
    """Freezes everything in the model except the heads before its last layer."""
    for part in (model.encoder, model.heads[str(model.encoder.num_layers)]):
        part.requires_grad_(False)
    return model


def fit_heads(model: GatedModel, batches: Sequence[Sequence[Example]], temperature: float) -> None:
    """Fits each head before the last layer to targets, with L-BFGS, on the hidden states of the dense pass.

    Nothing else in the model changes, so one pass over some texts is enough, and the fit is convex. Self-distillation
    then starts much closer to its goal than from random heads.

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


def joint_loss(memory: MemoryBuffer, packed: Packed, layers: int, config: HeadsConfig) -> Tensor:
    """Loss of every word where it exited, plus ``gate_weight`` times the mean loss of the heads before the last layer.

    Without pruning all words end at the last layer, and this is the joint loss of Xin et al. 2020 (DeeBERT). It is
    cross-entropy with the target distribution, which has the gradient of KL divergence.

    Args:
        memory: of a pass with a head after every layer.
        packed: the batch with its targets.
        layers: of the encoder.
        config: weights and label smoothing.
    """
    ends, gates = [], []
    for head in memory.heads:
        logits = head.logits.float()
        targets = spread_outside(packed.targets[head.words], logits, packed.outside[head.words])
        losses = F.cross_entropy(logits, targets, reduction="none", label_smoothing=config.label_smoothing)
        ends.append(losses[np.flatnonzero(memory.exit_at[head.words] == head.number)].sum())
        if head.number < layers:
            gates.append(losses.mean())
    end = torch.stack(ends).sum() / len(packed.targets)
    return end + (config.gate_weight * torch.stack(gates).mean() if gates else 0.0)


class HeadsTraining(Training[C]):
    """Trains every head, in packed passes in which words may exit.

    Args:
        config: settings.
        model: with a head after every layer.
        tokenizer: of the model.
        lowest: the lowest threshold drawn; see `SampledController.draw`.
        steps: how many there are; without, as many as ``epochs`` have batches.

    Raises:
        InputError: words to mask, and no token to mask them with.
    """

    def __init__(
        self,
        config: C,
        model: GatedModel,
        tokenizer: PreTrainedTokenizerBase,
        lowest: float = ENTROPIES[0],
        steps: int | None = None,
    ) -> None:
        if config.mask and tokenizer.mask_token_id is None:
            raise InputError(
                f"expected a mask token in {tokenizer.name_or_path!r} for --mask {config.mask}, got none; add --mask 0"
            )
        self.labels, self.tokenizer, self.lowest = model.labels, tokenizer, lowest
        model.encoder.set_dropout(config.dropout)
        super().__init__(config, model, steps)

    def loss(self, examples: list[Example]) -> Tensor:
        """The joint loss, with some words masked and some windows pruned."""
        packed = pack(examples, self.accelerator.device, self.config.temperature)
        if self.config.mask:
            batch = mask_words(packed.batch, self.config.mask, self.tokenizer.mask_token_id)
            packed = replace(packed, batch=batch)
        layers = self.model.encoder.num_layers
        gates = range(1, layers)
        controller: Callable[[Gate], Decision] = all_stay
        context: Context = "drop"
        if self.config.pruned:
            controller = SampledController.draw(len(gates), len(examples), self.config.pruned, self.lowest)
            context = draw_context()
            if self.config.dense_share:
                targets = packed.targets.lerp(self._dense(packed.batch), self.config.dense_share)
                packed = replace(packed, targets=targets)
        memory = forward(self.model, packed.batch, gates, controller, context)
        return joint_loss(memory, packed, layers, self.config)

    @torch.no_grad()
    def _dense(self, batch: RaggedBatch) -> Tensor:
        """Label distributions ``(words, labels)`` of the dense pass."""
        found = forward(self.model, batch, (), None).heads[-1].logits.float().softmax(-1)
        torch.clear_autocast_cache()  # of weights without gradients, which PyTorch may reuse where gradients are needed
        return found

    def save(self, model: GatedModel, folder: Path) -> None:
        """Writes a model folder."""
        save_weights(folder, model, self.tokenizer)
