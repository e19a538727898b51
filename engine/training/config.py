"""Settings shared by all stages of training; each is a command-line option."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from typing import Any, ClassVar

from engine.data.corpora import Corpus, load_corpus
from engine.data.formats.datasets import PREFIX
from engine.errors import InputError
from engine.text.words import split_words
from engine.training.data import gold_digest
from engine.training.state import SEEDS, check_limits

PRECISIONS = ("no", "bf16")


def option(meaning: str, default: Any = MISSING) -> Any:
    """A field of a `TrainingConfig`. ``meaning`` is its help on the command line; without a default it is required."""
    return field(default=default, metadata={"help": meaning})


def check_precision(name: str) -> None:
    """Raises `InputError` unless it is one of `PRECISIONS`, or ``auto``."""
    if name not in ("auto", *PRECISIONS):
        raise InputError(f"expected mixed_precision auto, bf16 or no, got {name!r}; choose one")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings that every stage has. Every field is a command-line option.

    Raises:
        InputError: a value out of its range.
    """

    out: str = option(
        "folder for the model, the log and the checkpoint, which --resume needs even once the run has ended"
    )
    corpus: str = option("what to learn from: NAME or NAME:SPLIT, several joined by commas", "bc5cdr")
    split: str = option("split of the corpora that name none", "fit")
    dev_corpus: str = option(
        "corpus for early stopping; empty: the first corpus to learn from, unless it is a file", ""
    )
    dev_split: str = option("split for early stopping", "calib")
    data_dir: str = option("first place to look for named corpora", "")
    epochs: int = option("maximum number of passes over the training data", 12)
    patience: int = option("stop after this many epochs without a better development F1", 4)
    lr: float = option("peak learning rate; linear warm-up over a tenth of the steps, then linear decay", 3e-4)
    weight_decay: float = option("weight decay of AdamW", 0.01)
    max_rows: int = option("maximum number of word pieces in a batch", 2048)
    dropout: float = option("dropout on embeddings and on the outputs of attention and feed-forward", 0.1)
    average: float = option("decay per step of the running average of the weights", 0.995)
    mixed_precision: str = option("precision of the multiplies in training: auto (what is faster), bf16 or no", "auto")
    seed: int = option("seed of everything random", 0)

    LIMITS: ClassVar[dict[str, tuple[float, float]]] = {
        "epochs": (1, 10_000),
        "patience": (1, 10_000),
        "lr": (0, 1),
        "max_rows": (1, 10**7),
        "dropout": (0, 0.9),
        "average": (0, 0.99999),
        "weight_decay": (0, 10),
        "seed": SEEDS,
    }

    def __post_init__(self) -> None:
        for name, limits in self.LIMITS.items():
            check_limits(name, getattr(self, name), limits)
        check_precision(self.mixed_precision)

    @property
    def scored(self) -> tuple[str, ...]:
        """Strategies whose mean F1 early stopping uses."""
        return ("dense",)

    def corpora(self) -> tuple[list[Corpus], Corpus]:
        """The corpora to learn from and the one for early stopping.

        Raises:
            InputError: no such corpus, an empty one to learn from, or one for early stopping that is learned from or
                without entities.
        """
        train = [self._load(name) for name in self.corpus.split(",")]
        for corpus in train:
            if not any(split_words(document.text) for document in corpus.documents):
                raise InputError(
                    f"expected documents to learn from, got none in {corpus.name} {corpus.split}; choose another split"
                )
        dev = load_corpus(self.dev_corpus or train[0].name, self.dev_split, self.data_dir or None)
        if not dev.types:
            raise InputError(
                f"expected entities for early stopping, got none in {dev.name} {dev.split}; choose another --dev-corpus"
            )
        if gold_digest(dev) in map(gold_digest, train):
            raise InputError(
                f"expected --dev-corpus with other documents than those to learn from, got {dev.name} {dev.split} for "
                "both; choose another --dev-corpus or --dev-split"
            )
        return train, dev

    def _load(self, name: str) -> Corpus:
        """A corpus whose name may end with a colon and its split; ``hf:ID`` itself contains a colon."""
        kind = PREFIX if name.startswith(PREFIX) else ""
        name, _, own = name.removeprefix(kind).partition(":")
        return load_corpus(kind + name, own or self.split, self.data_dir or None)


def other_default(name: str, default: Any) -> Any:
    """A field of `TrainingConfig` with another default."""
    return option(TrainingConfig.__dataclass_fields__[name].metadata["help"], default)
