"""Makes a checkpoint fast: ``python -m engine.training.accelerate CHECKPOINT --texts FILE… --out FOLDER``.

CHECKPOINT is a folder or hub id of a token-classification checkpoint. Gate heads and encoder learn its own output on
plain texts while words exit; with ``--student``, a smaller encoder learns it. Operating points are chosen on held-out
texts: each may agree with CHECKPOINT a little less than the new model's dense pass does. FOLDER then runs every
strategy but ``mlp`` and ``mlp-attention``, and its card holds the measurements. ``--resume`` continues an interrupted
run. In Python: ``engine.accelerate``.
"""

from __future__ import annotations

import logging
import math
import random
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.cli.command import as_command, new_parser
from engine.cli.options import add_options, add_texts, config_of
from engine.cli.runs import continues, texts_digest
from engine.errors import InputError
from engine.formats import read_texts
from engine.loading import load_engine
from engine.pruning.strategy_names import DENSE
from engine.text.windows import WordPieces
from engine.text.words import split_words, words_of
from engine.training.card import CARD, advice, points_table
from engine.training.options import CONDITIONS, RESUME, AccelerateConfig, read_backbone
from engine.training.points import Choice, fastest
from engine.training.trials import MIN_HELD_OUT, MIN_WINDOWS

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

WANTED_WINDOWS = 1200  # to hold out, from at most a third of the texts
Texts = Sequence[str]


def accelerate(
    checkpoint: str | Path | tuple[PreTrainedModel, PreTrainedTokenizerBase],
    texts: Iterable[str],
    out: str | Path,
    *,
    held_out: Iterable[str] = (),
    resume: bool = False,
    **settings: Any,
) -> Path:
    """Trains a checkpoint to exit early; returns a model folder for `load_engine`, with measurements in README.md.

    Args:
        checkpoint: folder or hub id of a token-classification checkpoint, or a model and its tokenizer.
        texts: training texts without labels; 400 abstracts are enough. Duplicates count once.
        out: folder for the model: a new one, or that of the same run.
        held_out: texts to choose operating points on; if empty, some of ``texts``.
        resume: continue the run in ``out``.
        **settings: see `AccelerateConfig`, e.g. ``epochs``.

    Raises an `InputError` if checkpoint, texts or settings cannot be used, or ``out`` contains other files.
    """
    if isinstance(texts, str) or isinstance(held_out, str):
        raise InputError("The texts are one string. Put them into a list.")
    parts = () if isinstance(checkpoint, str | Path) else checkpoint
    name = (parts[0].name_or_path or "a model in memory") if parts else str(checkpoint)
    settings = {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}
    config = AccelerateConfig(checkpoint=name, out=str(out), **settings)
    shown = "".join(f", {key}={value!r}" for key, value in settings.items())
    made_by = f"engine.accelerate({name!r}, texts, {str(out)!r}{shown})"
    texts, held_out = ([text for text in dict.fromkeys(part) if split_words(text)] for part in (texts, held_out))
    with TemporaryDirectory() as folder:
        for part in parts:
            part.save_pretrained(folder)
        run(config, folder if parts else name, texts, held_out, made_by, resume=resume)
    return Path(out)


def run(
    config: AccelerateConfig, source: str, texts: Texts, held_out: Texts, made_by: str, *, resume: bool
) -> list[Choice]:
    """Checks its arguments before it imports PyTorch, which takes seconds, and runs the stages.

    ``source``: where the checkpoint is. ``made_by``: the command or call, for the card.
    """
    original, out = load_engine(source, "float32", labels=config.labels or None), Path(config.out)
    student = read_backbone(config.student, original.labels) if config.student else None
    if (student or original.sizes).layers < 2:
        problem = f"{config.student or source!r} has one layer, so no word can exit early"
        raise InputError(f"{problem}. Choose an encoder of two or more.")
    learned, apart = split_texts(texts, held_out, original.pieces, config.seed)
    conditions = asdict(config) | {"model": original.fingerprint, "texts": [*map(texts_digest, (learned, apart))]}
    continues(out, CONDITIONS, conditions, resume=resume, free=("out",))
    if (out / CARD).is_file():
        raise InputError(f"The run in {out} has ended. Use its model, or choose new points with bioner calibrate.")
    plan = f"label {len(learned)} texts, train for {config.epochs} epochs, choose points on {len(apart)} others"
    logger.info("Make %s fast: %s. %s", config.checkpoint, plan, RESUME)
    from engine.training.stages import STRATEGY, run_stages

    choices = run_stages(config, original, student, learned, apart, conditions, made_by)
    model = f"--model {shlex.quote(str(out))}"
    if (strategy := fastest(choices)) != DENSE:
        logger.info("The model and its card are in %s.%s", out, advice({STRATEGY: choices}))
        logger.info("Next: bioner tag FILE %s --strategy %s", model, strategy)
    else:
        verdict = "No setting computes less within its limit, so keep your checkpoint; the new model is in %s."
        logger.info(f"{verdict} More texts or --epochs may help, or wider limits.", out)
        logger.info("Next: bioner calibrate %s --texts FILE --max-f1-drop 1,3,6", model)
    return choices


def split_texts(texts: Texts, held_out: Texts, pieces: WordPieces, seed: int) -> tuple[list[str], list[str]]:
    """Returns training and held-out texts, by default up to a third, in random order; no words are in both."""
    training, apart = (random.Random(seed).sample(part, len(part)) for part in (texts, held_out))
    apart = apart or training[: len(texts) // 3]
    counts = [len(pieces.windows(words_of(text))) for text in apart]
    if not held_out:
        enough = max(MIN_HELD_OUT, 1 + int(np.searchsorted(np.cumsum(counts), WANTED_WINDOWS)))
        apart, counts = apart[:enough], counts[:enough]
    if (windows := sum(counts)) < MIN_WINDOWS or len(apart) < MIN_HELD_OUT:
        remedy = "Give more after --held-out."
        if not held_out:
            wanted = max(3 * MIN_HELD_OUT, math.ceil(3 * MIN_WINDOWS * max(1, len(apart)) / max(1, windows)))
            remedy = f"Give {wanted} texts like these, of which a third is held out, or others after --held-out."
        needed = f"{MIN_HELD_OUT} texts and {MIN_WINDOWS} windows are needed"
        raise InputError(f"{len(apart)} texts with {windows} windows are held out; {needed}. {remedy}")
    words_apart = {tuple(words_of(text)) for text in apart}
    training = [text for text in training if tuple(words_of(text)) not in words_apart]
    if not training:
        raise InputError("All texts are held out. Give others after --texts to learn from.")
    return training, apart


@as_command
def main(argv: list[str]) -> int:
    parser = new_parser("engine.training.accelerate", __doc__)
    add = parser.add_argument
    add_texts(parser, "training texts in any format")
    add("--held-out", nargs="+", default=[], metavar="FILE", help="to choose points on (default: some of --texts)")
    add_options(parser, AccelerateConfig, positional=("checkpoint",))
    add("--resume", action="store_true", help="continue the run in --out")
    arguments = parser.parse_args(argv)
    config = config_of(AccelerateConfig, arguments)
    command = shlex.join(["python", "-m", "engine.training.accelerate", *(part for part in argv if part != "--resume")])
    texts, held_out = (read_texts(files, lines=arguments.lines) for files in (arguments.texts, arguments.held_out))
    choices = run(config, config.checkpoint, texts, held_out, command, resume=arguments.resume)
    print(points_table(choices))
    return 1 if fastest(choices) == DENSE else 0


if __name__ == "__main__":
    sys.exit(main())
