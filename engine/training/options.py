"""Settings of training as command-line options, without torch, so that wrong ones are refused at once."""

from __future__ import annotations

import argparse
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from engine.cli.command import say
from engine.errors import InputError
from engine.models.folder import local_folder, read_config
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.tagger import DTYPES

LIMITS = "0.2,0.5,1.5"  # pp of agreement that careful, balanced and fast may lose


def option(
    meaning: str, default: Any = MISSING, limits: tuple[float, float] | None = None, choices: Sequence[str] = ()
) -> Any:
    """Declares a field that is also a command-line option, see `add_options`; without a default it is required.

    ``limits`` are the lowest and the highest value; ``choices``, if there are some, are the allowed ones.
    """
    return field(default=default, metadata={"help": meaning, "limits": limits, "choices": choices})


def add_options(parser: argparse.ArgumentParser, config: type[Any], skip: Collection[str] = ()) -> None:
    """Adds the options of a configuration to a command line, except some fields."""
    for declared in fields(config):
        if not declared.init or declared.name in skip:
            continue
        kind, meaning = {"int": int, "float": float}.get(str(declared.type), str), declared.metadata["help"]
        parts: dict[str, Any] = {"type": kind, "default": declared.default}
        if declared.type == "bool":
            parts = {"action": "store_true"}
        elif declared.default is MISSING:
            parts["required"] = True
        elif declared.default != "":
            meaning += " (default %(default)s)"
        parser.add_argument(f"--{declared.name.replace('_', '-')}", help=meaning, **parts)


def check_options(config: Any) -> None:
    """Raises an `InputError` if a setting has the wrong type, is outside its limits, or is none of its choices."""
    for declared in fields(config):
        if not declared.init:
            continue
        value, limits, choices = (
            getattr(config, declared.name),
            declared.metadata["limits"],
            declared.metadata["choices"],
        )
        if declared.type == "str" and not isinstance(value, str):
            raise InputError(f"expected text as {declared.name}, got {value!r}; change it")
        if limits and not (isinstance(value, int | float) and limits[0] <= value <= limits[1]):
            raise InputError(f"expected {declared.name} between {limits[0]} and {limits[1]}, got {value}; change it")
        if choices and value not in choices:
            raise InputError(f"expected one of {', '.join(choices)} as {declared.name}, got {value!r}; choose one")


@contextmanager
def resumable() -> Iterator[None]:
    """Names ``--resume`` when the run is interrupted from the keyboard."""
    try:
        yield
    except KeyboardInterrupt:
        say("add --resume to the same command to continue where it stopped")
        raise


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings of training. Each field is a command-line option."""

    out: str = option("folder for the model, the log and the checkpoint, which --resume needs")
    epochs: int = option("maximum number of passes over the training data", 12, (1, 10_000))
    lr: float = option("peak learning rate; linear warm-up over a tenth of the steps, then linear decay", 3e-4, (0, 1))
    max_rows: int = option("maximum number of word pieces in a batch", 2048, (1, 10**7))
    dropout: float = option("dropout on embeddings and on the outputs of attention and feed-forward", 0.1, (0, 0.9))
    average: float = option(
        "decay per step of the running average of the weights; lower in the first steps", 0.995, (0, 0.99999)
    )
    temperature: float = option(
        "temperature of a teacher's labels; below 1 sharpens them, setting certain words apart from doubtful ones",
        0.5,
        (0.05, 20),
    )
    pruned: float = option("share of windows that are pruned; a word's loss is then taken where it exits", 0.0, (0, 1))
    mask: float = option("share of words that are masked in each pass", 0.1, (0, 0.9))
    seed: int = option("seed of everything random", 0, (0, 2**31))

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, kw_only=True)
class AccelerateConfig:
    """Settings of ``accelerate``. Each field but the last is a command-line option.

    ``limits``: operating point → pp that it may lose, from ``max_f1_drop``.
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
    dtype: str = option("dtype in which settings are measured", "auto", choices=DTYPES)
    seed: int = option("seed of everything random", 0, (0, 2**31))
    limits: Mapping[str, float] = field(init=False)

    def __post_init__(self) -> None:
        check_options(self)
        object.__setattr__(self, "limits", parse_limits(self.max_f1_drop, "--max-f1-drop"))


def parse_limits(given: str | Iterable[float], option: str) -> dict[str, float]:
    """Maps operating points to the pp that they may lose; in text, numbers are joined by commas."""
    try:
        limits = [float(part) for part in (given.split(",") if isinstance(given, str) else given)]
    except (TypeError, ValueError):
        limits = []
    if len(limits) != len(OPERATING_POINTS) or not all(0 <= limit < math.inf for limit in limits):
        raise InputError(
            f"expected {len(OPERATING_POINTS)} numbers of 0 or more for {option}, got {given!r}; write e.g. {LIMITS}"
        )
    if limits != sorted(limits):
        raise InputError(f"expected ascending numbers for {option}, got {given!r}; write the smallest first")
    return dict(zip(OPERATING_POINTS, limits, strict=True))


def check_label_head(source: str) -> None:
    """Raises an `InputError` unless a folder or hub id holds a checkpoint with a label head."""
    architectures = read_config(local_folder(source), source).get("architectures") or ["ForTokenClassification"]
    if not any("ForTokenClassification" in name for name in architectures):
        raise InputError(
            f"expected a token-classification checkpoint, got {source!r}, an encoder without a label head "
            f"({', '.join(architectures)}); fine-tune it with python -m engine.training.finetune --plain "
            f"--backbone {source}"
        )
