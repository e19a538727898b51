"""Makes a checkpoint fast: ``python -m engine.training.accelerate CHECKPOINT --texts FILE… --out FOLDER``.

CHECKPOINT is a folder or hub id of a token-classification checkpoint. Gate heads and encoder learn its own output on
plain texts while words exit. Operating points are chosen by how much agreement with that output they lose on held-out
texts, compared with the new model's own dense pass. The folder then holds a model for every strategy except ``mlp``,
and a card with the measurements. The Python function is `accelerate`, also available as ``engine.accelerate``. With
``--student`` a smaller encoder learns that output instead.

A run that was interrupted continues from its labels and from the checkpoint of its training.
"""

from __future__ import annotations

import argparse
import logging
import re
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from engine.cli.command import as_command
from engine.cli.runs import continues, locked, replacing, write_json
from engine.errors import InputError
from engine.formats.texts import read_texts
from engine.loaded import DTYPES
from engine.pruning.strategy import Strategy
from engine.pytorch.checkpoint import load_weights
from engine.pytorch.gated import GatedModel
from engine.pytorch.tokenizer import load_tokenizer, word_pieces
from engine.runtime import check_device
from engine.tagger import Engine, load_engine
from engine.training.calibrate import store_points
from engine.training.card import STRATEGY, Facts, Row, card, device_name, measure_rows, points_of, table, warnings
from engine.training.data import count_windows, digest, distinct_texts, min_texts, split_texts
from engine.training.distill import SETTINGS, WORK, distil
from engine.training.finetune import new_model
from engine.training.loop import (
    CHECKPOINT,
    TrainingConfig,
    add_options,
    check_options,
    default_device,
    option,
    shared_option,
)
from engine.training.quantise import add_compiled, check_nncf
from engine.training.soft_labels import SoftLabels, store_labels
from engine.training.sweep import Sweep
from engine.training.trials import LIMITS, Reference, Requirement, measure, parse_requirements

logger = logging.getLogger(__name__)

CONDITIONS, CARD = f"{WORK}/accelerate.json", "README.md"
HELD_OUT, LABELLED, TRAINED, CHOSEN = 0.05, 0.2, 0.6, 0.9  # shares of the time, by which each stage ends
MIN_CHOICE = 0.1  # share of the time that the choice of operating points has in any case
TIMED_PASSES = 20  # expected duration of timing, as a number of dense passes over the timed texts


@dataclass(frozen=True, kw_only=True)
class AccelerateConfig:
    """Settings of a run. Each field but the last is a command-line option.

    ``requirements``: what operating points must meet, from ``max_f1_drop``.
    """

    checkpoint: str = option("folder or hub id of a token-classification checkpoint")
    out: str = option("folder for the model: a new one, or that of the same run")
    labels: str = option("file that says what the checkpoint's labels mean, if the checkpoint does not", "")
    student: str = option(
        "folder or hub id of an encoder, or a model folder with gates, that learns in place of the checkpoint", ""
    )
    minutes: float = option("minutes for everything", 60.0, (0.001, 10_000))
    max_f1_drop: str | Sequence[float] = option(
        "pp of agreement that careful, balanced and fast may lose against the dense pass", LIMITS
    )
    dtype: str = option(
        "dtype in which settings are measured; int8 stores layers in 8 bits, which needs requirements-int8.txt",
        "float32",
        choices=DTYPES,
    )
    mixed_precision: str = shared_option("mixed_precision")
    seed: int = shared_option("seed")
    requirements: tuple[Requirement, ...] = field(init=False)

    def __post_init__(self) -> None:
        check_options(self)
        object.__setattr__(self, "requirements", parse_requirements(self.max_f1_drop, "--max-f1-drop"))

    def seconds(self, share: float) -> float:
        """A share of the time."""
        return 60 * self.minutes * share


def accelerate(
    checkpoint: str | Path | tuple[PreTrainedModel, PreTrainedTokenizerBase],
    texts: Iterable[str],
    out: str | Path,
    *,
    held_out: Iterable[str] = (),
    resume: bool = False,
    **settings: Any,
) -> Path:
    """Makes a checkpoint fast: learns its own output on texts and writes a model folder with operating points.

    Progress, and in the end a table of what was measured, go to the logger ``engine``, or to standard error if logging
    is not set up.

    Args:
        checkpoint: folder or hub id of a token-classification checkpoint, or a model and its tokenizer.
        texts: texts to learn from; 400 abstracts are enough. Copies count once.
        out: folder for the model: a new one, or that of the same run.
        held_out: texts to choose operating points on; if empty, some of ``texts``.
        resume: continue the run in ``out``.
        **settings: see `AccelerateConfig`, e.g. ``minutes``.

    Returns:
        The folder, for `load_engine`; its README.md has the measurements.

    Raises:
        InputError: if checkpoint, texts or settings cannot be used, or ``out`` contains other files.
    """
    known = [one.name for one in fields(AccelerateConfig)]
    if unknown := settings.keys() - {*known}:
        raise InputError(f"expected the settings {', '.join(known)}, got {', '.join(sorted(unknown))}; leave it out")
    given = None if isinstance(checkpoint, str | Path) else checkpoint
    if given is not None and not (isinstance(given, Sequence) and len(given) == 2):
        raise InputError(
            f"expected a folder, a hub id, or a model and its tokenizer, got {type(given).__name__}; give one of them"
        )
    name = given[0].name_or_path or "a model in memory" if given else str(checkpoint)
    shown = "".join(f", {key}={value!r}" for key, value in settings.items())
    made_by = f"engine.accelerate({name!r}, texts, {str(out)!r}{shown})"
    settings = {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}
    with _in_python(), TemporaryDirectory() as folder:
        config = AccelerateConfig(checkpoint=name, out=str(out), **settings)
        for part in given or ():
            part.save_pretrained(folder)
        texts, held_out = distinct_texts(texts, "texts"), distinct_texts(held_out, "held_out")
        rows = make_fast(config, folder if given else name, texts, held_out, made_by, resume=resume)
        logger.info("the model, and its card %s, are in %s\n%s", CARD, out, table(rows))
    return Path(out)


class EndedError(InputError):
    """A run that is to go on has ended."""


@contextmanager
def _in_python() -> Iterator[None]:
    """Shows the log unless the caller does, and names options as Python's arguments in errors."""
    library, handler = logging.getLogger("engine"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    level, shows = library.level, not library.hasHandlers()
    if shows:
        library.addHandler(handler)
        library.setLevel(logging.INFO)
    try:
        yield
    except InputError as error:
        raise InputError(re.sub(r"--([a-z][a-z0-9-]+)", lambda name: name[1].replace("-", "_"), str(error))) from error
    finally:
        library.removeHandler(handler)
        library.setLevel(level)


def make_fast(
    config: AccelerateConfig, source: str, texts: Sequence[str], held_out: Sequence[str], made_by: str, *, resume: bool
) -> list[Row]:
    """Makes a model folder and returns what was measured: dense and each operating point.

    ``source`` is where the checkpoint is, and ``made_by`` the command or call that makes the folder.

    Raises:
        EndedError: if the same run has ended before.
        InputError: see `accelerate`.
    """
    started, out = time.monotonic(), Path(config.out)

    def end_of(stage: float) -> float:
        """The time, by `time.monotonic`, at which a share of the time is over."""
        return started + config.seconds(stage)

    set_seed(config.seed)
    original, model, tokenizer = _load(config, source)
    texts, held_out = split_texts(texts, held_out, original.pieces, config.seed)
    conditions = _conditions(config, original, texts, held_out, resume=resume)
    with locked(out / WORK):
        needed = min_texts(count_windows(held_out, original.pieces))
        reference = Reference.agreement(original, held_out, needed, end_of(HELD_OUT))
        counts = len(texts), len(reference.texts), len(held_out)
        logger.info("%d texts to learn from; %d of %d held-out texts are used", *counts)
        write_json(out / CONDITIONS, conditions)
        labels = _label(original, texts, out / WORK, end_of(LABELLED))
        passes = _distil(config, model, tokenizer, labels, texts, end_of(TRAINED))
        engine, begun = _load_new(config, texts), time.monotonic()
        dense = measure(engine, reference, Strategy("dense"), progress="dense pass")
        pace = (time.monotonic() - begun) / len(reference.texts)
        sweep = _choose(config, engine, replace(reference, dense=dense.counts), end_of(CHOSEN))
        timed = 1 + int(config.seconds(1 - CHOSEN) / TIMED_PASSES / pace)
        rows, busy = measure_rows(dense, sweep, sweep.reference.texts[:timed])
        store_points(out, {STRATEGY: points_of(rows)})
        facts = Facts(
            checkpoint=config.checkpoint,
            student=config.student,
            types=original.labels.types,
            layers=engine.sizes.layers,
            texts=len(labels.counts),
            passes=passes,
            held_out=len(reference.texts),
            windows=sum(count_windows(reference.texts, original.pieces)),
            entities=sum(of.gold for of in reference.dense),
            minutes=(time.monotonic() - started) / 60,
            device=device_name(default_device()),
            dtype=engine.dtype,
            busy=busy,
        )
        with replacing(out / CARD) as page:  # its presence says that the run has ended
            page.write_text(card(rows, facts, made_by), encoding="utf-8")
        (out / WORK / CHECKPOINT).unlink(missing_ok=True)
    for warning in warnings(rows, facts, sweep.time_out(STRATEGY), spare=len(held_out) > len(reference.texts)):
        logger.warning(warning)
    return rows


def _load(config: AccelerateConfig, source: str) -> tuple[Engine, GatedModel, PreTrainedTokenizerBase]:
    """Returns the checkpoint as it labels texts, and the model to train, its own or a student, with its tokenizer."""
    if config.dtype == "int8":  # now rather than after an hour
        check_device(default_device().type)
        check_nncf()
    weights = load_weights(source, config.labels or None)
    model, tokenizer = weights.model, weights.tokenizer
    if config.student:
        model, tokenizer = new_model(config.student, weights.labels), load_tokenizer(config.student)
    if model.encoder.num_layers < 2:
        given = config.student or weights.source
        raise InputError(f"expected an encoder of two layers or more, got one in {given!r}; choose another")
    return Engine(weights, "float32", str(default_device())), model, tokenizer


def _conditions(
    config: AccelerateConfig, original: Engine, texts: Sequence[str], held_out: Sequence[str], *, resume: bool
) -> dict[str, Any]:
    """Returns what the run depends on; raises an `InputError` if its folder is not new and it cannot go on there."""
    out, data = Path(config.out), {"learned": digest(texts), "held out": digest(held_out)}
    conditions = asdict(config) | {"model": original.fingerprint, "texts": data}
    continues(out, CONDITIONS, conditions, resume=resume, free=("out",))
    if (out / CARD).is_file():
        raise EndedError(
            f"expected a run in {out} that can go on, got one that has ended; use its model, or choose other operating "
            "points with python -m engine.training.calibrate"
        )
    return conditions


def _label(original: Engine, texts: Sequence[str], work: Path, deadline: float) -> SoftLabels:
    """Labels as many texts as time allows with the checkpoint's dense pass; an interrupted run continues."""
    file = work / "labels.npz"
    if (work / CHECKPOINT).is_file():  # training has begun, with these
        return SoftLabels.load(file)
    labels = store_labels(original, texts, file, deadline)
    if len(labels.counts) < len(texts):
        logger.info("time allows for %d of %d texts to learn from", len(labels.counts), len(texts))
    return labels


def _distil(
    config: AccelerateConfig,
    model: GatedModel,
    tokenizer: PreTrainedTokenizerBase,
    labels: SoftLabels,
    texts: Sequence[str],
    deadline: float,
) -> float:
    """Trains until a deadline by `time.monotonic`, puts the model into the folder, and returns the passes."""
    examples = labels.ordered(model.labels.names).examples(texts, word_pieces(tokenizer, model.encoder.max_rows))
    training = TrainingConfig(out=config.out, mixed_precision=config.mixed_precision, seed=config.seed, **SETTINGS)
    return distil(model, tokenizer, examples, training, student=bool(config.student), deadline=deadline)


def _load_new(config: AccelerateConfig, texts: Sequence[str]) -> Engine:
    """Loads the model that was trained, in 8 bits after its layers have been quantised."""
    if config.dtype == "int8":
        logger.info("quantising the layers")
        add_compiled(Path(config.out), texts)
    return load_engine(config.out, config.dtype, str(default_device()))


def _choose(config: AccelerateConfig, engine: Engine, reference: Reference, deadline: float) -> Sweep:
    """Chooses operating points until a deadline by `time.monotonic`; returns the finished sweep."""
    sweep = Sweep(engine, reference, config.requirements, seed=config.seed)
    left = max(deadline - time.monotonic(), config.seconds(MIN_CHOICE))
    logger.info("choosing operating points in %s at most", tqdm.format_interval(left))
    sweep.run(STRATEGY, seconds=left)
    return sweep


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.training.accelerate", description=__doc__)
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="folder or hub id of a token-classification checkpoint")
    add(
        "--texts", nargs="+", required=True, metavar="FILE", help="texts in any format to learn from (.txt: one a line)"
    )
    add("--held-out", nargs="+", metavar="FILE", help="texts to choose operating points on (default: some of --texts)")
    add_options(parser, AccelerateConfig, skip=("checkpoint",))
    add("--resume", action="store_true", help="continue the run in --out")
    return parser


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(argv)
    command = shlex.join(["python", "-m", "engine.training.accelerate", *(part for part in argv if part != "--resume")])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = dict(vars(arguments))
    texts, held_out, resume = (settings.pop(name) for name in ("texts", "held_out", "resume"))
    config = AccelerateConfig(**settings)
    rows = make_fast(config, config.checkpoint, read_texts(texts), read_texts(held_out or []), command, resume=resume)
    print(table(rows), end="")
    print(f"the model, and its card {CARD}, are in {config.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
