"""Settings of training as command-line options, without torch, so that wrong ones are refused at once."""

import argparse
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from engine.errors import InputError
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.tagger import DTYPES

LIMITS = "0.2,0.5,1.5"  # pp of agreement that careful, balanced and fast may lose
RESUME = "Add --resume to the same command to continue."


def option(meaning: str, default: Any = MISSING, limits: tuple[float, float] | None = None) -> Any:
    """Declares a field that is also a command-line option, required without a default; limits are included."""
    return field(default=default, metadata={"help": meaning, "limits": limits})


def add_options(parser: argparse.ArgumentParser, config: type[Any], skip: Collection[str] = ()) -> None:
    """Adds the options of a configuration but some fields; its module must not postpone annotations, the types."""
    for declared in fields(config):
        if declared.name in skip:
            continue
        name, meaning = f"--{declared.name.replace('_', '-')}", declared.metadata["help"]
        if declared.type is bool:
            parser.add_argument(name, action="store_true", help=meaning)
        elif declared.type == Sequence[str]:  # an option that is not given leaves the default to the configuration
            parser.add_argument(name, nargs="+", action="extend", default=argparse.SUPPRESS, help=meaning)
        elif declared.default is MISSING:
            parser.add_argument(name, required=True, help=meaning)
        else:
            kind: Any = declared.type if declared.type in (int, float) else str
            shown = "" if declared.default == "" else " (default %(default)s)"
            parser.add_argument(name, type=kind, default=declared.default, help=meaning + shown)


def check_options(config: Any) -> None:
    """Raises an `InputError` if a setting is outside its limits."""
    for declared in fields(config):
        value, limits = getattr(config, declared.name), declared.metadata["limits"]
        if limits and not (isinstance(value, int | float) and limits[0] <= value <= limits[1]):
            raise InputError(f"expected {declared.name} between {limits[0]} and {limits[1]}, got {value}; change it")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings of training. Each field is a command-line option."""

    out: str = option("folder for the model, the log and the checkpoint, which --resume needs")
    epochs: int = option("maximum number of passes over the training data", 12, (1, 10_000))
    lr: float = option("peak learning rate; linear warm-up over a tenth of the steps, then linear decay", 3e-4, (0, 1))
    max_rows: int = option("maximum number of word pieces in a batch", 2048, (1, 10**7))
    dropout: float = option("dropout on embeddings and on the outputs of attention and feed-forward", 0.1, (0, 0.9))
    average: float = option("decay per step of the weights' running average; lower at first", 0.995, (0, 0.99999))
    temperature: float = option("temperature of a teacher's labels; below 1 sharpens them", 0.5, (0.05, 20))
    soft_share: float = option("a teacher's windows in each epoch, as a multiple of the gold ones", 1.0, (0, 100))
    pruned: float = option("share of windows that are pruned; a word's loss is then taken where it exits", 0.0, (0, 1))
    mask: float = option("share of words that are masked in each pass", 0.1, (0, 0.9))
    seed: int = option("seed of everything random", 0, (0, 2**31))

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, kw_only=True)
class AccelerateConfig:
    """Settings of ``accelerate``. Each field is a command-line option."""

    checkpoint: str = option("folder or hub id of a token-classification checkpoint")
    out: str = option("folder for the model: a new one, or that of the same run")
    labels: str = option("file that says what the checkpoint's labels mean, if the checkpoint does not", "")
    student: str = option("encoder (folder or hub id), or a model folder with gates, that learns instead", "")
    minutes: float = option("minutes for everything", 60.0, (0.001, 10_000))
    max_f1_drop: str | Sequence[float] = option("pp of agreement that careful, balanced and fast may lose", LIMITS)
    dtype: str = option(f"dtype in which settings are measured, one of {', '.join(DTYPES)}", "auto")
    seed: int = option("seed of everything random", 0, (0, 2**31))

    def __post_init__(self) -> None:
        check_options(self)
        parse_points(self.max_f1_drop, "--max-f1-drop", LIMITS)
        if self.dtype not in DTYPES:
            raise InputError(f"expected one of {', '.join(DTYPES)} as dtype, got {self.dtype!r}; choose one")

    @property
    def limits(self) -> dict[str, float]:
        """Operating point → pp that it may lose."""
        return parse_points(self.max_f1_drop, "--max-f1-drop", LIMITS)


def parse_points(
    given: str | Iterable[float], option: str, example: str, *, descending: bool = False
) -> dict[str, float]:
    """Maps operating points to numbers that ascend or descend; in text, commas join them."""
    try:
        numbers = [float(part) for part in (given.split(",") if isinstance(given, str) else given)]
    except (TypeError, ValueError):
        numbers = []
    fit = all(0 <= number < math.inf for number in numbers) and numbers == sorted(numbers, reverse=descending)
    if len(numbers) != len(OPERATING_POINTS) or not fit:
        wanted = f"{len(OPERATING_POINTS)} {'descending' if descending else 'ascending'} numbers of 0 or more"
        raise InputError(f"expected {wanted} for {option}, got {given!r}; write e.g. {example}")
    return dict(zip(OPERATING_POINTS, numbers, strict=True))
