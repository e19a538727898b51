"""Distillation of a checkpoint into its own gate heads and encoder, or into a student.

The targets are the label distributions of the checkpoint's dense pass; words exit during training.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.pruning.signals import normalised_entropy
from engine.training.examples import Example, make_batches
from engine.training.heads import TrainableModel, fit_heads, with_heads
from engine.training.options import WORK, AccelerateConfig, TrainingConfig
from engine.training.trainer import Trainer

HEAD_LR = 1e-3
STUDENT_LR = 3e-4  # of an encoder that learns the output of another model
# Of a checkpoint's own, lower for texts that are seen more often: a few texts, seen often, are memorised, and the dense
# pass drifts away from the checkpoint's.
ENCODER_LR, LOWEST_LR = 6e-5, 1e-5
# Hidden size up to which these rates apply; beyond, they fall with the size: with Adam, the best one falls as the width
# grows (Yang et al. 2021, Tensor Programs V).
FULL_RATE_SIZE = 256
# Texts are seen unchanged, without dropout or masks.
SETTINGS: dict[str, Any] = {"max_rows": 1024, "temperature": 1.0, "pruned": 0.8, "dropout": 0, "mask": 0}


def distil(config: AccelerateConfig, trainable: TrainableModel, examples: Sequence[Example]) -> None:
    """Trains the checkpoint's own model or a student in place, or resumes a run.

    A model without gate heads gets new ones, which are first fitted to the examples.
    """
    with_new_heads = not trainable.model.has_gates
    if with_new_heads:
        trainable = trainable._replace(model=with_heads(trainable.model, gates=True))
    settings = TrainingConfig(out=config.out, seed=config.seed, epochs=config.epochs, **SETTINGS)
    targets = np.concatenate([example.targets for example in examples])
    certain = float(np.median(normalised_entropy(np.divide(targets, 255, dtype=np.float32))))  # most words' entropy
    work = Path(config.out, WORK)
    run = Trainer(settings, trainable, soft=examples, work=work, head_lr=HEAD_LR, lowest=certain)
    if not run.resume():
        if with_new_heads:
            fit_heads(run.model, make_batches(examples, settings.max_rows, random.Random(config.seed)))
            run.model.train()
        run.choose_dtype()
        narrow = min(1, FULL_RATE_SIZE / run.model.encoder.hidden_size)
        low, high = (0.0, STUDENT_LR) if config.student else (LOWEST_LR, ENCODER_LR * min(1, 2 / config.epochs))
        run.schedule.base_lrs[0] = max(low, narrow * high)  # of all but gate heads
    run.fit()
