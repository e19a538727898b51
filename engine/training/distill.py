"""Self-distillation: a checkpoint's gate heads, and its encoder unless it is frozen, learn its own output on texts.

The targets are the label distributions of the checkpoint's dense pass; the student is trained while words exit.
"""

from __future__ import annotations

import copy
import gc
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import set_seed
from torch import nn

from engine.checkpoint import Weights, save_gates, weights_digest
from engine.model.gated import GatedModel
from engine.pruning.signals import normalised_entropy
from engine.tagger import Engine
from engine.training.data import Example, make_batches
from engine.training.finetune import FinetuneConfig, JointTraining, freeze, with_gates
from engine.training.probe import fit_heads
from engine.training.soft_labels import SoftLabels, ensemble, stored_labels
from engine.training.state import read_json, write_json
from engine.training.texts import Texts

logger = logging.getLogger(__name__)

HEAD_LR = 1e-3
ENCODER_LR = 1e-5, 6e-5  # lowest, highest
NARROW = 256  # hidden size up to which the highest applies; beyond, it falls with the size
TEMPERATURE = 1.0  # of the targets
PRUNED = 0.8  # share of the windows that are pruned
MAX_PASSES = 30  # over the texts
MAX_ROWS = 1024  # word pieces in a batch
CHECKPOINT_S = 180  # seconds between two checkpoints, about
PROBED = 4  # steps timed to see how long one takes


@dataclass(frozen=True)
class Plan:
    """What a run does in its time, decided once.

    ``texts``: how many are learned from.
    ``passes``: how often.
    ``segments``: stretches of training, each of ``steps`` batches and with a checkpoint at its end.
    ``mixed_precision``: ``bf16`` or ``no``.
    """

    texts: int
    passes: float
    segments: int
    steps: int
    mixed_precision: str

    def save(self, path: Path) -> None:
        """Writes a JSON file."""
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> Plan:
        """The inverse of `save`."""
        return cls(**read_json(path))


def own_labels(
    weights: Weights, engine: Engine, texts: Sequence[str], count: int, path: Path
) -> tuple[Texts, SoftLabels]:
    """Labels texts with the checkpoint's dense pass, saving as it goes, so an interrupted run continues.

    Args:
        weights: of the checkpoint.
        engine: with these weights, in any dtype.
        texts: of the run.
        count: how many of them to label.
        path: of the file, which may hold more if an earlier start had more time.

    Returns:
        The texts that are labelled, and their labels.

    Raises:
        InputError: the file is of other texts or weights.
    """
    labelled = len(SoftLabels.load(path).counts) if path.is_file() else 0
    own = Texts.of(texts, max(count, labelled))

    def distributions(done: int) -> Iterator[np.ndarray]:
        return ensemble([engine], texts[done:count])

    digest = weights_digest(weights.model, weights.network)
    return own, stored_labels(distributions, own, count, engine.labels.names, digest, path)


class Distillation(JointTraining):
    """One run of self-distillation.

    An epoch of the loop is a segment of the plan, which may be a part of the texts or several passes over them. The
    learning rate decays to zero, so the last average of the weights is the one to keep.

    Args:
        config: its ``epochs`` are the segments, its ``backbone`` the checkpoint.
        model: the checkpoint's, with gate heads; it is copied.
        weights: of the checkpoint.
        examples: what to learn.
        steps: batches of a segment.
        lowest: the lowest threshold drawn.
        watch: scores a model, 0–1, for the log.
    """

    def __init__(
        self,
        config: FinetuneConfig,
        model: GatedModel,
        weights: Weights,
        examples: Sequence[Example],
        steps: int,
        lowest: float,
        watch: Callable[[GatedModel], float],
    ) -> None:
        self.examples, self.steps, self.watch, self.order = examples, steps, watch, weights.label_order
        model = copy.deepcopy(model)
        model = freeze(model) if config.frozen else model
        super().__init__(config, model, weights.tokenizer, lowest)

    def trained(self, model: nn.Module) -> list[dict[str, Any]]:
        """Gate heads with their own learning rate, and everything else that is not frozen."""
        assert isinstance(model, GatedModel)
        last = str(model.encoder.num_layers)
        heads = [parameter for name, head in model.heads.items() if name != last for parameter in head.parameters()]
        ids = {id(parameter) for parameter in heads}
        others = [p for p in model.parameters() if p.requires_grad and id(p) not in ids]
        groups: list[dict[str, Any]] = [{"params": heads, "lr": HEAD_LR}, {"params": others}]
        return [group for group in groups if group["params"]]

    def batches(self, rng: random.Random) -> list[list[Example]]:
        """The current segment's, from an endless stream of passes over the examples."""
        begin = max(0, self.epoch - 1) * self.steps
        return list(islice(self._stream(), begin, begin + self.steps))

    def _stream(self) -> Iterator[list[Example]]:
        for number in count():
            yield from make_batches(
                self.examples, self.config.max_rows, random.Random(self.config.seed * 1000 + number)
            )

    def improves(self, score: float) -> bool:
        """Later is better."""
        return True

    def save(self, model: Any, folder: Path) -> None:
        """Writes a model folder or, for a frozen checkpoint, only the gate heads, in its order of labels."""
        if not self.config.frozen:
            super().save(model, folder)
            return
        folder.mkdir(parents=True, exist_ok=True)
        save_gates(folder, model, self.order)

    def score(self, folder: Path) -> float:
        """The score that ``watch`` gives the average."""
        average: Any = self.average.module
        return self.watch(average)


def usual_entropy(examples: Sequence[Example]) -> float:
    """Median of the normalised entropies of targets, 0–1: how certain the checkpoint is of most words."""
    targets = np.concatenate([example.targets for example in examples])
    return float(np.median(normalised_entropy(np.divide(targets, 255, dtype=np.float32))))


def encoder_lr(passes: float, hidden_size: int) -> float:
    """The encoder's peak learning rate: lower for a wider encoder, and the more often each text is seen.

    Early layers have far to go, so texts seen once or twice are learned from at the rate of fine-tuning. A few texts,
    seen often, are memorised, and no gate makes up for a dense pass that drifts away: on 300 abstracts its agreement
    with the checkpoint was 93 % after 5e-5 with dropout, masked words and sharpened targets, 98.7 % after 1e-5 without.
    With Adam, the best rate falls as the width grows (Yang et al. 2021, Tensor Programs V).
    """
    low, high = ENCODER_LR
    high *= min(1, NARROW / hidden_size)
    return max(low, min(high, 2 * high / passes))


def settings(checkpoint: str, hidden_size: int, out: Path, plan: Plan, *, frozen: bool, seed: int) -> FinetuneConfig:
    """The settings of training; texts are seen unchanged, without dropout or masked words.

    Args:
        checkpoint: where the model comes from.
        hidden_size: of its encoder.
        out: the folder of checkpoints.
        plan: of the run.
        frozen: whether only gate heads learn.
        seed: of everything random.
    """
    total = plan.segments * plan.steps
    return FinetuneConfig(
        backbone=checkpoint,
        out=str(out),
        frozen=frozen,
        epochs=plan.segments,
        patience=plan.segments,
        temperature=TEMPERATURE,
        lr=encoder_lr(plan.passes, hidden_size),
        max_rows=MAX_ROWS,
        dropout=0.0,
        mask=0.0,
        pruned=PRUNED,
        average=max(0.0, min(0.995, 1 - 20 / total)),
        mixed_precision=plan.mixed_precision,
        seed=seed,
    )


def seconds_per_step(run: Distillation) -> float:
    """Mean time of some steps of a throwaway run, not counting the first."""
    run.model.train()
    batches = run.batches(random.Random())
    begin = time.monotonic()
    for number, batch in enumerate(batches):
        run.step(batch)
        if number == 0 and len(batches) > 1:
            begin = time.monotonic()
    return (time.monotonic() - begin) / max(1, len(batches) - 1)


def planned(texts: int, batches: int, step_s: dict[str, float], seconds: float) -> Plan:
    """Plans as much training as fits.

    Args:
        texts: to learn from.
        batches: of one pass over them; there is at least one pass, at most `MAX_PASSES`.
        step_s: precision → seconds per step; the fastest is taken.
        seconds: available.
    """
    precision = min(step_s, key=lambda name: step_s[name])
    total = max(batches, min(round(seconds / step_s[precision]), MAX_PASSES * batches))
    segments = max(1, min(total, round(total * step_s[precision] / CHECKPOINT_S)))
    steps = -(-total // segments)
    return Plan(texts, segments * steps / batches, segments, steps, precision)


def distil(
    weights: Weights,
    engine: Engine,
    texts: Sequence[str],
    count: int,
    watch: Callable[[GatedModel], float],
    folder: Path,
    *,
    frozen: bool,
    precisions: Sequence[str],
    seconds: Callable[[], float],
    seed: int,
) -> Plan:
    """Trains, or continues an interrupted run; the model's files are then in ``folder/run``.

    Args:
        weights: of the checkpoint.
        engine: with these weights.
        texts: to learn from.
        count: how many of them time allows to label.
        watch: see `Distillation`.
        folder: of labels, plan and checkpoints.
        frozen: whether only gate heads learn.
        precisions: to choose the fastest from.
        seconds: returns, once the texts are labelled, how long training may take.
        seed: of everything random.
    """
    plan_file, run_folder = folder / "plan.json", folder / "run"
    stored = Plan.load(plan_file) if plan_file.is_file() else None
    count = stored.texts if stored else min(count, len(texts))
    own, labels = own_labels(weights, engine, texts, count, folder / "labels.npz")
    count = len(labels.counts)
    examples = labels.examples(own, engine.pieces)
    lowest = usual_entropy(examples)
    model = weights.model if weights.model.has_gates else with_gates(weights.model)
    if not weights.model.has_gates and not (run_folder / "checkpoint").is_dir():
        fit_heads(model.to(engine.device), make_batches(examples, MAX_ROWS, random.Random(seed)), TEMPERATURE)

    def make(plan: Plan) -> Distillation:
        config = settings(weights.source, model.encoder.hidden_size, run_folder, plan, frozen=frozen, seed=seed)
        return Distillation(config, model, weights, examples, plan.steps, lowest, watch)

    if stored is None:
        step_s = {}
        for name in precisions:
            step_s[name] = seconds_per_step(make(Plan(count, 1, 1, PROBED, name)))
            gc.collect()  # a run and its accelerator refer to each other
            torch.cuda.empty_cache()
        batches = len(make_batches(examples, MAX_ROWS, random.Random(seed)))
        stored = planned(count, batches, step_s, seconds())
        stored.save(plan_file)
        logger.info("%s; seconds per step: %s", stored, step_s)
    set_seed(seed)
    run = make(stored)
    run_folder.mkdir(exist_ok=True)
    run.resume()
    run.fit()
    return stored
