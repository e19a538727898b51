"""The stages of ``accelerate``: labels of the checkpoint, training, operating points, timing, card."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from transformers import set_seed

from engine.base import Engine
from engine.cli.command import say
from engine.cli.progress import Progress, duration
from engine.cli.runs import locked, replacing, write_json
from engine.errors import InputError
from engine.latency import BUSY, busy_share
from engine.machine import processor, threads
from engine.models.folder import local_folder
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import DENSE
from engine.pytorch.checkpoint import load_weights
from engine.tagger import load_engine
from engine.training.card import CARD, card
from engine.training.dense_pass import DensePass
from engine.training.distill import distil
from engine.training.examples import LABELS, label_texts, soft_examples
from engine.training.heads import Learner, new_learner
from engine.training.options import CONDITIONS, WORK, AccelerateConfig, Backbone
from engine.training.points import Choice, in_both_dtypes, points_of, store, store_agreement, with_speedups
from engine.training.sweep import sweep
from engine.training.trainer import CHECKPOINT, default_device
from engine.training.trials import MIN_DENSE_F1, Reference, measure

STRATEGY = "entropy"  # whose operating points are chosen
STAGE_ENDS = {"reference": 0.05, "labels": 0.2, "training": 0.6, "points": 0.9}  # shares of the time
MIN_SHARE = 0.1  # share of the time that is always left for choosing operating points
MAX_TIMED, MIN_CALLS = 160, 5  # texts at most; calls at least
TIMED_PASSES = 20  # expected duration of timing, as a number of dense passes over the timed texts
STEADY_WINDOWS = 1000  # held-out windows from which operating points hardly depend on chance
TRAINING_COST = 4  # time to train on a text, as a multiple of the time of a dense pass over it
MIN_LEARNED, USEFUL_PASSES = 32, 3  # texts to learn from at least; passes over all beyond which little is gained
MIN_SETTINGS, USEFUL_SETTINGS = 4, 15  # settings that are measured on the held-out texts


def run_stages(
    config: AccelerateConfig,
    original: Engine,
    student: Backbone | None,
    texts: Sequence[str],
    held_out: Sequence[str],
    conditions: Mapping[str, Any],
    made_by: str,
) -> list[Choice]:
    """Makes a model folder and returns what was measured: dense and each operating point.

    The ``original`` or a ``student`` learns from ``texts``; operating points are chosen on others, ``held_out``. The
    results depend on the ``conditions``; ``made_by`` is the command or call, for the card.

    Raises an `InputError`; see `engine.training.accelerate.accelerate`.
    """
    started, seconds, device = time.monotonic(), 60 * config.minutes, default_device()
    ends = {stage: started + share * seconds for stage, share in STAGE_ENDS.items()}
    out, work = Path(config.out), Path(config.out, WORK)
    set_seed(config.seed)
    if device != "cpu":
        original = load_engine(original.source, "float32", device, config.labels or None)
    if student:
        learner = new_learner(student)
    else:
        weights = load_weights(original.folder)
        learner = Learner(weights.model, weights.tokenizer, original.pieces)
    with locked(work):
        begin = time.monotonic()
        reference = Reference.of(original, held_out, ends["reference"])
        reference.check()
        pace = (time.monotonic() - begin) / len(reference.documents)
        check_time(seconds, pace, len(texts), len(held_out), len(reference.documents))
        if reference.windows < STEADY_WINDOWS:
            say(f"Operating points depend on chance: {reference.windows} windows are held out, not {STEADY_WINDOWS}.")
        write_json(out / CONDITIONS, conditions)

        resumes = (work / CHECKPOINT).is_file()  # training, with the labels that there were
        labels = label_texts(original, texts, work / LABELS, until=0 if resumes else ends["labels"])
        examples = soft_examples(texts, labels, original.labels, learner.pieces, learner.model.labels)
        passes = distil(
            learner, examples, out, work, seed=config.seed, student=student is not None, until=ends["training"]
        )

        if device == "cpu":
            store_agreement(out, in_both_dtypes(out, reference.texts))
        engine = load_engine(out, config.dtype, device)
        with Progress("Compare the new model with the checkpoint", len(reference.documents)) as comparison:
            dense = measure(engine, reference, Strategy(), comparison)
        if dense.f1 < MIN_DENSE_F1:
            raise InputError(
                f"expected a dense pass that agrees with the checkpoint's to {MIN_DENSE_F1:.0%}, got {dense.f1:.0%} "
                f"after {passes:.2g} passes over {len(labels)} texts; give more --minutes or --texts, and another --out"
            )
        outputs = DensePass(engine, replace(reference, dense=dense.counts))
        left = max(ends["points"] - time.monotonic(), MIN_SHARE * seconds)
        points = sweep(outputs, STRATEGY, config.limits, seconds=left, seed=config.seed)

        busy = busy_share()
        timed = min(MAX_TIMED, 1 + int((1 - STAGE_ENDS["points"]) * seconds / TIMED_PASSES / pace))
        choices = with_speedups(engine, [Choice(DENSE, dense), *points], reference.texts[:timed], MIN_CALLS)
        store(out, {STRATEGY: points_of(choices)})
        facts = {
            "checkpoint": config.checkpoint,
            "student": config.student,
            "folder": local_folder(config.student) if config.student else original.folder.path,
            "types": original.labels.types,
            "layers": engine.sizes.layers,
            "texts": len(labels),
            "passes": passes,
            "held_out": len(reference.documents),
            "windows": reference.windows,
            "entities": reference.entities,
            "device": torch.cuda.get_device_name() if device == "cuda" else f"{processor()}, {threads()} threads",
            "dtype": engine.dtype,
            "busy": busy,
            "made_by": made_by,
        }
        with replacing(out / CARD) as page:  # its presence says that the run has ended
            page.write_text(card(choices, facts), encoding="utf-8")
        (work / CHECKPOINT).unlink(missing_ok=True)
    if busy > BUSY:
        say(f"Times are doubtful: other processes used {busy:.0%} of the processors.")
    return choices


def check_time(seconds: float, pace: float, texts: int, held_out: int, measured: int) -> None:
    """Says what the time of the whole run allows; raises an `InputError` if it is too short for an operating point.

    Args:
        seconds: the time.
        pace: seconds of the checkpoint's dense pass for a text.
        texts, held_out: numbers of texts to learn from and held out.
        measured: number of the latter that operating points are chosen on.
    """
    shares = {stage: STAGE_ENDS[stage] - STAGE_ENDS[before] for before, stage in pairwise(STAGE_ENDS)}

    def total(labelled: int, passes: float, tagged: int) -> float:
        """The time in which each stage has its share."""
        training = passes * labelled * TRAINING_COST
        return pace * max(labelled / shares["labels"], training / shares["training"], tagged / shares["points"])

    least = total(min(texts, MIN_LEARNED), 1, MIN_SETTINGS * measured)
    useful = duration(max(least, total(texts, USEFUL_PASSES, USEFUL_SETTINGS * held_out)))
    if least > seconds:
        raise InputError(f"expected --minutes {math.ceil(least / 60)} or more, got {seconds / 60:g}; try {useful}")
    labelled = min(texts, int(shares["labels"] * seconds / pace))
    passes = shares["training"] * seconds / (labelled * TRAINING_COST * pace)
    allowed = f"The time allows for {labelled} texts and some {passes:.2g} passes over them"
    say(f"{allowed}; beyond {useful}, more time gains little.")
