"""Shared by all training: settings as options, and the loop with its checkpoints.

Every head learns in packed passes, the same as in tagging, in which words may exit (self-sampling).
"""

from __future__ import annotations

import argparse
import logging
import math
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import PreTrainedTokenizerBase

from engine.cli.runs import Log, replacing
from engine.errors import InputError
from engine.pruning.controllers import EntropyController
from engine.pruning.gate import Decision, GateView
from engine.pytorch.checkpoint import save_weights
from engine.pytorch.forward import forward
from engine.pytorch.gated import GatedModel
from engine.training.data import Example, joint_loss, make_batches, mask_words, pack

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
PRECISIONS = ("no", "bf16")
ENTROPIES = (0.003, 0.3)  # thresholds of self-sampling are drawn from this range, log-uniformly
WEIGHT_DECAY = 0.01  # of AdamW
PARTS = ("model", "optimizer", "schedule", "average")  # of a run, whose state checkpoints keep


def option(
    meaning: str, default: Any = MISSING, limits: tuple[float, float] | None = None, choices: Sequence[str] = ()
) -> Any:
    """A field of settings that is also a command-line option, see `add_options`; without a default it is required.

    ``limits`` are the lowest and the highest value; ``choices``, if there are some, are the allowed ones.
    """
    return field(default=default, metadata={"help": meaning, "limits": limits, "choices": choices})


def shared_option(name: str) -> Any:
    """The option of `TrainingConfig` with this name."""
    one = TrainingConfig.__dataclass_fields__[name]
    return field(default=one.default, metadata=one.metadata)


def add_options(parser: argparse.ArgumentParser, config: type[Any], skip: Collection[str] = ()) -> None:
    """Adds the options of settings to a command line, except some fields."""
    for one in (one for one in fields(config) if one.init and one.name not in skip):
        kind, meaning = {"int": int, "float": float}.get(str(one.type), str), one.metadata["help"]
        parts: dict[str, Any] = {"type": kind, "default": one.default}
        if one.type == "bool":
            parts = {"action": "store_true"}
        elif one.default is MISSING:
            parts["required"] = True
        elif one.default != "":
            meaning += " (default %(default)s)"
        parser.add_argument(f"--{one.name.replace('_', '-')}", help=meaning, **parts)


def check_options(config: Any) -> None:
    """Raises an `InputError` if a setting has the wrong type, is outside its limits, or is none of its choices."""
    for one in (one for one in fields(config) if one.init):
        value, limits, choices = getattr(config, one.name), one.metadata["limits"], one.metadata["choices"]
        if one.type == "str" and not isinstance(value, str):
            raise InputError(f"expected text as {one.name}, got {value!r}; change it")
        if limits and not (isinstance(value, int | float) and limits[0] <= value <= limits[1]):
            raise InputError(f"expected {one.name} between {limits[0]} and {limits[1]}, got {value}; change it")
        if choices and value not in choices:
            raise InputError(f"expected one of {', '.join(choices)} as {one.name}, got {value!r}; choose one of them")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings of training. Each field is a command-line option."""

    out: str = option(
        "folder for the model, the log and the checkpoint, which --resume needs even after the end of the run"
    )
    epochs: int = option("maximum number of passes over the training data", 12, (1, 10_000))
    lr: float = option("peak learning rate; linear warm-up over a tenth of the steps, then linear decay", 3e-4, (0, 1))
    max_rows: int = option("maximum number of word pieces in a batch", 2048, (1, 10**7))
    dropout: float = option("dropout on embeddings and on the outputs of attention and feed-forward", 0.1, (0, 0.9))
    average: float = option(
        "decay per step of the running average of the weights; lower in the first steps", 0.995, (0, 0.99999)
    )
    temperature: float = option(
        "temperature of the soft labels; below 1 sharpens them, so that certain words differ more from doubtful ones",
        0.5,
        (0.05, 20),
    )
    pruned: float = option("share of windows that are pruned; a word's loss is then taken where it exits", 0.0, (0, 1))
    mask: float = option("share of words that are masked in each pass", 0.1, (0, 0.9))
    mixed_precision: str = option(
        "precision of the multiplies in training: no (float32), or bf16, which processors made for it compute faster",
        "no",
        choices=PRECISIONS,
    )
    seed: int = option("seed of everything random", 0, (0, 2**31))

    def __post_init__(self) -> None:
        check_options(self)


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

    def __call__(self, gate: GateView) -> Decision:
        return self.controller.decide(gate, self.thresholds[gate.index][gate.words.window])


def keep_all(gate: GateView) -> Decision:
    """A controller under which no word exits."""
    return Decision(np.zeros_like(gate.alive), np.zeros(len(gate.words)))


def default_device() -> torch.device:
    """A GPU with CUDA if there is one: engines, which score what is trained, run there or on a CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Training:
    """A training run with its checkpoints. A stage defines the examples, and when training ends.

    ``examples``: what it learns from.
    ``progress``: names of the attributes that checkpoints keep besides the state of `PARTS`.
    """

    examples: Sequence[Example]
    progress: tuple[str, ...] = ()

    def __init__(
        self,
        config: TrainingConfig,
        model: GatedModel,
        tokenizer: PreTrainedTokenizerBase,
        lowest: float = ENTROPIES[0],
    ) -> None:
        """Sets up a run after ``examples`` are set; ``lowest`` is the lowest threshold of `SampledController.draw`."""
        if config.mask and tokenizer.mask_token_id is None:
            raise InputError(
                f"expected a mask token in {tokenizer.name_or_path!r} for --mask {config.mask}, got none; add --mask 0"
            )
        self.config, self.tokenizer, self.lowest = config, tokenizer, lowest
        self.out = Path(config.out)
        self.checkpoint, self.log = self.work / CHECKPOINT, self.work / "log.jsonl"
        on_cpu = default_device().type == "cpu"
        # It knows one precision per process: see `backward`.
        self.accelerator = Accelerator(mixed_precision="no", cpu=on_cpu)
        if self.accelerator.num_processes > 1:
            raise InputError("expected one process, got several; start it with python, not with accelerate launch")
        self.steps = config.epochs * len(self.batches(random.Random(0)))
        model.encoder.set_dropout(config.dropout)
        optimizer = AdamW(self.trained(model), lr=config.lr, weight_decay=WEIGHT_DECAY, fused=True)
        self.schedule = LambdaLR(optimizer, self.rate)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.average: Any = AveragedModel(model, multi_avg_fn=partial(moving_average, config.average))

    @property
    def work(self) -> Path:
        """The folder of checkpoint and log."""
        return self.out

    def batches(self, rng: random.Random) -> list[list[Example]]:
        """The batches of one epoch; their number should hardly vary, since the learning-rate schedule relies on it."""
        return make_batches(self.examples, self.config.max_rows, rng)

    def loss(self, examples: list[Example]) -> Tensor:
        """The joint loss of one batch, a scalar, with some words masked and some windows pruned."""
        packed = pack(examples, self.accelerator.device, self.config.temperature)
        if self.config.mask:
            batch = mask_words(packed.batch, self.config.mask, self.tokenizer.mask_token_id)
            packed = replace(packed, batch=batch)
        layers = self.model.encoder.num_layers
        gates = range(1, layers) if self.model.has_gates else range(0)
        controller: Callable[[GateView], Decision] = keep_all
        if self.config.pruned:
            controller = SampledController.draw(len(gates), len(examples), self.config.pruned, self.lowest)
        memory = forward(self.model, packed.batch, gates, controller)
        return joint_loss(memory, packed, layers)

    def save(self, folder: Path) -> None:
        """Writes a model folder with the average of the weights."""
        save_weights(folder, self.average.module, self.tokenizer)

    def trained(self, model: GatedModel) -> list[dict[str, Any]]:
        """The parameter groups for AdamW; by default one group of all parameters that require gradients."""
        return [{"params": [parameter for parameter in model.parameters() if parameter.requires_grad]}]

    def rate(self, step: int) -> float:
        """The learning rate at a step, as a share of the peak."""
        warm = self.steps // 10
        return step / warm if step < warm else max(0.0, (self.steps - step) / max(1, self.steps - warm))

    def resume(self) -> None:
        """Continues from the checkpoint, if there is one."""
        if self.checkpoint.is_file():
            state = torch.load(self.checkpoint, map_location=self.accelerator.device)
            torch.set_rng_state(state["random"].cpu())
            for name in self.progress:
                setattr(self, name, state[name])
            for name in PARTS:
                getattr(self, name).load_state_dict(state[name])
            logger.info("resumed after step %d", self.schedule.last_epoch)
        elif self.log.is_file():
            raise InputError(
                f"expected the checkpoint of the run in {self.out}, got none; take the model as it is if the run has "
                "ended, or use another --out"
            )

    def save_checkpoint(self) -> None:
        """Replaces the checkpoint."""
        state = {name: getattr(self, name) for name in self.progress} | {"random": torch.get_rng_state()}
        with replacing(self.checkpoint) as fresh:
            torch.save(state | {name: getattr(self, name).state_dict() for name in PARTS}, fresh)

    def note(self, record: dict[str, Any]) -> None:
        """Adds a record to the run's log and shows it."""
        logger.info("%s", record)
        Log(self.log).append(record)

    def step(self, batch: list[Example]) -> float:
        """Trains on one batch; returns its loss."""
        loss = self.backward(batch)
        self.optimizer.step()
        # `Linear` sees by a weight's version whether its packed copy is stale; fused optimizers do not change it.
        for parameter in self.model.parameters():
            torch.autograd.graph.increment_version(parameter)
        self.schedule.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(self.model)
        return loss.item()

    def backward(self, batch: list[Example]) -> Tensor:
        """Computes the loss of a batch and clipped gradients."""
        bf16 = self.config.mixed_precision == "bf16"
        with torch.autocast(self.accelerator.device.type, dtype=torch.bfloat16, enabled=bf16):
            loss = self.loss(batch)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
        return loss


def moving_average(decay: float, average: Sequence[Tensor], current: Sequence[Tensor], number: Tensor | int) -> None:
    """Updates an exponential moving average, whose decay is lower for the first steps, so that it follows them."""
    get_ema_multi_avg_fn(min(decay, (1 + float(number)) / (10 + float(number))))(average, current, number)
