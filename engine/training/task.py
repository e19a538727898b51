"""What a run of ``accelerate`` has to do, checked without PyTorch."""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from engine.base import Engine
from engine.cli.runs import continues, texts_digest
from engine.errors import InputError
from engine.tagger import load_engine
from engine.text.windows import WordPieces
from engine.text.words import words_of
from engine.training.card import CARD
from engine.training.options import AccelerateConfig, Backbone, read_backbone
from engine.training.trials import MIN_HELD_OUT, MIN_WINDOWS

WORK, CONDITIONS = "training", "accelerate.json"
WANTED_WINDOWS = 1200  # to hold out, from at most a third of the texts
Texts = Sequence[str]


@dataclass(frozen=True, eq=False)
class Task:
    """What a run has to do, checked before PyTorch is imported."""

    config: AccelerateConfig
    original: Engine  # the checkpoint
    student: Backbone | None
    texts: Texts  # to learn from
    held_out: Texts  # to choose operating points on, none of them learned from
    made_by: str  # the command or call that makes the model
    conditions: Mapping[str, Any]  # what the results depend on

    @classmethod
    def of(
        cls, config: AccelerateConfig, source: str, texts: Texts, held_out: Texts, made_by: str, *, resume: bool
    ) -> Self:
        """Checks everything that can be without PyTorch; ``source`` is where the checkpoint is."""
        original, out = load_engine(source, "float32", labels=config.labels or None), Path(config.out)
        student = read_backbone(config.student, original.labels) if config.student else None
        if (student or original.sizes).layers < 2:
            raise InputError(
                f"expected an encoder of two layers or more, got one in {config.student or source!r}; choose another"
            )
        learned, apart = split_texts(texts, held_out, original.pieces, config.seed)
        conditions = asdict(config) | {"model": original.fingerprint, "texts": [*map(texts_digest, (learned, apart))]}
        continues(out, f"{WORK}/{CONDITIONS}", conditions, resume=resume, free=("out", "minutes"))
        if (out / CARD).is_file():
            raise InputError(
                f"expected a run in {out} that can go on, got one that has ended; use its model, or choose other "
                "operating points with python -m engine.training.calibrate"
            )
        return cls(config, original, student, learned, apart, made_by, conditions)


def split_texts(texts: Texts, held_out: Texts, pieces: WordPieces, seed: int) -> tuple[list[str], list[str]]:
    """Returns training and held-out texts in random order. No text is in both, not even with different spacing.

    If there are no ``held_out``, up to a third of ``texts`` is held out.
    """
    training, apart = (random.Random(seed).sample(given, len(given)) for given in (texts, held_out))

    def count(some: Iterable[str]) -> int:
        return sum(len(pieces.windows(words_of(text))) for text in some)

    windows = count(apart)
    if not held_out:
        while len(apart) < len(texts) // 3 and (windows < WANTED_WINDOWS or len(apart) < MIN_HELD_OUT):
            apart.append(training[len(apart)])
            windows += count(apart[-1:])
    if windows < MIN_WINDOWS or len(apart) < MIN_HELD_OUT:
        remedy = "give more after --held-out"
        if not held_out:
            wanted = max(3 * MIN_HELD_OUT, math.ceil(3 * MIN_WINDOWS * len(texts) / max(1, count(texts))))
            remedy = f"give {wanted} texts like these, of which a third is held out, or others after --held-out"
        raise InputError(
            f"expected {MIN_HELD_OUT} held-out texts or more with {MIN_WINDOWS} windows or more, got {len(apart)} with "
            f"{windows}; {remedy}"
        )
    words_apart = {tuple(words_of(text)) for text in apart}
    training = [text for text in training if tuple(words_of(text)) not in words_apart]
    if not training:
        raise InputError("expected texts to learn from, got only held-out ones; give others after --texts")
    return training, apart
