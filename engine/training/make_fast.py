"""The stages of ``accelerate``: labels of the checkpoint, training, operating points, timing, card."""

import math
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
from transformers import set_seed

from engine.base import Engine
from engine.cli.command import say
from engine.cli.progress import Progress, duration
from engine.cli.runs import continues, locked, processor, replacing, write_json
from engine.errors import InputError
from engine.latency import BUSY, busy_share
from engine.models.folder import local_folder
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import DENSE
from engine.pytorch.checkpoint import load_weights
from engine.tagger import load_engine
from engine.text.windows import WordPieces
from engine.text.words import words_of
from engine.threads import threads
from engine.training.agreement import MIN_DENSE_F1, MIN_HELD_OUT, MIN_WINDOWS, Reference, Row, measure, speedups
from engine.training.calibrate import settings_by_point, store, try_int8
from engine.training.card import CARD, card
from engine.training.dense_pass import DensePass
from engine.training.distill import distil
from engine.training.examples import LABELS, digest, label_texts, soft_examples
from engine.training.heads import Learner, new_learner
from engine.training.options import AccelerateConfig
from engine.training.sweep import sweep
from engine.training.trainer import CHECKPOINT, default_device

STRATEGY = "entropy"  # the strategy whose operating points are chosen
WORK, CONDITIONS = "training", "accelerate.json"
HELD_OUT, LABELLED, TRAINED, CHOSEN = 0.05, 0.2, 0.6, 0.9  # shares of the time by which each stage ends
MIN_CHOICE = 0.1  # share of the time that the choice of operating points has in any case
CALLS, TIMED = 5, 160  # minimum number of calls timed; maximum number of texts
TIMED_PASSES = 20  # expected duration of timing, as a number of dense passes over the timed texts
WANTED_WINDOWS = 1200  # to hold out, from at most a third of the texts
STEADY_WINDOWS = 1000  # held-out windows from which operating points hardly depend on chance
TRAINING_COST = 4  # time to train on a text, as a multiple of the time of a dense pass over it
MIN_LEARNED, USEFUL_PASSES = 32, 3  # texts to learn from at least; passes over all beyond which little is gained
MIN_SETTINGS, USEFUL_SETTINGS = 4, 15  # settings that are measured on the held-out texts


def make_fast(
    config: AccelerateConfig,
    source: str,
    texts: Sequence[str],
    held_out: Sequence[str],
    made_by: str,
    progress: Progress,
    *,
    resume: bool,
) -> list[Row]:
    """Makes a model folder and returns what was measured: dense and each operating point.

    ``source`` is where the checkpoint is, and ``made_by`` the command or call that makes the folder.

    Raises:
        InputError: see `engine.training.accelerate.accelerate`.
    """
    started, seconds, out = time.monotonic(), 60 * config.minutes, Path(config.out)
    work, device = out / WORK, str(default_device())
    set_seed(config.seed)
    original = load_engine(source, "float32", device, config.labels or None)
    if config.student:
        learner = new_learner(config.student, original.labels)
    else:
        weights = load_weights(original.folder)
        learner = Learner(weights.model, weights.tokenizer, original.pieces)
    if learner.model.encoder.num_layers < 2:
        raise InputError(
            f"expected an encoder of two layers or more, got one in {config.student or source!r}; choose another"
        )
    texts, held_out = split_texts(texts, held_out, original.pieces, config.seed)
    conditions = asdict(config) | {"model": original.fingerprint, "texts": [digest(texts), digest(held_out)]}
    continues(out, f"{WORK}/{CONDITIONS}", conditions, resume=resume, free=("out", "minutes"))
    if (out / CARD).is_file():
        raise InputError(
            f"expected a run in {out} that can go on, got one that has ended; use its model, or choose other operating "
            "points with python -m engine.training.calibrate"
        )
    with locked(work):
        begin = time.monotonic()
        reference = Reference.of(original, held_out, until=started + HELD_OUT * seconds)
        reference.check()
        pace = (time.monotonic() - begin) / len(reference.documents)
        check_time(seconds, pace, len(texts), len(held_out), len(reference.documents))
        if reference.windows < STEADY_WINDOWS:
            say(f"Operating points depend on chance: {reference.windows} windows are held out, not {STEADY_WINDOWS}.")
        write_json(work / CONDITIONS, conditions)

        has_begun = (work / CHECKPOINT).is_file()  # training, with the labels that there were
        labels = label_texts(original, texts, work / LABELS, until=0 if has_begun else started + LABELLED * seconds)
        examples = soft_examples(texts, labels, original.labels, learner.pieces, learner.model.labels)
        until = started + TRAINED * seconds
        passes = distil(learner, examples, out, work, seed=config.seed, student=bool(config.student), until=until)

        if device == "cpu":
            try_int8(out, reference.texts)
        engine = load_engine(out, config.dtype, device)
        dense = measure(engine, reference, Strategy())
        if dense.f1 < MIN_DENSE_F1:
            raise InputError(
                f"expected a dense pass that agrees with the checkpoint's to {MIN_DENSE_F1:.0%}, got {dense.f1:.0%} "
                f"after {passes:.2g} passes over {len(labels)} texts; give more --minutes or --texts, and another --out"
            )
        outputs = DensePass.run(engine, replace(reference, dense=dense.counts))
        left = max(started + CHOSEN * seconds - time.monotonic(), MIN_CHOICE * seconds)
        chosen = sweep(engine, outputs, STRATEGY, config.limits, seconds=left, seed=config.seed)

        busy = busy_share()
        timed = min(TIMED, 1 + int((1 - CHOSEN) * seconds / TIMED_PASSES / pace))
        rows = with_speedups(engine, [Row(DENSE, dense), *chosen], reference.texts[:timed])
        store(out, {STRATEGY: settings_by_point(rows)})
        best = next((f"{STRATEGY}:{row.name}" for row in reversed(rows) if row.stored), DENSE)
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
            "best": best,
            "made_by": made_by,
        }
        with replacing(out / CARD) as page:  # its presence says that the run has ended
            page.write_text(card(rows, facts), encoding="utf-8")
        (work / CHECKPOINT).unlink(missing_ok=True)
    if busy > BUSY:
        say(f"Times are doubtful: other processes used {busy:.0%} of the processors.")
    lacking = ", without an operating point," if best == DENSE else ""
    progress.finish(
        f"the model{lacking} and its card are in {out}.", f"python -m engine.tag FILE --model {out} --strategy {best}"
    )
    return rows


def split_texts(
    texts: Sequence[str], held_out: Sequence[str], pieces: WordPieces, seed: int
) -> tuple[list[str], list[str]]:
    """Returns training and held-out texts in random order. No text is in both, not even with different spacing.

    If there are no ``held_out``, up to a third of ``texts`` is held out.
    """
    training, apart = (random.Random(seed).sample(given, len(given)) for given in (texts, held_out))
    remedy = f"give {MIN_HELD_OUT} or more after --held-out"
    if not held_out:
        windows = 0
        while len(apart) < len(texts) // 3 and (windows < WANTED_WINDOWS or len(apart) < MIN_HELD_OUT):
            apart.append(training[len(apart)])
            windows += len(pieces.windows(words_of(apart[-1])))
        remedy = f"a third of the texts is held out: give three times as many as are missing, or {remedy}"
    total = sum(len(pieces.windows(words_of(text))) for text in apart)
    if total < MIN_WINDOWS or len(apart) < MIN_HELD_OUT:
        raise InputError(
            f"expected at least {MIN_WINDOWS} windows in at least {MIN_HELD_OUT} held-out texts, got {total} in "
            f"{len(apart)}; {remedy}"
        )
    words_apart = {tuple(words_of(text)) for text in apart}
    training = [text for text in training if tuple(words_of(text)) not in words_apart]
    if not training:
        raise InputError("expected texts to learn from, got only held-out ones; give others after --texts")
    return training, apart


def check_time(seconds: float, pace: float, texts: int, held_out: int, measured: int) -> None:
    """Says what the time of the whole run allows; raises an `InputError` if it is too short for an operating point.

    Args:
        seconds: the time.
        pace: seconds of the checkpoint's dense pass for a text.
        texts, held_out: numbers of texts to learn from and held out.
        measured: number of the latter that operating points are chosen on.
    """

    def total(labelled: int, passes: float, tagged: int) -> float:
        """The time in which each stage has its share."""
        return pace * max(
            labelled / (LABELLED - HELD_OUT),
            passes * labelled * TRAINING_COST / (TRAINED - LABELLED),
            tagged / (CHOSEN - TRAINED),
        )

    least = total(min(texts, MIN_LEARNED), 1, MIN_SETTINGS * measured)
    useful = duration(max(least, total(texts, USEFUL_PASSES, USEFUL_SETTINGS * held_out)))
    if least > seconds:
        raise InputError(
            f"expected --minutes {math.ceil(least / 60)} or more to store an operating point on this machine, got "
            f"{seconds / 60:g}; {useful} would be useful"
        )
    labelled = min(texts, int((LABELLED - HELD_OUT) * seconds / pace))
    passes = (TRAINED - LABELLED) * seconds / (labelled * TRAINING_COST * pace)
    allowed = f"The time allows for {labelled} texts and some {passes:.2g} passes over them"
    say(f"{allowed}; beyond {useful}, more time gains little.")


def with_speedups(engine: Engine, rows: Sequence[Row], texts: Sequence[str]) -> list[Row]:
    """Times the rows that are reached against the first, at each batch size for which there are enough texts."""
    timed = [row for row in rows if row.reached]
    ratios = speedups([(engine, row.trial.strategy) for row in timed], texts, CALLS)
    trials = {row.name: replace(row.trial, speedups=own) for row, own in zip(timed, ratios, strict=True)}
    return [replace(row, trial=trials.get(row.name, row.trial)) for row in rows]
