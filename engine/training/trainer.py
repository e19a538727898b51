"""Training of all heads on gold labels, a teacher's labels, or both, in passes in which words may exit.

A run ends after its steps or when its score stops rising, and resumes from its checkpoint.
"""

import logging
import math
import random
import shutil
import time
import timeit
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from engine.cli.progress import progress
from engine.cli.runs import append_line, replacing
from engine.errors import InputError, explained
from engine.pruning.gate import ArrayGate, Decision, Gate
from engine.pruning.policies import ExitPolicy, KeepAll
from engine.pytorch.checkpoint import save_weights
from engine.pytorch.forward import forward
from engine.training.examples import Example, Pool, joint_loss, make_batches, mask_words, pack
from engine.training.heads import TrainableModel
from engine.training.options import TrainingConfig

logger = logging.getLogger(__name__)

CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"
ENTROPIES = (0.003, 0.3)  # thresholds of self-sampling are drawn from this range, log-uniformly
WEIGHT_DECAY = 0.01  # of AdamW
WARM_UP = 0.1  # share of the training in which the learning rate rises
PATIENCE = 4  # epochs without a better score after which training stops
CHECKPOINT_S = 120  # between two checkpoints of a run without a score
BFLOAT16_TIME = 0.8  # share of the time in float32 that a batch may take in bfloat16 for training to use it
STATES = ("model", "optimizer", "schedule", "average")  # attributes whose state checkpoints keep
VALUES = ("epoch", "best", "best_epoch", "best_table", "bfloat16")  # attributes that they keep besides


def default_device() -> str:
    """Returns ``cuda`` if there is such a GPU, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def draw_thresholds(gates: int, windows: int, pruned: float, lowest: float = ENTROPIES[0]) -> tuple[np.ndarray, int]:
    """Draws thresholds, float ``(gates, windows)``, and neighbours for self-sampling.

    At −1 a gate is closed, as no entropy is negative; at 1 all words exit.

    Args:
        pruned: share of windows that are pruned; a quarter of these end at a gate from a third of the depth on.
        lowest: lowest threshold of the middle gate; few words exit at thresholds below most words' entropy.
    """
    low, high = math.log(np.clip(lowest, *ENTROPIES)), math.log(ENTROPIES[1])
    levels = (low + (high - low) * torch.rand(windows)).exp()
    steepness = 1 + torch.rand(windows)  # from first to last gate the threshold grows up to 16-fold
    steps = (torch.linspace(-2, 2, gates) if gates > 1 else torch.zeros(gates)).unsqueeze(1)
    thresholds = (levels * steepness**steps).clamp(max=ENTROPIES[1])
    thresholds[torch.rand(gates, windows) < 1 / 3] = -1.0
    last_gates = torch.randint(max(1, (gates + 1) // 3) - 1, gates, (windows,))
    for window in (torch.rand(windows) < 0.25).nonzero().flatten().tolist():
        thresholds[last_gates[window], window] = 1.0
    thresholds[:, torch.rand(windows) >= pruned] = -1.0
    return thresholds.numpy(), int(torch.randint(1, 3, ()))


@dataclass(frozen=True, eq=False)
class SampledController(ExitPolicy):
    """Decides like `entropy` by thresholds for each gate and window, ``(gates, windows)``; entities exit as a whole."""

    kind = "sampled"
    thresholds: np.ndarray
    neighbours: int
    signals: frozenset[str] = frozenset()  # to be recorded

    def decide(self, gate: Gate) -> Decision:
        assert isinstance(gate, ArrayGate)
        importance = gate.near(gate.entropy, self.neighbours)
        exits = (importance <= self.thresholds[gate.index][gate.words.window]) & gate.is_alive
        return Decision(gate.enough(gate.whole_entities(exits)), importance)


class Trainer:
    """A training run with its checkpoints; ``config.out`` receives the running average of the weights.

    Args:
        trainable: the model to train, in place.
        gold: pools of windows with gold labels, from which each epoch draws.
        soft: windows with the labels of a teacher.
        work: folder of log and checkpoint.
        score: maps a model folder to its score and a table. With it, the best epoch is kept, and training stops after
            `PATIENCE` epochs without improvement; otherwise the last weights are kept.
        head_lr: peak learning rate of gate heads; ``None`` for ``config.lr``.
        lowest: see `draw_thresholds`.
    """

    def __init__(
        self,
        config: TrainingConfig,
        trainable: TrainableModel,
        *,
        gold: Sequence[Pool] = (),
        soft: Sequence[Example] = (),
        work: Path,
        score: Callable[[Path], tuple[float, str]] | None = None,
        head_lr: float | None = None,
        lowest: float = ENTROPIES[0],
    ) -> None:
        self.config, self.tokenizer, self.gold, self.soft = config, trainable.tokenizer, gold, soft
        self.score, self.lowest = score, lowest
        self.out, self.checkpoint, self.log = Path(config.out), work / CHECKPOINT, work / LOG
        self.candidate = work / "candidate"
        self.accelerator = Accelerator(cpu=default_device() == "cpu")
        self.device = self.accelerator.device
        self.steps = sum(len(self.batches(number)) for number in range(config.epochs))
        self.model = self.accelerator.prepare(trainable.model).train()
        self.model.encoder.dropout = config.dropout
        *gates, last = self.model.heads.values()
        heads = [parameter for gate in gates for parameter in gate.parameters()]
        others = [*self.model.encoder.parameters(), *last.parameters()]
        groups: list[dict[str, Any]] = [{"params": others}, {"params": heads, "lr": head_lr or config.lr}]
        self.optimizer = self.accelerator.prepare(AdamW(groups, lr=config.lr, weight_decay=WEIGHT_DECAY, fused=True))
        self.schedule = LambdaLR(self.optimizer, self.rate)
        self.average: Any = AveragedModel(self.model, multi_avg_fn=partial(moving_average, config.average))
        self.epoch, self.best, self.best_epoch, self.best_table = 0, -1.0, 0, ""
        self.bfloat16 = False

    def batches(self, number: int) -> list[list[Example]]:
        """Draws the batches of a pass."""
        rng = random.Random(self.config.seed * 1000 + number)
        gold, soft = list(chain.from_iterable(pool.draw(rng) for pool in self.gold)), self.soft
        if gold:
            soft = rng.sample(soft, min(len(soft), round(len(gold) * self.config.soft_share)))
        return make_batches([*gold, *soft], self.config.max_rows, rng)

    def rate(self, step: int) -> float:
        """The learning rate as a share of its peak: linear warm-up, then linear decay to the end."""
        done = step / self.steps
        return max(0.0, min(done / WARM_UP, (1 - done) / (1 - WARM_UP)))

    def choose_dtype(self) -> None:
        """Times the longest batch in bfloat16 and in float32, and chooses bfloat16 where it is much faster."""
        batch = max(self.batches(0), key=len)
        seconds: dict[bool, float] = {}
        for self.bfloat16 in progress((True, False), "Time a batch in bfloat16 and in float32"):
            times = timeit.repeat(partial(self.backward, batch), number=1, repeat=3)
            seconds[self.bfloat16] = min(times)  # the first one also allocates memory
        self.optimizer.zero_grad()
        self.bfloat16 = seconds[True] < BFLOAT16_TIME * seconds[False]

    def backward(self, examples: list[Example]) -> Tensor:
        """Returns the joint loss of a batch with some words masked and some windows pruned; clips its gradients."""
        batch, targets, outside = pack(examples, self.device, self.config.temperature)
        if self.config.mask:
            batch = mask_words(batch, self.config.mask, self.tokenizer.mask_token_id)
        gates = range(1, self.model.encoder.num_layers) if self.model.has_gates else range(0)
        controller: ExitPolicy = KeepAll()
        if self.config.pruned:
            controller = SampledController(*draw_thresholds(len(gates), len(examples), self.config.pruned, self.lowest))
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bfloat16):
            loss = joint_loss(forward(self.model, batch, gates, controller), targets, outside)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), 1.0)
        return loss

    def step(self, batch: list[Example]) -> float:
        """Trains on one batch; returns its loss."""
        loss = self.backward(batch)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(self.model)
        return loss.item()

    def stream(self) -> Iterator[tuple[list[Example], bool]]:
        """Yields the batches pass after pass, and whether each is the last of its pass."""
        for number in count():
            batches = self.batches(number)
            for index, batch in enumerate(batches, start=1):
                yield batch, index == len(batches)

    def fit(self) -> None:
        """Trains to the end; ``config.out`` then has the model."""
        losses, saved, done = list[float](), time.monotonic(), self.schedule.last_epoch
        with progress(what="Train", total=self.steps, initial=done, unit=" steps") as bar:
            for batch, is_last in islice(self.stream(), done, self.steps):
                if self.epoch - self.best_epoch >= PATIENCE:
                    break
                losses.append(self.step(batch))
                bar.update()
                is_due = is_last if self.score else time.monotonic() >= saved + CHECKPOINT_S
                if is_due or self.schedule.last_epoch == self.steps:
                    self.evaluate(fmean(losses))
                    losses, saved = [], time.monotonic()

    def evaluate(self, loss: float) -> None:
        """Saves the average of the weights, scores it if there is a score, and writes log and checkpoint."""
        entry: dict[str, Any] = {"step": self.schedule.last_epoch, "loss": round(loss, 5)}
        if self.score is None:
            save_weights(self.out, self.average.module, self.tokenizer)
        else:
            self.epoch += 1
            save_weights(self.candidate, self.average.module, self.tokenizer)
            score, table = self.score(self.candidate)
            if score > self.best:
                self.best, self.best_epoch, self.best_table = score, self.epoch, table
                for file in self.candidate.iterdir():
                    file.replace(self.out / file.name)
            shutil.rmtree(self.candidate)
            entry |= {"epoch": self.epoch, "dev_f1": round(score, 5), "best": self.best_epoch == self.epoch}
            logger.info("Epoch %d: loss %.4f, F1 on development %.4f.", self.epoch, loss, score)
        state = {name: getattr(self, name) for name in VALUES} | {"random": torch.get_rng_state()}
        remedy = "Check path, permissions and disk space, and go on with --resume"
        with explained(f"Cannot write {self.checkpoint}", remedy), replacing(self.checkpoint) as fresh:
            torch.save(state | {name: getattr(self, name).state_dict() for name in STATES}, fresh)
        append_line(self.log, entry)

    def resume(self) -> bool:
        """Continues from the checkpoint; returns whether there is one."""
        if not self.checkpoint.is_file():
            if self.log.is_file():
                remedy = "If it has ended, use its model; otherwise choose another --out."
                raise InputError(f"The run in {self.out} has no checkpoint. {remedy}")
            return False
        state = torch.load(self.checkpoint, map_location=self.device)
        if missing := {*VALUES, *STATES} - state.keys():
            problem = f"{self.checkpoint} is of another version, without {', '.join(sorted(missing))}"
            raise InputError(f"{problem}. Start again with another --out.")
        torch.set_rng_state(state["random"].cpu())
        for name in VALUES:
            setattr(self, name, state[name])
        for name in STATES:
            getattr(self, name).load_state_dict(state[name])
        logger.info("Continue after step %d of %d at most.", self.schedule.last_epoch, self.steps)
        return True


def moving_average(decay: float, average: Sequence[Tensor], current: Sequence[Tensor], number: Tensor | int) -> None:
    """Updates an exponential moving average, whose decay is lower for the first steps."""
    get_ema_multi_avg_fn(min(decay, (1 + float(number)) / (10 + float(number))))(average, current, number)
