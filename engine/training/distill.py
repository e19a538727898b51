"""Distillation: a checkpoint's gate heads and encoder, or a student, learn the checkpoint's output on texts.

The targets are the label distributions of the checkpoint's dense pass; words exit while the model is trained. The
learning rate follows the time that is left, so training ends when it should.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from engine.cli.command import say
from engine.cli.progress import Progress
from engine.pruning.signals import normalised_entropy
from engine.pytorch.forward import KeepAll, forward
from engine.pytorch.model import GatedModel
from engine.training.examples import Example, make_batches, pack
from engine.training.options import TrainingConfig
from engine.training.trainer import CHECKPOINT, Targets, Trainer, default_device

HEAD_LR = 1e-3
ENCODER_LR = 1e-5, 6e-5  # lowest, highest
STUDENT_LR = 3e-4  # of an encoder that learns the output of another model
NARROW = 256  # hidden size up to which the highest rates apply; beyond, they fall with the size
# Texts are seen unchanged, at most 30 times.
SETTINGS: dict[str, Any] = {
    "epochs": 30,
    "max_rows": 1024,
    "temperature": 1.0,
    "pruned": 0.8,
    "dropout": 0.0,
    "mask": 0.0,
}
HEADS_SHARE = 0.2  # of the time for training, in which gate heads are fitted
RIDGE, SMOOTHING = 1e-3, 1e-3  # relative to the mean square of hidden states; added to probabilities


def distil(
    model: GatedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    out: Path,
    work: Path,
    *,
    seed: int,
    student: bool,
    until: float,
) -> float:
    """Trains, or continues an interrupted run, and returns the number of passes over the texts.

    Args:
        model: the checkpoint's own model or a ``student``, which has further to go; it changes.
        examples: windows with the checkpoint's labels.
        out: folder for the model.
        work: folder of log and checkpoint.
        until: time by `time.monotonic` at which training ends.
    """
    config = TrainingConfig(out=str(out), seed=seed, **SETTINGS)
    if not model.has_gates:
        model = with_gates(model)
        if not (work / CHECKPOINT).is_file():
            begin = time.monotonic()
            batches = make_batches(examples, config.max_rows, random.Random(seed))
            fit_heads(model.to(default_device()), batches, begin + HEADS_SHARE * (until - begin))
    targets, lowest = Targets(soft=examples), median_entropy(examples)
    run = Trainer(config, model, tokenizer, targets, work=work, until=until, head_lr=HEAD_LR, lowest=lowest)
    batches_in_pass = run.steps / config.epochs
    if not run.resume():
        passes = min(config.epochs, (until - time.monotonic()) / run.try_out() / batches_in_pass)
        say(f"There is time for some {passes:.2g} passes over {len(examples)} windows.")
        narrow = min(1, NARROW / model.encoder.hidden_size)
        run.set_lr(STUDENT_LR * narrow if student else encoder_lr(passes, narrow))
    run.fit()
    return run.schedule.last_epoch / batches_in_pass


def encoder_lr(passes: float, narrow: float) -> float:
    """The peak learning rate of a checkpoint's encoder, which is lower for texts that are seen more often.

    Early layers have far to go, so texts seen once or twice are learned from at the rate of fine-tuning. A few texts,
    seen often, are memorised, and no gate makes up for a dense pass that drifts away: on 300 abstracts its agreement
    with the checkpoint was 93 % after 5e-5 with dropout, masked words and sharpened targets, 98.7 % after 1e-5 without.
    The highest rate is multiplied by ``narrow``, 0–1: with Adam, the best one falls as the width grows (Yang et al.
    2021, Tensor Programs V).
    """
    low, high = ENCODER_LR
    return max(low, min(1, 2 / passes) * high * narrow)


def median_entropy(examples: Sequence[Example]) -> float:
    """Median of the normalised entropies of targets, 0–1: how certain the checkpoint is of most words."""
    targets = np.concatenate([example.targets for example in examples])
    return float(np.median(normalised_entropy(np.divide(targets, 255, dtype=np.float32))))


def with_gates(plain: GatedModel) -> GatedModel:
    """Gives the model of a token-classification checkpoint fresh heads after all layers but the last."""
    last = str(plain.encoder.num_layers)
    model = GatedModel(plain.encoder, plain.labels, gates=True)
    model.heads[last] = plain.heads[last]
    return model


@torch.no_grad()
def fit_heads(model: GatedModel, batches: Sequence[Sequence[Example]], until: float) -> None:
    """Fits each head but the last to the logarithms of targets, by ridge regression on the dense pass's hidden states.

    Training then starts much closer to its goal than from random heads. Only the batches that run before the time
    ``until``, by `time.monotonic`, are used, but at least one.
    """
    model.eval()
    gates, width = range(1, model.encoder.num_layers), model.encoder.hidden_size + 1
    device, inputs = next(model.parameters()).device, dict[int, Tensor]()
    grams = {gate: torch.zeros(width, width, dtype=torch.float64, device=device) for gate in gates}
    products = {gate: torch.zeros(width, len(model.labels), dtype=torch.float64, device=device) for gate in gates}
    hooks = [
        model.heads[str(gate)].register_forward_pre_hook(lambda _, given, gate=gate: inputs.update({gate: given[0]}))
        for gate in gates
    ]
    with Progress("Fit gate heads to the checkpoint's labels", len(batches)) as progress:
        for batch in batches:
            packed = pack(batch, device)
            forward(model, packed.batch, gates, KeepAll())
            logits = (packed.targets + SMOOTHING).log().double()
            for gate, states in inputs.items():
                states = F.pad(states.double(), (0, 1), value=1.0)  # the last weight is the bias
                grams[gate] += states.T @ states
                products[gate] += states.T @ (logits - logits.mean(1, keepdim=True))
            progress.advance()
            if time.monotonic() > until:
                break
    for hook in hooks:
        hook.remove()
    for gate, gram in grams.items():
        solved = torch.linalg.solve(gram + RIDGE * gram.diagonal().mean() * torch.eye(width).to(gram), products[gate])
        head = model.heads[str(gate)]
        assert isinstance(head, nn.Linear)
        head.weight.copy_(solved[:-1].T)
        head.bias.copy_(solved[-1])
