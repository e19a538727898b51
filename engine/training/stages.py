"""The stages of ``accelerate``: labelling, training, operating points, timing, model card."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import set_seed

from engine.base import Engine
from engine.cli.runs import locked, replacing, write_json
from engine.errors import InputError
from engine.latency import BUSY, busy_share
from engine.loading import load_engine
from engine.machine import processor, threads
from engine.models.decoder_file import DECODING
from engine.models.folder import local_folder
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import DENSE
from engine.pytorch.checkpoint import load_weights
from engine.training.card import CARD, Facts, card
from engine.training.dense_pass import DensePass
from engine.training.distill import distil
from engine.training.examples import LABELS, label_texts, soft_examples
from engine.training.heads import TrainableModel, load_trainable
from engine.training.options import CONDITIONS, WORK, AccelerateConfig, Backbone
from engine.training.points import Choice, points_of, store, store_agreement, with_speedups
from engine.training.sweep import sweep
from engine.training.trainer import CHECKPOINT, default_device
from engine.training.trials import MIN_DENSE_F1, Reference, measure

logger = logging.getLogger(__name__)

STRATEGY = "entropy"  # whose operating points are chosen
TIMED_SHARE, MAX_TIMED, MIN_CALLS = 4, 160, 5  # one in four held-out texts is timed, at most so many; calls at least
STEADY_WINDOWS = 1000  # held-out windows from which operating points hardly depend on chance
Texts = Sequence[str]


def run_stages(
    config: AccelerateConfig,
    original: Engine,
    student: Backbone | None,
    texts: Texts,
    held_out: Texts,
    conditions: Mapping[str, Any],
    made_by: str,
) -> list[Choice]:
    """Makes a model folder; returns the measurements of dense and of each operating point.

    The ``original`` or a ``student`` is trained on ``texts``; operating points are chosen on ``held_out``.
    ``conditions`` determine the results; ``made_by`` is the command or call, for the card.
    """
    device, out, work = default_device(), Path(config.out), Path(config.out, WORK)
    set_seed(config.seed)
    if device != "cpu":
        original = load_engine(original.source, "float32", device, config.labels or None)
    if student:
        trainable = load_trainable(student)
    else:
        weights = load_weights(original.folder)
        trainable = TrainableModel(weights.model, weights.tokenizer, original.pieces)
    with locked(work):
        reference = Reference.of(original, held_out)
        reference.check()
        if reference.windows < STEADY_WINDOWS:
            few = "Operating points depend on chance: %d windows are held out, not %d."
            logger.warning(few, reference.windows, STEADY_WINDOWS)
        write_json(out / CONDITIONS, conditions)
        targets, labels = label_texts(original, texts, work / LABELS), trainable.model.labels
        examples = soft_examples(texts, targets, original.labels, trainable.pieces, labels)
        set_seed(config.seed)
        distil(config, trainable, examples)

        if (original.folder.path / DECODING).is_file():
            shutil.copyfile(original.folder.path / DECODING, out / DECODING)
        if device == "cpu":
            store_agreement(out, reference.texts)
        engine = load_engine(out, config.dtype, device)
        dense = measure(engine, reference, Strategy())
        if dense.f1 < MIN_DENSE_F1:
            agreement = f"{dense.f1:.0%}, less than {MIN_DENSE_F1:.0%}, after {config.epochs} epochs"
            remedy = "Give more --texts or --epochs, and another --out."
            raise InputError(f"The new model's dense pass agrees with the checkpoint's to {agreement}. {remedy}")
        outputs = DensePass.of(engine, replace(reference, dense=dense.counts))
        points = sweep(outputs, STRATEGY, config.limits)

        busy = busy_share()
        timed = reference.texts[: min(MAX_TIMED, max(MIN_CALLS, len(held_out) // TIMED_SHARE))]
        choices = with_speedups(engine, [Choice(DENSE, dense), *points], timed, MIN_CALLS)
        store(out, {STRATEGY: points_of(choices)})
        folder = local_folder(config.student) if config.student else original.folder.path
        hardware = torch.cuda.get_device_name() if device == "cuda" else f"{processor()}, {threads()} threads"
        types = original.labels.types
        facts = Facts(config, made_by, folder, types, len(texts), engine, reference, hardware, busy)
        with replacing(out / CARD) as page:  # its presence says that the run has ended
            page.write_text(card(choices, facts), encoding="utf-8")
        (work / CHECKPOINT).unlink(missing_ok=True)
    if busy > BUSY:
        logger.warning("Times are doubtful: other processes used %.0f%% of the processors.", 100 * busy)
    return choices
