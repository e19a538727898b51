"""Fine-tunes a large encoder as the teacher of a small one: ``python -m engine.training.teacher``.

The teacher is any Hugging Face encoder that has a token-classification model; it needs no adapter and no gates.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModelForTokenClassification, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from engine.checkpoint import label_names
from engine.command import as_command
from engine.data.corpora import Corpus
from engine.errors import InputError, first_line
from engine.model.chunks import by_text, chunks
from engine.model.huggingface import huggingface_logits
from engine.model.linear import LARGE_STEP
from engine.text.documents import Entity
from engine.text.labels import LabelSet
from engine.text.scoring import Counts, count_documents
from engine.text.windows import WordPieces, load_tokenizer
from engine.text.words import split_words
from engine.training.data import Example, gold_examples, make_batches, pack, spread_outside
from engine.training.loop import Run, TrainingConfig, command_line, option, other_default

TEXTS_TOGETHER = 100  # whose windows are sorted by length
MAX_ROWS = 1024  # in a batch


@dataclass(frozen=True, kw_only=True)
class TeacherConfig(TrainingConfig):
    """Settings of a run."""

    backbone: str = option("folder or hub id of a Hugging Face encoder")
    epochs: int = other_default("epochs", 4)
    lr: float = other_default("lr", 6e-5)
    max_rows: int = other_default("max_rows", 1024)
    average: float = other_default("average", 0.99)


@dataclass(frozen=True)
class Teacher:
    """A token-classification model that labels words.

    ``labels`` are in the order of the model's logits.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    labels: LabelSet

    @cached_property
    def pieces(self) -> WordPieces:
        """Windows as long as the model allows; models of RoBERTa's kind leave two positions unused."""
        limit = self.model.config.max_position_embeddings - 2
        return WordPieces(self.tokenizer, min(self.tokenizer.model_max_length, limit))

    def probabilities(self, texts: Iterable[Sequence[str]]) -> Iterator[np.ndarray]:
        """Label distributions, float32 ``(words, labels)``, of each text, given as words; in the order of the texts."""
        remaining = iter(texts)
        while together := list(islice(remaining, TEXTS_TOGETHER)):
            yield from self._label(together)

    @torch.inference_mode()
    def _label(self, texts: Sequence[Sequence[str]]) -> list[np.ndarray]:
        found = []
        with torch.autocast(self.model.device.type, dtype=torch.bfloat16):
            for chunk in chunks([self.pieces.windows(words) for words in texts], MAX_ROWS):
                logits = huggingface_logits(self.model, chunk.batch)
                found.append((chunk, logits.float().softmax(-1).numpy(force=True)))
        return by_text(found, len(texts), len(self.labels))


def load_teacher(source: str | Path, labels: LabelSet | None = None, dropout: float = 0.0) -> Teacher:
    """A teacher from a folder or hub id.

    Args:
        source: a token-classification checkpoint, or with ``labels`` any encoder, which gets a new classifier.
        labels: of a new classifier.
        dropout: on hidden states, in training; attention has none, where it is slow.

    Raises:
        InputError: no such model.
    """
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    settings: dict[str, Any] = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": 0.0}
    if labels is not None:
        settings["id2label"] = dict(enumerate(labels.names))
        settings["label2id"] = {name: index for index, name in enumerate(labels.names)}
    try:
        model = AutoModelForTokenClassification.from_pretrained(
            source, dtype=torch.float32, trust_remote_code=False, **settings
        )
    except Exception as error:  # as in engine.checkpoint: many kinds, one meaning
        raise InputError(
            f"expected a Hugging Face encoder, got {str(source)!r}: {first_line(error)}; check the path or hub id"
        ) from error
    names = label_names(model)
    found = LabelSet.from_names(names)
    if list(found.names) != names:
        raise InputError(
            f"expected a teacher with labels in the order {list(found.names)}, got {names}; fine-tune it with "
            "python -m engine.training.teacher"
        )
    return Teacher(model.eval(), load_tokenizer(source), found)


def teacher_f1(teacher: Teacher, corpus: Corpus) -> float:
    """Exact-span micro F1, 0–1."""
    spans = [split_words(document.text) for document in corpus.documents]
    texts = [
        [document.text[start:end] for start, end in words]
        for document, words in zip(corpus.documents, spans, strict=True)
    ]
    found: list[tuple[Entity, ...]] = [
        teacher.labels.decode(document.text, words, probabilities)
        for document, words, probabilities in zip(corpus.documents, spans, teacher.probabilities(texts), strict=True)
    ]
    return sum(count_documents(corpus.documents, found, corpus.types), Counts()).f1


class TeacherTraining(Run[TeacherConfig]):
    """Gold labels of one or more corpora on first pieces; each teaches only the types that it annotates."""

    def __init__(self, config: TeacherConfig) -> None:
        train, self.dev = config.corpora()
        types = dict.fromkeys(type_ for corpus in train for type_ in corpus.types)
        self.teacher = load_teacher(config.backbone, LabelSet(list(types)), config.dropout)
        self.examples = [
            example for corpus in train for example in gold_examples(corpus, self.teacher.pieces, self.teacher.labels)
        ]
        super().__init__(config, self.teacher.model)

    def batches(self, rng: random.Random) -> list[list[Example]]:
        """Windows of like length."""
        return make_batches(self.examples, self.config.max_rows, rng)

    def loss(self, examples: list[Example]) -> Tensor:
        """Cross-entropy."""
        packed = pack(examples, self.accelerator.device)
        logits = huggingface_logits(self.model, packed.batch, LARGE_STEP).float()
        return F.cross_entropy(logits, spread_outside(packed.targets, logits, packed.outside))

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Writes a plain checkpoint."""
        model.save_pretrained(folder)
        self.teacher.tokenizer.save_pretrained(folder)

    def score(self, folder: Path) -> float:
        """F1 of the saved model."""
        return teacher_f1(load_teacher(folder), self.dev)


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    return command_line("teacher", __doc__, TeacherConfig, TeacherTraining, argv)


if __name__ == "__main__":
    sys.exit(main())
