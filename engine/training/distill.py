"""Distillation: a checkpoint's gate heads and, unless it is frozen, its encoder learn its own output on texts.

The targets are the label distributions of the checkpoint's dense pass and, where there is some, gold; words exit while
the student is trained. The learning rate follows the time that is left, so training ends when it should.
"""

from __future__ import annotations

import copy
import json
import logging
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from engine.checkpoint import Weights, load_huggingface, save_gates
from engine.folder import optional_file
from engine.model.gated import GatedModel
from engine.pruning.signals import normalised_entropy
from engine.training.data import Example, make_batches
from engine.training.heads import fit_heads, with_gates
from engine.training.loop import CHECKPOINT, Training, TrainingConfig, default_device

logger = logging.getLogger(__name__)

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
HEADS_SHARE = 0.2  # of the time for training, in which hidden states are collected to fit gate heads
CONFIG, MODEL = "config.json", "model.safetensors"
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spm.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)


class Distillation(Training):
    """Trains a copy of a checkpoint's model with gate heads until its time is over, and writes checkpoints meanwhile.

    The learning rate decays to zero, so the last average of the weights is the one to keep. For the arguments see
    `distil`.
    """

    progress = (*Training.progress, "reached")

    def __init__(
        self,
        weights: Weights,
        model: GatedModel,
        taught: Sequence[Example],
        gold: Sequence[Example],
        config: TrainingConfig,
        *,
        frozen: bool,
        student: bool,
    ) -> None:
        self.examples, self.order = [*taught, *gold], weights.label_order
        self.frozen, self.student = frozen, student
        self.reached, self.begun, self.deadline = 0.0, 0.0, 0.0  # share of the training done before; times
        model = copy.deepcopy(model)
        self.last = str(model.encoder.num_layers)
        if frozen:
            for part in (model.encoder, model.heads[self.last]):
                part.requires_grad_(False)
        super().__init__(config, model, weights.tokenizer, median_entropy(taught))

    @property
    def work(self) -> Path:
        """Apart from the model, which others load."""
        return self.out / "training"

    def trained(self, model: nn.Module) -> list[dict[str, Any]]:
        """Gate heads with their own learning rate, and everything else that is not frozen."""
        heads, others = [], []
        for name, parameter in model.named_parameters():
            if name.startswith("heads.") and not name.startswith(f"heads.{self.last}."):
                heads.append(parameter)
            elif parameter.requires_grad:
                others.append(parameter)
        return [{"params": heads, "lr": HEAD_LR}, *([{"params": others}] if others else [])]

    def stream(self, done: int) -> Iterator[list[Example]]:
        """The batches from a step on, pass after pass."""
        for number in count():
            batches = self.batches(random.Random(self.config.seed * 1000 + number))
            yield from batches[done:]
            done = max(0, done - len(batches))

    def save(self, folder: Path) -> None:
        """Writes a model folder or, for a frozen checkpoint, only the gate heads in its order of labels."""
        if self.frozen:
            save_gates(folder, self.average.module, self.order)
        else:
            super().save(folder)

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
        self.schedule.base_lrs[1:] = [rate] * (not self.frozen)

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
            done, self.epoch = done + len(losses), self.epoch + 1
            self.reached, self.begun = self.share_done(done), time.monotonic()
            self.save(self.out)
            self.save_checkpoint()
            record = {"step": done, "done": round(self.reached, 4), "loss": round(sum(losses) / len(losses), 5)}
            self.note(record | {"seconds": round(time.monotonic() - begin, 1)})


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
    weights: Weights,
    taught: Sequence[Example],
    gold: Sequence[Example],
    config: TrainingConfig,
    *,
    frozen: bool,
    student: bool,
    deadline: float,
) -> float:
    """Trains, or continues an interrupted run, and returns the number of passes over the texts.

    ``taught`` and ``gold`` are windows with a checkpoint's labels and with gold. The weights are that checkpoint's own
    or those of a ``student``, which has further to go. The configuration's folder gets the model or, for a frozen
    checkpoint, the gate heads, and in its subfolder ``training`` log and checkpoint. The deadline is by
    `time.monotonic`.
    """
    batches = make_batches([*taught, *gold], config.max_rows, random.Random(config.seed))
    model = weights.model if weights.model.has_gates else with_gates(weights.model)
    seconds, fresh = deadline - time.monotonic(), not Path(config.out, "training", CHECKPOINT).is_file()
    if fresh and not weights.model.has_gates:
        fit_heads(model.to(default_device()), batches, time.monotonic() + HEADS_SHARE * seconds)
    run = Distillation(weights, model, taught, gold, config, frozen=frozen, student=student)
    if fresh:
        run.set_peak(deadline - time.monotonic())
    else:
        run.resume()
    run.fit_until(deadline)
    return run.schedule.last_epoch / len(batches)


def copy_checkpoint(weights: Weights, folder: Path, *, rename: bool) -> None:
    """Copies the files that loading a checkpoint needs to a folder, byte for byte.

    Weights in another format than ``model.safetensors`` are converted. ``rename`` writes the model's labels into the
    configuration, because the checkpoint's own names are meaningless.
    """
    found = {name: optional_file(weights.path, name) for name in (CONFIG, MODEL, *TOKENIZER)}
    if not found[MODEL]:  # even if the folder has one: an earlier start may have been stopped while converting
        load_huggingface(weights.path).save_pretrained(folder)  # the configuration, too, which is replaced below
    for name, file in found.items():
        if file:
            shutil.copyfile(file, folder / name)
    if rename:
        names = weights.model.labels.names
        by_logit = [names[index] for index in np.argsort(weights.label_order)]
        config = json.loads((folder / CONFIG).read_text())
        config["id2label"] = {str(index): name for index, name in enumerate(by_logit)}
        config["label2id"] = {name: index for index, name in enumerate(by_logit)}
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
