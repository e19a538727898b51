"""From gold documents to packed training batches."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.model.packing import RaggedBatch
from engine.text.documents import Document
from engine.text.labels import LabelSet
from engine.text.windows import Window, WordPieces
from engine.text.words import split_words


@dataclass(frozen=True)
class Example:
    """A window and what its words' labels should be.

    ``targets``: label distributions, uint8 ``(words, labels)``, 255 for certainty; ``unannotated``: bool ``(labels,)``,
    labels of types that its corpus does not annotate, which its ``O`` may hide.
    """

    window: Window
    targets: np.ndarray
    unannotated: np.ndarray | None = None


def make_examples(
    words: Sequence[str], targets: np.ndarray, pieces: WordPieces, unannotated: np.ndarray | None = None
) -> list[Example]:
    """Windows of one text, given as words, with their targets, uint8 ``(words, labels)`` for the text."""
    return [
        Example(window, targets[window.first : window.first + window.words], unannotated)
        for window in pieces.windows(words)
    ]


def gold_examples(
    documents: Iterable[Document], pieces: WordPieces, labels: LabelSet, types: Sequence[str] | None = None
) -> list[Example]:
    """Windows of all documents with their gold labels; ``types``: what is annotated in them (default: all types)."""
    annotated = set(labels.types if types is None else types)
    unannotated = np.array([name != "O" and name[2:] not in annotated for name in labels.names])
    certain = np.eye(len(labels), dtype=np.uint8) * 255
    examples = []
    for document in documents:
        spans = split_words(document.text)
        gold = certain[labels.encode(spans, document.entities)]
        words = [document.text[start:end] for start, end in spans]
        examples += make_examples(words, gold, pieces, unannotated if unannotated.any() else None)
    return examples


def make_batches(examples: Sequence[Example], max_rows: int, rng: random.Random) -> list[list[Example]]:
    """Batches of at most ``max_rows`` rows, of windows of like length, in random order."""
    order = sorted(examples, key=lambda e: len(e.window.input_ids) * rng.uniform(0.9, 1.1))
    batches: list[list[Example]] = [[]]
    rows = 0
    for example in order:
        length = len(example.window.input_ids)
        if batches[-1] and rows + length > max_rows:
            batches.append([])
            rows = 0
        batches[-1].append(example)
        rows += length
    rng.shuffle(batches)
    return batches


def mask_words(batch: RaggedBatch, share: float, mask_id: int) -> RaggedBatch:
    """The batch with all pieces of a random share of its words replaced by the mask token."""
    masked = torch.rand(len(batch.words)).numpy() < share
    return replace(batch, input_ids=np.where((batch.word >= 0) & masked[batch.word], mask_id, batch.input_ids))


def pack(examples: Sequence[Example], device: torch.device, temperature: float = 1.0) -> tuple[RaggedBatch, Tensor]:
    """The packed batch and its words' target distributions, float32 ``(words, labels)``.

    Args:
        examples: windows with their targets.
        device: of the targets.
        temperature: of the targets; below 1 it sharpens them.
    """
    batch = RaggedBatch.from_windows([example.window for example in examples])
    targets = torch.from_numpy(np.concatenate([example.targets for example in examples])).to(device).float()
    targets = (targets / 255).pow(1 / temperature)
    return batch, targets / targets.sum(-1, keepdim=True)


def fold_unannotated(log_probabilities: Tensor, examples: Sequence[Example]) -> Tensor:
    """Log probabilities ``(words, labels)`` in which ``O`` also counts as every label that the word's corpus lacks.

    So one model learns from corpora that annotate different types: what a corpus leaves blank is not held against it.
    """
    if all(example.unannotated is None for example in examples):
        return log_probabilities
    labels = log_probabilities.shape[1]
    hidden = np.concatenate(
        [
            np.tile(np.zeros(labels, dtype=bool) if e.unannotated is None else e.unannotated, (len(e.targets), 1))
            for e in examples
        ]
    )
    hidden[:, 0] = True
    folded = log_probabilities.masked_fill(torch.from_numpy(~hidden).to(log_probabilities.device), -torch.inf)
    return torch.cat([folded.logsumexp(-1, keepdim=True), log_probabilities[:, 1:]], dim=1)
