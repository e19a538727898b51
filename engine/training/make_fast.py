"""The stages of ``accelerate``: labels of the checkpoint, training, operating points, timing, card."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import set_seed

from engine.cli.command import say
from engine.cli.progress import Progress, duration
from engine.cli.runs import continues, locked, replacing, write_json
from engine.errors import InputError
from engine.latency import BUSY, busy_share
from engine.models.folder import local_folder
from engine.models.tokenizer import word_pieces
from engine.pruning.strategy import Strategy
from engine.pytorch.checkpoint import load_tokenizer, load_weights
from engine.tagger import Engine, load_engine
from engine.training.agreement import MIN_DENSE_F1, Reference, Trial, measure, speedups
from engine.training.calibrate import points_of, store, try_int8
from engine.training.card import BATCH_SIZES, Row, card, rows_of
from engine.training.dense_pass import DensePass
from engine.training.distill import distil
from engine.training.finetune import new_model
from engine.training.options import AccelerateConfig
from engine.training.soft_labels import FILE, SoftLabels, label_texts
from engine.training.sweep import sweep
from engine.training.texts import count_windows, digest, min_texts, split_texts
from engine.training.trainer import CHECKPOINT, default_device

STRATEGY = "entropy"  # the strategy whose operating points are chosen
WORK, CONDITIONS, CARD = "training", "accelerate.json", "README.md"
HELD_OUT, LABELLED, TRAINED, CHOSEN = 0.05, 0.2, 0.6, 0.9  # shares of the time by which each stage ends
MIN_CHOICE = 0.1  # share of the time that the choice of operating points has in any case
BATCHES, TIMED = 5, 160  # minimum number of calls timed; maximum number of texts
TIMED_PASSES = 20  # expected duration of timing, as a number of dense passes over the timed texts
STEADY_WINDOWS = 1000  # held-out windows from which operating points hardly depend on chance
TRAINING_COST = 4  # time to train on a text, as a multiple of the time of a dense pass over it
MIN_TEXTS, USEFUL_PASSES = (
    32,
    3,
)  # least number of texts to learn from; passes over all texts beyond which little is gained
MIN_SETTINGS, USEFUL_SETTINGS = 4, 15  # settings that are measured on the held-out texts


@dataclass(frozen=True)
class Plan:
    """What the time allows, estimated from the pace of the checkpoint's dense pass.

    ``texts``: number of texts that can be labelled. ``passes``: passes over these in training.
    ``least``, ``useful``: seconds that a run needs to store an operating point, and beyond which more gains little.
    """

    texts: int
    passes: float
    least: float
    useful: float

    @classmethod
    def of(cls, pace: float, texts: int, held_out: int, needed: int, seconds: float) -> Plan:
        """Plans a run of some ``seconds``.

        Args:
            pace: seconds of the checkpoint's dense pass for a text.
            texts: number of texts to learn from.
            held_out: number of held-out texts.
            needed: number of these without which no operating point can be chosen.
        """

        def total(labelled: int, passes: float, measured: int) -> float:
            return max(
                labelled * pace / (LABELLED - HELD_OUT),
                passes * labelled * TRAINING_COST * pace / (TRAINED - LABELLED),
                measured * pace / (CHOSEN - TRAINED),
            )

        labelled = min(texts, int((LABELLED - HELD_OUT) * seconds / pace))
        passes = (TRAINED - LABELLED) * seconds / (max(labelled, 1) * TRAINING_COST * pace)
        least = total(min(texts, MIN_TEXTS), 1, MIN_SETTINGS * needed)
        return cls(labelled, passes, least, max(least, total(texts, USEFUL_PASSES, USEFUL_SETTINGS * held_out)))


def make_fast(
    config: AccelerateConfig, source: str, texts: Sequence[str], held_out: Sequence[str], made_by: str, *, resume: bool
) -> list[Row]:
    """Makes a model folder and returns what was measured: dense and each operating point.

    ``source`` is where the checkpoint is, and ``made_by`` the command or call that makes the folder.

    Raises:
        InputError: see `engine.training.accelerate.accelerate`.
    """
    started, seconds, out = time.monotonic(), 60 * config.minutes, Path(config.out)
    progress = Progress(f"Make {config.checkpoint} fast: label, train, choose operating points, time", about_s=seconds)
    work, device = out / WORK, str(default_device())
    set_seed(config.seed)
    original = load_engine(source, "float32", device, config.labels or None)
    weights = load_weights(source, config.labels or None)
    model, tokenizer = weights.model, weights.tokenizer
    if config.student:
        model, tokenizer = new_model(config.student, original.labels), load_tokenizer(config.student)
    if model.encoder.num_layers < 2:
        raise InputError(
            f"expected an encoder of two layers or more, got one in {config.student or source!r}; choose another"
        )
    backbone = local_folder(config.student or source)
    texts, held_out = split_texts(texts, held_out, original.pieces, config.seed)
    conditions = asdict(config) | {
        "model": original.fingerprint,
        "learned": digest(texts),
        "held out": digest(held_out),
    }
    continues(out, f"{WORK}/{CONDITIONS}", conditions, resume=resume, free=("out", "minutes"))
    if (out / CARD).is_file():
        raise InputError(
            f"expected a run in {out} that can go on, got one that has ended; use its model, or choose other operating "
            "points with python -m engine.training.calibrate"
        )
    with locked(work):
        begin, needed = time.monotonic(), min_texts(count_windows(held_out, original.pieces))
        reference = Reference.of(original, held_out, needed, until=started + HELD_OUT * seconds)
        pace = (time.monotonic() - begin) / len(reference.documents)
        check_plan(Plan.of(pace, len(texts), len(held_out), needed, seconds), config.minutes)
        write_json(work / CONDITIONS, conditions)
        labels = (
            SoftLabels.load(work / FILE)
            if (work / CHECKPOINT).is_file()  # training has begun with these
            else label_texts(original, texts, work / FILE, until=started + LABELLED * seconds)
        )
        pieces = word_pieces(backbone, model.encoder.max_rows, model.encoder.config.vocab_size)
        examples = labels.examples(texts, pieces, model.labels)
        until, student = started + TRAINED * seconds, bool(config.student)
        passes = distil(model, tokenizer, examples, out, work, seed=config.seed, student=student, until=until)

        fastest = try_int8(out, reference.texts) if device == "cpu" else "auto"
        engine = load_engine(out, fastest if config.dtype == "auto" else config.dtype, device)
        dense = measure(engine, reference, Strategy("dense"))
        if dense.f1 < MIN_DENSE_F1:
            raise InputError(
                f"expected a dense pass that agrees with the checkpoint's to {MIN_DENSE_F1:.0%}, got {dense.f1:.0%} "
                f"after {passes:.2g} passes over {len(labels.counts)} texts; give more --minutes or --texts, and "
                "another --out"
            )
        reference = replace(reference, dense=dense.counts)
        outputs = DensePass.run(load_weights(out).model, engine.pieces, reference)
        left = max(started + CHOSEN * seconds - time.monotonic(), MIN_CHOICE * seconds)
        chosen, closest = sweep(engine, outputs, STRATEGY, config.limits, seconds=left, seed=config.seed)
        busy = busy_share()
        timed = min(TIMED, 1 + int((1 - CHOSEN) * seconds / TIMED_PASSES / pace))
        trials = timed_trials(engine, [dense, *chosen.values()], reference.texts[:timed])
        rows = [Row("dense", trials[0])]
        rows += rows_of(dict(zip(chosen, trials[1:], strict=True)), closest, config.limits)
        store(out, {STRATEGY: points_of(rows)})
        facts = {
            "checkpoint": config.checkpoint,
            "student": config.student,
            "strategy": STRATEGY,
            "types": original.labels.types,
            "layers": engine.sizes.layers,
            "texts": len(labels.counts),
            "passes": passes,
            "held_out": len(reference.documents),
            "windows": sum(count_windows(reference.texts, original.pieces)),
            "entities": sum(counts.gold for counts in reference.dense),
            "minutes": (time.monotonic() - started) / 60,
            "device": device_name(),
            "dtype": engine.dtype,
            "busy": busy,
            "made_by": made_by,
        }
        with replacing(out / CARD) as page:  # its presence says that the run has ended
            page.write_text(card(rows, facts), encoding="utf-8")
        (work / CHECKPOINT).unlink(missing_ok=True)
    for doubt in doubts(rows, facts):
        say(f"Warning: {doubt}.")
    best = next((f"{STRATEGY}:{row.name}" for row in reversed(rows) if row.stored), "dense")
    progress.finish(
        f"the model and its card are in {out}.", f"python -m engine.tag FILE --model {out} --strategy {best}"
    )
    return rows


def check_plan(plan: Plan, minutes: float) -> None:
    """Says what the time allows; raises an `InputError` if it does not suffice for an operating point."""
    if plan.least > 60 * minutes:
        raise InputError(
            f"expected --minutes {plan.least / 60:.1g} or more to store an operating point on this machine, got "
            f"{minutes:g}; {duration(plan.useful)} would be useful"
        )
    say(
        f"The time allows for {plan.texts} texts and some {plan.passes:.2g} passes over them; beyond "
        f"{duration(plan.useful)}, more time gains little."
    )


def timed_trials(engine: Engine, trials: Sequence[Trial], texts: Sequence[str]) -> list[Trial]:
    """Adds speed-ups over the first trial, at each batch size for which there are enough texts."""
    taggers = [partial(engine.tag_batch, strategy=trial.strategy) for trial in trials]
    measured = {size: speedups(taggers, texts, size) for size in BATCH_SIZES if len(texts) >= BATCHES * size}
    return [
        replace(trial, speedups={size: ratios[index] for size, ratios in measured.items()})
        for index, trial in enumerate(trials)
    ]


def doubts(rows: Sequence[Row], facts: Mapping[str, Any]) -> Iterator[str]:
    """Yields what makes the figures less reliable than they look."""
    if facts["busy"] > BUSY:
        yield f"other processes used {facts['busy']:.0%} of the processors before timing"
    if not any(row.stored for row in rows):
        yield f"no operating point is stored: {STRATEGY} runs with default settings, whose loss was not measured"
    if facts["passes"] < 1:
        yield f"training had time for {facts['passes']:.2g} passes over {facts['texts']} texts; give more --minutes"
    if facts["windows"] < STEADY_WINDOWS:
        yield (
            f"only {facts['windows']} windows were held out, so operating points depend on chance; {STEADY_WINDOWS} or "
            "more are steady: hold out more texts, or give more --minutes"
        )


def device_name() -> str:
    """The hardware and the versions that times depend on."""
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    if default_device().type == "cuda":
        return f"{torch.cuda.get_device_name()} ({versions})"
    threads = torch.get_num_threads()
    return f"a CPU ({platform.machine()}), {threads} thread{'s' * (threads > 1)} ({versions})"
