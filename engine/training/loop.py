"""Shared by all training stages: settings, the training loop with its checkpoints, and the command line.

After each epoch the running average of the weights is saved, loaded again and scored by exact-span F1 on the
development split; ``out`` contains the best average so far.
"""

from __future__ import annotations

import argparse
import logging
import math
import random
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm
from transformers.utils import logging as transformers_logging

from engine.checksums import RUN_SETTINGS
from engine.data.corpora import Corpus, load_corpus
from engine.errors import InputError, first_line
from engine.runs import Log, check_same, continues, locked, write_json
from engine.tagger import load_engine
from engine.training.data import Example, gold_digest, make_batches, named_corpora
from engine.training.trials import f1_of

logger = logging.getLogger(__name__)

PRECISIONS = ("no", "bf16")
TRIES = 2  # times that a batch is timed in each precision
SEEDS = 0, 2**31


def option(
    meaning: str, default: Any = MISSING, limits: tuple[float, float] | None = None, choices: Sequence[str] = ()
) -> Any:
    """A field of settings that is also a command-line option, see `add_options`; without a default it is required.

    ``limits`` are the lowest and the highest value; ``choices``, if there are some, are the allowed ones.
    """
    return field(default=default, metadata={"help": meaning, "limits": limits, "choices": choices})


def shared_option(name: str, default: Any = MISSING) -> Any:
    """The option of `TrainingConfig` with this name, with its default or another."""
    one = TrainingConfig.__dataclass_fields__[name]
    return field(default=one.default if default is MISSING else default, metadata=one.metadata)


def add_options(parser: argparse.ArgumentParser, config: type[Any], skip: Collection[str] = ()) -> None:
    """Adds the options of settings to a command line, except some fields."""
    for one in (one for one in fields(config) if one.name not in skip):
        kind, meaning = str(one.type).split(" ")[0], one.metadata["help"]  # types are strings, e.g. "float | None"
        parts: dict[str, Any] = {"type": {"int": int, "float": float}.get(kind, str), "default": one.default}
        if kind == "bool":
            parts = {"action": "store_true"}
        elif one.default is MISSING:
            parts["required"] = True
        elif one.default not in ("", None):
            meaning += " (default %(default)s)"
        names = dict.fromkeys((f"--{one.name.replace('_', '-')}", f"--{one.name}"))
        parser.add_argument(*names, help=meaning, **parts)


def check_limits(name: str, value: float, limits: tuple[float, float]) -> None:
    """Raises an `InputError` if a setting is outside its limits."""
    low, high = limits
    if not low <= value <= high:
        raise InputError(f"expected {name} between {low} and {high}, got {value}; change it")


def check_options(config: Any) -> None:
    """Raises an `InputError` if a setting is outside the limits of its option, or none of its choices."""
    for one in fields(config):
        value, limits, choices = getattr(config, one.name), one.metadata["limits"], one.metadata["choices"]
        if limits and value is not None:
            check_limits(one.name, value, limits)
        if choices and value not in choices:
            raise InputError(f"expected one of {', '.join(choices)} as {one.name}, got {value!r}; choose one of them")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings that every stage has. Each field is a command-line option."""

    out: str = option(
        "folder for the model, the log and the checkpoint, which --resume needs even after the end of the run"
    )
    corpus: str = option("training data: NAME or NAME:SPLIT, several joined by commas", "bc5cdr")
    split: str = option("split of the corpora that name none", "fit")
    dev_corpus: str = option("corpus for early stopping; empty: the first training corpus, unless it is a file", "")
    dev_split: str = option("split for early stopping", "calib")
    data_dir: str = option("folder searched first for named corpora", "")
    epochs: int = option("maximum number of passes over the training data", 12, (1, 10_000))
    patience: int = option("stop after this many epochs without a better development F1", 4, (1, 10_000))
    lr: float = option("peak learning rate; linear warm-up over a tenth of the steps, then linear decay", 3e-4, (0, 1))
    weight_decay: float = option("weight decay of AdamW", 0.01, (0, 10))
    max_rows: int = option("maximum number of word pieces in a batch", 2048, (1, 10**7))
    dropout: float = option("dropout on embeddings and on the outputs of attention and feed-forward", 0.1, (0, 0.9))
    average: float = option("decay per step of the running average of the weights", 0.995, (0, 0.99999))
    mixed_precision: str = option(
        "precision of the multiplies in training: auto (the faster one), bf16 or no",
        "auto",
        choices=("auto", *PRECISIONS),
    )
    seed: int = option("seed of everything random", 0, SEEDS)

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def scored(self) -> tuple[str, ...]:
        """The strategies whose mean F1 early stopping uses."""
        return ("dense",)

    def corpora(self) -> tuple[list[Corpus], Corpus]:
        """Loads the training corpora and the one for early stopping."""
        train = named_corpora(self.corpus, self.split, self.data_dir)
        dev = load_corpus(self.dev_corpus or train[0].name, self.dev_split, self.data_dir or None)
        if not dev.types:
            raise InputError(
                f"expected entities for early stopping, got none in {dev.name} {dev.split}; choose another --dev-corpus"
            )
        if gold_digest(dev) in map(gold_digest, train):
            raise InputError(
                f"expected --dev-corpus with other documents than the training corpora, got {dev.name} {dev.split} for "
                "both; choose another --dev-corpus or --dev-split"
            )
        return train, dev


@contextmanager
def loading(backbone: str) -> Iterator[None]:
    """A context for loading a backbone, a folder or hub id, without progress bars; any error is an `InputError`."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # as in engine.checkpoint: many types, one meaning
        raise InputError(
            f"expected a Hugging Face encoder, got {backbone!r}: {first_line(error)}; check the path or hub id"
        ) from error


class Training(ABC):
    """A training run with its checkpoints. A stage defines examples and loss, and how the model is saved.

    Without ``steps``, it takes as many as ``epochs`` have batches. `train` sets the random state before.

    ``examples``: what it learns from.
    ``dev``: the corpus for early stopping.
    ``data``: a digest of data, tokenizer and configuration; empty if the caller compares them itself.
    """

    examples: Sequence[Example]
    dev: Corpus
    data = ""

    def __init__(self, config: TrainingConfig, model: nn.Module, steps: int | None = None) -> None:
        self.config = config
        self.out = Path(config.out)
        self.checkpoint, self.log = self.out / "checkpoint", self.out / "log.jsonl"
        self.precision = config.mixed_precision
        self.accelerator = Accelerator(mixed_precision="no")  # it knows one precision per process: see `step`
        if self.accelerator.num_processes > 1:
            raise InputError("expected one process, got several; start it with python, not with accelerate launch")
        self.epoch, self.best, self.best_epoch = 0, -1.0, 0
        self.steps = steps or config.epochs * len(self.batches(random.Random(0)))
        self.warm = self.steps // 10
        self.decay = self.warm, 1.0  # the step at which the linear decay to 0 begins, and its share of the peak there
        optimizer = AdamW(self.trained(model), lr=config.lr, weight_decay=config.weight_decay, fused=True)
        self.schedule = LambdaLR(optimizer, self.rate)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(config.average))
        self.accelerator.register_for_checkpointing(self.schedule, self.average, self)

    def batches(self, rng: random.Random) -> list[list[Example]]:
        """The batches of one epoch; their number should hardly vary, since the learning-rate schedule relies on it."""
        return make_batches(self.examples, self.config.max_rows, rng)

    @abstractmethod
    def loss(self, batch: list[Example]) -> Tensor:
        """The loss of one batch, a scalar; called under autocast."""

    @abstractmethod
    def save(self, model: Any, folder: Path) -> None:
        """Writes the model and everything needed to load it."""

    def score(self, folder: Path) -> float:
        """Mean exact-span F1, 0–1, of the model in a folder on the development split; see `TrainingConfig.scored`."""
        engine = load_engine(folder, device=str(self.accelerator.device))
        return fmean(f1_of(engine, self.dev, engine.strategy(strategy)) for strategy in self.config.scored)

    def trained(self, model: nn.Module) -> list[dict[str, Any]]:
        """The parameter groups for AdamW; by default one group of all parameters that require gradients."""
        return [{"params": [parameter for parameter in model.parameters() if parameter.requires_grad]}]

    def rate(self, step: int) -> float:
        """The learning rate at a step, as a share of the peak."""
        begin, level = self.decay
        if step < self.warm:
            return step / self.warm
        return level * max(0.0, (self.steps - step) / max(1, self.steps - begin))

    def state_dict(self) -> dict[str, Any]:
        """The progress, for checkpoints."""
        names = ("epoch", "best", "best_epoch", "data", "precision", "steps", "warm", "decay")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the progress from a checkpoint, unless it belongs to other data."""
        what = "texts, labels, tokenizer and configuration"
        check_same(self.out, {what: state["data"]}, {what: self.data})
        for name in state.keys() - {"data"}:
            setattr(self, name, state[name])

    def resume(self) -> None:
        """Continues from the checkpoint, if there is one."""
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
        """Trains to the end and returns the score of the best model, which is in ``out``."""
        if self.precision == "auto":
            batch = self.batches(random.Random(self.config.seed))[0]
            self.precision, _ = self.fastest_precision(batch)
        while self.epoch < self.config.epochs and self.epoch - self.best_epoch < self.config.patience:
            started = time.monotonic()
            self.epoch += 1
            loss = self.train_epoch()
            f1 = self.save_epoch()
            record = {"epoch": self.epoch, "loss": round(loss, 5), "dev_f1": round(f1, 5)}
            record |= {"best": self.best_epoch == self.epoch, "seconds": round(time.monotonic() - started, 1)}
            self.note(record | {"mixed_precision": self.precision})
        return self.best

    def save_epoch(self, *, only_better: bool = True) -> float:
        """Scores the average of the weights, moves it to ``out`` if it is the best so far, and writes a checkpoint."""
        candidate = self.out / "candidate"
        self.save(self.average.module, candidate)
        score = self.score(candidate)
        if score > self.best or not only_better:
            self.best, self.best_epoch = score, self.epoch
            for file in candidate.iterdir():
                file.replace(self.out / file.name)
        shutil.rmtree(candidate)
        # One step replaces the checkpoint: an interruption leaves either the old or the new one.
        fresh, stale = self.out / "checkpoint.new", self.out / "checkpoint.old"
        shutil.rmtree(fresh, ignore_errors=True)
        self.accelerator.save_state(str(fresh))
        shutil.rmtree(stale, ignore_errors=True)
        if self.checkpoint.exists():
            self.checkpoint.rename(stale)
        fresh.rename(self.checkpoint)
        shutil.rmtree(stale, ignore_errors=True)
        return score

    def note(self, record: dict[str, Any]) -> None:
        """Adds a record to the run's log and shows it."""
        logger.info("%s", record)
        Log(self.log).append(record)

    def train_epoch(self) -> float:
        """Trains on one epoch's batches; returns the mean loss."""
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

    def step(self, batch: list[Example]) -> float:
        """Trains on one batch; returns its loss."""
        loss = self._backward(batch, self.precision)
        self.optimizer.step()
        # `Linear` sees by a weight's version whether its packed copy is stale; fused optimizers do not change it.
        for parameter in self.model.parameters():
            torch.autograd.graph.increment_version(parameter)
        self.schedule.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(self.accelerator.unwrap_model(self.model))
        return loss.item()

    def _backward(self, batch: list[Example], precision: str) -> Tensor:
        """Computes the loss of a batch and clipped gradients."""
        with torch.autocast(self.accelerator.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = self.loss(batch)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
        return loss

    def fastest_precision(self, batch: list[Example]) -> tuple[str, float]:
        """Returns the allowed precision in which a batch's gradients are computed fastest, and the seconds it takes.

        Weights and random state stay unchanged. Processors without instructions for bfloat16 are slower in it, and so
        are some that have them.
        """
        self.model.train()
        seconds = dict.fromkeys(PRECISIONS if self.precision == "auto" else (self.precision,), math.inf)
        with torch.random.fork_rng():
            for number in range(1 + TRIES):
                for precision in seconds:
                    begin = time.perf_counter()
                    self._backward(batch, precision).item()
                    self.optimizer.zero_grad()
                    if number:  # the first time is longer
                        seconds[precision] = min(seconds[precision], time.perf_counter() - begin)
        logger.info("seconds per batch in each mixed precision: %s", seconds)
        fastest = min(seconds, key=lambda precision: seconds[precision])
        return fastest, seconds[fastest]


def train(stage: Callable[[Any], Training], config: TrainingConfig, *, resume: bool = False) -> float:
    """Runs a stage, or continues it from the checkpoint in ``config.out``; returns the score of the saved model."""
    out = Path(config.out)
    # Between two starts, only the folders written to and read from may change.
    continues(out, RUN_SETTINGS, asdict(config), resume=resume, free=("out", "data_dir"))
    set_seed(config.seed)
    run = stage(config)
    with locked(out):
        write_json(out / RUN_SETTINGS, asdict(config))
        if resume:
            run.resume()
        return run.fit()


def command_line(
    stage: str,
    doc: str | None,
    config_type: type[TrainingConfig],
    training: Callable[[Any], Training],
    argv: list[str] | None,
) -> int:
    """The command line of a stage: an option for each setting, and ``--resume``; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog=f"python -m engine.training.{stage}", description=doc)
    add_options(parser, config_type)
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in --out")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = vars(parser.parse_args(argv))
    resume = settings.pop("resume")
    config = config_type(**settings)
    f1 = train(training, config, resume=resume)
    score = "exact-span F1" if len(config.scored) == 1 else f"mean exact-span F1 of {' and '.join(config.scored)}"
    print(f"{score} on development: {f1:.4f}; the model is in {config.out}")
    return 0
