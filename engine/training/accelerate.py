"""Makes a checkpoint fast: ``python -m engine.training.accelerate CHECKPOINT --texts FILE… --out FOLDER``.

CHECKPOINT is a folder or hub id of a token-classification checkpoint. Gate heads and encoder learn its own output on
plain texts while words exit. Operating points are chosen by how much agreement with that output they lose on held-out
texts, compared with the new model's own dense pass. The folder then holds a model for every strategy but those with
networks (``mlp``, ``mlp-attention``), and a card with the measurements. The Python function is ``engine.accelerate``.
With ``--student`` a smaller encoder learns that output instead. An interrupted run continues with ``--resume``.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from engine.cli.command import as_command, program
from engine.cli.options import add_options, config_of
from engine.cli.progress import Progress
from engine.errors import InputError
from engine.formats import read_texts
from engine.text.words import split_words
from engine.training.card import points_table
from engine.training.options import AccelerateConfig
from engine.training.points import Choice
from engine.training.task import Task

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


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
    if isinstance(texts, str) or isinstance(held_out, str):
        raise InputError("expected a list of texts, got one string; put texts into a list")
    parts = () if isinstance(checkpoint, str | Path) else checkpoint
    name = (parts[0].name_or_path or "a model in memory") if parts else str(checkpoint)
    settings = {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}
    config = AccelerateConfig(checkpoint=name, out=str(out), **settings)
    shown = "".join(f", {key}={value!r}" for key, value in settings.items())
    made_by = f"engine.accelerate({name!r}, texts, {str(out)!r}{shown})"
    texts, held_out = ([text for text in dict.fromkeys(given) if split_words(text)] for given in (texts, held_out))
    with TemporaryDirectory() as folder:
        for part in parts:
            part.save_pretrained(folder)
        run(Task.of(config, folder if parts else name, texts, held_out, made_by, resume=resume))
    return Path(out)


def run(task: Task) -> list[Choice]:
    """Runs a task; reports the plan before it imports PyTorch, which takes seconds."""
    plan = f"Make {task.config.checkpoint} fast: label, train, choose operating points, time"
    with Progress(plan, about_s=60 * task.config.minutes) as progress:
        from engine.training.stages import run_stages

        return run_stages(task, progress)


@as_command
def main(argv: list[str] | None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog=program("engine.training.accelerate"), description=__doc__)
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="folder or hub id of a token-classification checkpoint")
    learned = "texts in any format to learn from (.txt: one a line)"
    add("--texts", nargs="+", required=True, metavar="FILE", help=learned)
    add(
        "--held-out",
        nargs="+",
        default=[],
        metavar="FILE",
        help="texts to choose operating points on (default: some of --texts)",
    )
    add_options(parser, AccelerateConfig, skip=("checkpoint",))
    add("--resume", action="store_true", help="continue the run in --out")
    arguments = parser.parse_args(argv)
    config = config_of(AccelerateConfig, arguments)
    command = shlex.join(["python", "-m", "engine.training.accelerate", *(part for part in argv if part != "--resume")])
    texts, held_out = read_texts(arguments.texts), read_texts(arguments.held_out)
    task = Task.of(config, config.checkpoint, texts, held_out, command, resume=arguments.resume)
    print(points_table(run(task)), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
