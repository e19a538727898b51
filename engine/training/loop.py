"""The training loop that every stage shares: epochs, average of the weights, early stopping, checkpoints, resuming.

After each epoch the running average of the weights is saved, loaded again, and scored by exact-span F1 on the
development split; ``out`` keeps the best average.
"""

from __future__ import annotations

import json
import logging
import math
import random
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm
from transformers import HfArgumentParser, get_linear_schedule_with_warmup

from engine.checksums import RUN_SETTINGS
from engine.errors import InputError
from engine.training.config import PRECISIONS, TrainingConfig
from engine.training.state import check_free, claim, write_json

logger = logging.getLogger(__name__)

TRIES = 3  # of each on one batch, to see which is faster; the first is discarded

C = TypeVar("C", bound=TrainingConfig)


class Run(ABC, Generic[C]):
    """One run with its checkpoints. A stage defines its batches and loss, and how the model is saved and scored."""

    def __init__(self, config: C, model: nn.Module) -> None:
        """Takes the model to train; `train` has set the random state before."""
        self.config = config
        self.out = Path(config.out)
        self.precision = config.mixed_precision
        self.accelerator = Accelerator(mixed_precision="no")  # it knows one precision per process: see `step`
        if self.accelerator.num_processes > 1:
            raise InputError("expected one process, got several; start it with python, not with accelerate launch")
        self.epoch, self.best, self.best_epoch = 0, -1.0, 0
        steps = config.epochs * len(self.batches(random.Random(0)))
        optimizer = AdamW(self.trained(model), lr=config.lr, weight_decay=config.weight_decay, fused=True)
        self.schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(config.average))
        self.accelerator.register_for_checkpointing(self.schedule, self.average, self)

    @abstractmethod
    def batches(self, rng: random.Random) -> list[Any]:
        """The batches of one epoch; their number should hardly vary, since the learning-rate schedule relies on it."""

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """The loss of one batch, a scalar; called under autocast."""

    @abstractmethod
    def save(self, model: Any, folder: Path) -> None:
        """Writes the model and everything needed to load it."""

    @abstractmethod
    def score(self, folder: Path) -> float:
        """Mean exact-span F1 on the development split, 0–1, of the model in the folder; see `TrainingConfig.scored`."""

    @cached_property
    def data(self) -> str:
        """A digest of what it learns from and is scored on; empty if the caller compares these itself."""
        return ""

    def trained(self, model: nn.Module) -> list[dict[str, Any]]:
        """The parameters to train, in AdamW's groups; by default one group of all that require gradients."""
        return [{"params": [parameter for parameter in model.parameters() if parameter.requires_grad]}]

    def improves(self, score: float) -> bool:
        """Whether a model with this score replaces the one kept: if it is better than any before."""
        return score > self.best

    def state_dict(self) -> dict[str, Any]:
        """Progress, for checkpoints."""
        progress = {"epoch": self.epoch, "best": self.best, "best_epoch": self.best_epoch}
        return progress | {"data": self.data, "precision": self.precision}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Progress from a checkpoint.

        Raises:
            InputError: files that the run learned from or was scored on have changed.
        """
        if state.get("data", self.data) != self.data:
            raise InputError(
                f"expected the texts and labels of the run in {self.out}, got others under the same names; "
                "restore the files, or use another --out"
            )
        self.epoch, self.best, self.best_epoch = int(state["epoch"]), state["best"], int(state["best_epoch"])
        self.precision = state.get("precision", self.precision)

    @property
    def checkpoint(self) -> Path:
        return self.out / "checkpoint"

    @property
    def log(self) -> Path:
        return self.out / "log.jsonl"

    def resume(self) -> None:
        """Continues from the checkpoint, if there is one.

        Raises:
            InputError: a run without its checkpoint.
        """
        stale = self.out / "checkpoint.old"
        if stale.is_dir() and not self.checkpoint.is_dir():
            stale.rename(self.checkpoint)
        if self.checkpoint.is_dir():
            self.accelerator.load_state(str(self.checkpoint))
            logger.info("resumed after epoch %d", self.epoch)
        elif self.log.is_file():
            raise InputError(
                f"expected the checkpoint of the run in {self.out}, got none; take the model as it is if the run has "
                "ended, or use another --out"
            )

    def fit(self) -> float:
        """Trains to the end; the best model is in ``out``.

        Returns:
            Its score.
        """
        candidate = self.out / "candidate"
        if self.precision == "auto":
            self.precision = self._faster()
        while self.epoch < self.config.epochs and self.epoch - self.best_epoch < self.config.patience:
            started = time.perf_counter()
            self.epoch += 1
            loss = self._train_epoch()
            self.save(self.average.module, candidate)
            f1 = self.score(candidate)
            improved = self.improves(f1)
            if improved:
                self.best, self.best_epoch = f1, self.epoch
                for file in candidate.iterdir():
                    file.replace(self.out / file.name)
            self._save_checkpoint()
            seconds = round(time.perf_counter() - started, 1)
            record: dict[str, Any] = {
                "epoch": self.epoch,
                "loss": round(loss, 5),
                "dev_f1": round(f1, 5),
                "best": improved,
            }
            record |= {"seconds": seconds, "mixed_precision": self.precision}
            logger.info("%s", record)
            with self.log.open("a") as log:
                log.write(json.dumps(record) + "\n")
        shutil.rmtree(candidate, ignore_errors=True)
        return self.best

    def _save_checkpoint(self) -> None:
        """Replaces the checkpoint in one step, so that an interruption leaves either the old or the new one."""
        fresh, stale = self.out / "checkpoint.new", self.out / "checkpoint.old"
        shutil.rmtree(fresh, ignore_errors=True)
        self.accelerator.save_state(str(fresh))
        shutil.rmtree(stale, ignore_errors=True)
        if self.checkpoint.exists():
            self.checkpoint.rename(stale)
        fresh.rename(self.checkpoint)
        shutil.rmtree(stale, ignore_errors=True)

    def _train_epoch(self) -> float:
        self.model.train()
        total, batches = 0.0, self.batches(random.Random(self.config.seed * 1000 + self.epoch))
        started, to_come = time.monotonic(), (self.config.epochs - self.epoch + 1) * len(batches)
        for number, batch in enumerate(tqdm(batches, desc=f"epoch {self.epoch}", disable=None), start=1):
            total += self.step(batch)
            if number % 50 == 0 or number == len(batches):
                left = tqdm.format_interval((time.monotonic() - started) / number * (to_come - number))
                done = f"epoch {self.epoch} of {self.config.epochs}: batch {number} of {len(batches)}"
                logger.info("%s, loss %.4f, %s left", done, total / number, left)
        return total / len(batches)

    def step(self, batch: Any) -> float:
        """Learns from one batch.

        Returns:
            Its loss.
        """
        loss = self._backward(batch, self.precision)
        self.optimizer.step()
        # `Linear` tells by a weight's version whether its packed copy is stale; fused optimizers do not change it.
        for parameter in self.model.parameters():
            torch.autograd.graph.increment_version(parameter)
        self.schedule.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(self.accelerator.unwrap_model(self.model))
        return loss.item()

    def _backward(self, batch: Any, precision: str) -> Tensor:
        """Computes the loss of a batch and clipped gradients."""
        with torch.autocast(self.accelerator.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = self.loss(batch)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
        return loss

    def _faster(self) -> str:
        """The precision in which a batch's gradients take less time; learns nothing, and restores the random state.

        Processors without instructions for bfloat16 are slower in it, and so are some that have them.
        """
        self.model.train()
        batch = self.batches(random.Random(self.config.seed))[0]
        seconds = dict.fromkeys(PRECISIONS, math.inf)
        with torch.random.fork_rng():
            for number in range(TRIES):
                for precision in PRECISIONS:
                    begin = time.perf_counter()
                    self._backward(batch, precision).item()
                    self.optimizer.zero_grad()
                    if number:
                        seconds[precision] = min(seconds[precision], time.perf_counter() - begin)
        faster, slower = sorted(PRECISIONS, key=lambda precision: seconds[precision])
        ratio = seconds[slower] / seconds[faster]
        logger.info("mixed precision %s: %.1f times as fast as %s", faster, ratio, slower)
        return faster


def train(make_run: Callable[[C], Run[C]], config: C, *, resume: bool = False) -> float:
    """Trains as configured; ``training.json`` stores the settings.

    Args:
        make_run: the stage.
        config: its settings.
        resume: continue from the checkpoint in ``config.out``.

    Returns:
        The score of the saved model.

    Raises:
        InputError: a model or corpus that cannot be used, or an ``out`` with another run or other files in it.
    """
    settings = Path(config.out, RUN_SETTINGS)
    check_free(settings.parent, settings)
    # Between two starts, only the folders written to and read from may change.
    claim(settings, asdict(config), resume=resume, free=("out", "data_dir"))
    set_seed(config.seed)
    run = make_run(config)
    write_json(settings, asdict(config))
    if resume:
        run.resume()
    return run.fit()


def command_line(
    stage: str, doc: str | None, config_type: type[C], make_run: Callable[[C], Run[C]], argv: list[str] | None
) -> int:
    """The command line of a stage: an option for each setting, and ``--resume``; exit status 2 for bad input."""
    parser: Any = HfArgumentParser(cast(Any, config_type), prog=f"python -m engine.training.{stage}", description=doc)
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in --out")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    config, others, unknown = parser.parse_args_into_dataclasses(
        argv, return_remaining_strings=True, look_for_args_file=False
    )
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    f1 = train(make_run, config, resume=others.resume)
    score = "exact-span F1" if len(config.scored) == 1 else f"mean exact-span F1 of {' and '.join(config.scored)}"
    print(f"{score} on development: {f1:.4f}; the model is in {config.out}")
    return 0
