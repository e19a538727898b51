"""Distillation: a checkpoint's gate heads and encoder, or a student, learn its output on texts.

The targets are the label distributions of the checkpoint's dense pass; words exit while the student is trained. The
learning rate follows the time that is left, so training ends when it should.
"""

from __future__ import annotations

import copy
import logging
import math
import random
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from engine.pruning.signals import normalised_entropy
from engine.pytorch.forward import forward
from engine.pytorch.gated import GatedModel
from engine.training.data import Example, make_batches, pack
from engine.training.loop import CHECKPOINT, Training, TrainingConfig, default_device, keep_all

logger = logging.getLogger(__name__)

WORK = "training"  # subfolder of the model, for log and checkpoint
HEAD_LR = 1e-3
ENCODER_LR = 1e-5, 6e-5  # lowest, highest
STUDENT_LR = 3e-4  # of an encoder that learns the output of another model
NARROW = 256  # hidden size up to which the highest rates apply; beyond, they fall with the size
WARM_UP = 0.1  # share of the training
# Texts are seen unchanged, at most 30 times.
SETTINGS: dict[str, Any] = {
    "epochs": 30,
    "max_rows": 1024,
    "temperature": 1.0,
    "pruned": 0.8,
    "dropout": 0.0,
    "mask": 0.0,
}
CHECKPOINT_S, CHECKPOINTS = 180, 4  # approximate maximum seconds between two; approximate minimum number
MAX_BYTES = 4 * 10**8  # of hidden states that are stored to fit heads
ITERATIONS, RIDGE = 40, 1e-4  # of L-BFGS
HEADS_SHARE = 0.2  # of the time for training, in which hidden states are collected to fit gate heads


class Distillation(Training):
    """Trains a copy of a checkpoint's model with gate heads until its time is over, and writes checkpoints meanwhile.

    The learning rate decays to zero, so the last average of the weights is the one to keep. For the arguments see
    `distil`.
    """

    progress = ("reached",)

    def __init__(
        self,
        config: TrainingConfig,
        model: GatedModel,
        tokenizer: PreTrainedTokenizerBase,
        examples: Sequence[Example],
        *,
        student: bool,
    ) -> None:
        self.examples, self.student = examples, student
        self.reached, self.begun, self.deadline = 0.0, 0.0, 0.0  # share of the training done before; times
        super().__init__(config, copy.deepcopy(model), tokenizer, median_entropy(examples))

    @property
    def work(self) -> Path:
        """Apart from the model, which others load."""
        return self.out / WORK

    def trained(self, model: GatedModel) -> list[dict[str, Any]]:
        """Gate heads with their own learning rate, and everything else."""
        heads, others = list[Tensor](), list[Tensor]()
        last = f"heads.{model.encoder.num_layers}."
        for name, parameter in model.named_parameters():
            gate = name.startswith("heads.") and not name.startswith(last)
            (heads if gate else others).append(parameter)
        return [{"params": heads, "lr": HEAD_LR}, {"params": others}]

    def stream(self, done: int) -> Iterator[list[Example]]:
        """The batches from a step on, pass after pass."""
        for number in count():
            batches = self.batches(random.Random(self.config.seed * 1000 + number))
            yield from batches[done:]
            done = max(0, done - len(batches))

    def share_done(self, step: int) -> float:
        """Share of the training that is done, 0–1: of its time or, if that is more, of its steps."""
        now, left = time.monotonic(), self.deadline - self.begun
        passed = (now - self.begun) / left if left > 0 else 1.0
        return min(1.0, max(step / self.steps, self.reached + (1 - self.reached) * passed))

    def rate(self, step: int) -> float:
        """The learning rate as a share of the peak: linear warm-up, then linear decay to the end of the time."""
        done = self.share_done(step) if step else 0.0
        return min(done / WARM_UP, (1 - done) / (1 - WARM_UP))

    def set_peak(self, seconds: float) -> None:
        """Sets the encoder's learning rate, given the seconds for training and the pace of a batch."""
        batches, begin = self.batches(random.Random(self.config.seed)), time.monotonic()
        self.model.train()
        self.backward(max(batches, key=len))
        self.optimizer.zero_grad()
        passes = min(self.config.epochs, seconds / (time.monotonic() - begin) / len(batches))
        logger.info("time for some %.2g passes over the texts", passes)
        narrow = min(1, NARROW / self.model.encoder.hidden_size)
        rate = STUDENT_LR * narrow if self.student else encoder_lr(passes, narrow)
        self.schedule.base_lrs[1] = rate

    def fit_until(self, deadline: float) -> None:
        """Trains until all steps are done or the deadline, by `time.monotonic`; ``out`` then has the model."""
        done = self.schedule.last_epoch
        batches = self.stream(done)
        self.begun, self.deadline = time.monotonic(), deadline
        interval = min(CHECKPOINT_S, (deadline - self.begun) / CHECKPOINTS)
        while self.reached < 1:
            begin, losses = time.monotonic(), list[float]()
            self.model.train()
            while not losses or (time.monotonic() < begin + interval and self.share_done(done + len(losses)) < 1):
                losses.append(self.step(next(batches)))
            done += len(losses)
            self.reached, self.begun = self.share_done(done), time.monotonic()
            self.save(self.out)
            self.save_checkpoint()
            record = {"step": done, "done": round(self.reached, 4), "loss": round(sum(losses) / len(losses), 5)}
            self.note(record | {"seconds": round(time.monotonic() - begin, 1)})


def with_gates(plain: GatedModel) -> GatedModel:
    """Gives the model of a token-classification checkpoint fresh heads after all layers but the last."""
    last = str(plain.encoder.num_layers)
    model = GatedModel(plain.encoder, plain.labels, gates=True)
    model.heads[last] = plain.heads[last]
    return model


def fit_heads(model: GatedModel, batches: Sequence[Sequence[Example]], deadline: float = math.inf) -> None:
    """Fits each head but the last to targets, with L-BFGS, on the hidden states of the dense pass.

    The rest of the model is constant, so one pass over some texts is enough and the fit is convex. Self-distillation
    then starts much closer to its goal than from random heads. Only the first batches are used: those
    whose hidden states fit into ``MAX_BYTES``, and that run before ``deadline``, by `time.monotonic`.
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
        loss = F.cross_entropy(states @ weight.T + bias, targets) + RIDGE * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        head.weight.copy_(weight / std)
        head.bias.copy_(bias - head.weight @ mean)


def median_entropy(examples: Sequence[Example]) -> float:
    """Median of the normalised entropies of targets, 0–1: how certain the checkpoint is of most words."""
    targets = np.concatenate([example.targets for example in examples])
    return float(np.median(normalised_entropy(np.divide(targets, 255, dtype=np.float32))))


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


def distil(
    model: GatedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    config: TrainingConfig,
    *,
    student: bool,
    deadline: float,
) -> float:
    """Trains, or continues an interrupted run, and returns the number of passes over the texts.

    The examples are windows with a checkpoint's labels. The model is that checkpoint's own or a ``student``, which has
    further to go. The configuration's folder gets the model, and its subfolder ``training`` log and checkpoint. The
    deadline is by `time.monotonic`.
    """
    batches, begun = make_batches(examples, config.max_rows, random.Random(config.seed)), time.monotonic()
    fresh = not Path(config.out, WORK, CHECKPOINT).is_file()
    if not model.has_gates:
        model = with_gates(model)
        if fresh:
            fit_heads(model.to(default_device()), batches, begun + HEADS_SHARE * (deadline - begun))
    run = Distillation(config, model, tokenizer, examples, student=student)
    if fresh:
        run.set_peak(deadline - time.monotonic())
    else:
        run.resume()
    run.fit_until(deadline)
    return run.schedule.last_epoch / len(batches)
