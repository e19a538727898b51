"""Self-distillation: a checkpoint's gate heads and, unless it is frozen, its encoder learn its own output on texts.

The targets are the label distributions of the checkpoint's dense pass and, where there is some, gold; words exit while
the student is trained. The number of steps is planned from the pace of a batch, and again after every checkpoint.
"""

from __future__ import annotations

import copy
import gc
import json
import logging
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import set_seed
from torch import nn

from engine.checkpoint import Weights, load_huggingface, save_gates
from engine.folder import optional_file
from engine.model.gated import GatedModel
from engine.pruning.signals import normalised_entropy
from engine.runs import read_json, write_json
from engine.training.data import Example, make_batches
from engine.training.heads import HeadsConfig, HeadsTraining, fit_heads, with_gates

logger = logging.getLogger(__name__)

HEAD_LR = 1e-3
ENCODER_LR = 1e-5, 6e-5  # lowest, highest
NARROW = 256  # hidden size up to which the highest applies; beyond, it falls with the size
PRUNED = 0.8  # share of the windows that are pruned
MAX_PASSES = 30  # over the texts
MAX_ROWS = 1024  # word pieces in a batch
CHECKPOINT_S, CHECKPOINTS = 180, 4  # approximate maximum seconds between two; approximate minimum number
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


class Distillation(HeadsTraining):
    """Trains a copy of a checkpoint's model with gate heads, and writes checkpoints at intervals.

    Texts are seen unchanged, without dropout or masked words. The learning rate decays to zero, so the last average of
    the weights is the one to keep. Of ``steps``, as first planned, a pass over the texts has ``batches``; for the other
    arguments see `distil`.
    """

    def __init__(
        self,
        weights: Weights,
        model: GatedModel,
        taught: Sequence[Example],
        gold: Sequence[Example],
        watch: Callable[[GatedModel], float],
        out: Path,
        *,
        steps: int,
        batches: int,
        mixed_precision: str,
        frozen: bool,
        seed: int,
    ) -> None:
        self.examples, self.watch, self.order, self.frozen = [*taught, *gold], watch, weights.label_order, frozen
        self.most = MAX_PASSES * batches
        model = copy.deepcopy(model)
        self.last = str(model.encoder.num_layers)
        if frozen:
            for part in (model.encoder, model.heads[self.last]):
                part.requires_grad_(False)
        config = HeadsConfig(
            out=str(out),
            temperature=1.0,
            lr=encoder_lr(steps / batches, model.encoder.hidden_size),
            max_rows=MAX_ROWS,
            dropout=0.0,
            mask=0.0,
            pruned=PRUNED,
            average=max(0.0, min(0.995, 1 - 20 / steps)),
            mixed_precision=mixed_precision,
            seed=seed,
        )
        super().__init__(config, model, weights.tokenizer, median_entropy(taught), steps)

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

    def save(self, model: Any, folder: Path) -> None:
        """Writes a model folder or, for a frozen checkpoint, only the gate heads in its order of labels."""
        if not self.frozen:
            super().save(model, folder)
            return
        folder.mkdir(parents=True, exist_ok=True)
        save_gates(folder, model, self.order)

    def score(self, folder: Path) -> float:
        """The score that ``watch`` gives the average."""
        average: Any = self.average.module
        return self.watch(average)

    def replan(self, done: int, left: int) -> None:
        """Plans ``left`` more steps after ``done``, but no more passes than allowed; the rate reaches 0 at the new end.

        A run that still warms up goes on to the full rate: it warms up over a tenth of the new plan.
        """
        steps = min(done + left, self.most)
        if steps < self.steps:
            logger.info("time for %d of %d further steps", steps - done, self.steps - done)
        if done < self.warm:
            self.warm = max(done, steps // 10)
            self.decay = self.warm, 1.0
        else:
            self.decay = done, self.rate(done)
        self.steps = steps

    def fit_until(self, deadline: float) -> None:
        """Trains until all steps are done or the deadline, by `time.monotonic`, is near; ``out`` has the model."""
        done = self.schedule.last_epoch
        batches = self.stream(done)
        interval = min(CHECKPOINT_S, (deadline - time.monotonic()) / CHECKPOINTS)
        self.model.train()
        while done < self.steps:
            begin, losses = time.monotonic(), list[float]()
            until = min(begin + interval, deadline)
            while done + len(losses) < self.steps and (not losses or time.monotonic() < until):
                losses.append(self.step(next(batches)))
            done, seconds = done + len(losses), time.monotonic() - begin
            self.epoch += 1
            self.replan(done, max(0, int((deadline - time.monotonic()) / seconds * len(losses))))
            agreement = self.save_epoch(only_better=False)
            record = {"step": done, "of": self.steps, "loss": round(sum(losses) / len(losses), 5)}
            record |= {"agreement": round(agreement, 5), "seconds": round(seconds, 1)}
            self.note(record | {"mixed_precision": self.precision})


def median_entropy(examples: Sequence[Example]) -> float:
    """Median of the normalised entropies of targets, 0–1: how certain the checkpoint is of most words."""
    targets = np.concatenate([example.targets for example in examples])
    return float(np.median(normalised_entropy(np.divide(targets, 255, dtype=np.float32))))


def encoder_lr(passes: float, hidden_size: int) -> float:
    """The encoder's peak learning rate, which is lower for a wider encoder and for texts that are seen more often.

    Early layers have far to go, so texts seen once or twice are learned from at the rate of fine-tuning. A few texts,
    seen often, are memorised, and no gate makes up for a dense pass that drifts away: on 300 abstracts its agreement
    with the checkpoint was 93 % after 5e-5 with dropout, masked words and sharpened targets, 98.7 % after 1e-5 without.
    With Adam, the best rate falls as the width grows (Yang et al. 2021, Tensor Programs V).
    """
    low, high = ENCODER_LR
    high *= min(1, NARROW / hidden_size)
    return max(low, min(high, 2 * high / passes))


def plan_steps(seconds: float, batches: int, step_s: float) -> int:
    """Plans as many steps as fit into some seconds, but at most ``MAX_PASSES`` over the texts."""
    return max(1, min(round(seconds / step_s), MAX_PASSES * batches))


def distil(
    weights: Weights,
    taught: Sequence[Example],
    gold: Sequence[Example],
    watch: Callable[[GatedModel], float],
    folder: Path,
    *,
    device: torch.device,
    frozen: bool,
    mixed_precision: str,
    deadline: float,
    seed: int,
) -> float:
    """Trains, or continues an interrupted run, and returns the number of passes over the texts.

    ``taught`` and ``gold`` are windows with the checkpoint's own labels and with gold; ``watch`` scores a model, 0–1,
    for the log. The plan goes into ``folder``; model, log and checkpoint go into its subfolder ``run``. The deadline is
    by `time.monotonic`.
    """
    file, out = folder / "schedule.json", folder / "run"
    batches = make_batches([*taught, *gold], MAX_ROWS, random.Random(seed))
    model = weights.model if weights.model.has_gates else with_gates(weights.model)
    if not weights.model.has_gates and not (out / "checkpoint").is_dir():
        fit_heads(model.to(device), batches)
    begin = partial(
        Distillation, weights, model, taught, gold, watch, out, batches=len(batches), frozen=frozen, seed=seed
    )
    if not file.is_file():
        probe = begin(steps=len(batches), mixed_precision=mixed_precision)
        fastest, step_s = probe.fastest_precision(max(batches, key=len))
        del probe
        gc.collect()  # a run and its accelerator refer to each other
        steps = plan_steps(deadline - time.monotonic(), len(batches), step_s)
        logger.info("planned %d steps; a pass over the texts has %d", steps, len(batches))
        write_json(file, {"steps": steps, "mixed_precision": fastest})
    plan = read_json(file)
    set_seed(seed)
    run = begin(steps=plan["steps"], mixed_precision=plan["mixed_precision"])
    run.resume()
    run.fit_until(deadline)
    return run.steps / len(batches)


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
