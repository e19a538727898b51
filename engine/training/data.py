"""From texts with labels to packed training batches."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from engine.data.corpora import Corpus
from engine.model.packing import RaggedBatch
from engine.text.labels import LabelSet
from engine.text.windows import Window, WordPieces
from engine.text.words import split_words
from engine.training.texts import digest


@dataclass(frozen=True, eq=False)
class Example:
    """A window and its words' target labels.

    ``targets``: label distributions, uint8 ``(words, labels)``, 255 for certainty.
    ``outside``: bool ``(labels,)``, what ``O`` may stand for: itself, and labels of types that the corpus does not
    annotate.
    """

    window: Window
    targets: np.ndarray
    outside: np.ndarray


def make_examples(
    words: Sequence[str], targets: np.ndarray, pieces: WordPieces, outside: np.ndarray | None = None
) -> list[Example]:
    """Windows of one text.

    Args:
        words: of the text.
        targets: uint8 ``(words, labels)``.
        pieces: cut the words.
        outside: see `Example`; by default only ``O``.
    """
    if outside is None:
        outside = np.arange(targets.shape[1]) == 0
    return [
        Example(window, targets[window.first : window.first + window.words], outside)
        for window in pieces.windows(words)
    ]


def gold_examples(corpus: Corpus, pieces: WordPieces, labels: LabelSet) -> list[Example]:
    """Windows of a corpus with their gold labels; its ``O`` may hide the types that it does not annotate."""
    outside = np.array([labels.type_of(label) not in corpus.types for label in range(len(labels))])
    certain = np.eye(len(labels), dtype=np.uint8) * 255
    examples = []
    for document in corpus.documents:
        spans = split_words(document.text)
        gold = certain[labels.encode(spans, document.entities)]
        words = [document.text[start:end] for start, end in spans]
        examples += make_examples(words, gold, pieces, outside)
    return examples


def gold_digest(corpus: Corpus) -> str:
    """SHA-256 of the texts and entities of a corpus."""
    return digest(repr((one.text, [entity.key for entity in one.entities])) for one in corpus.documents)


def data_digest(examples: Sequence[Example], dev: Corpus) -> str:
    """SHA-256 over windows with their targets, and over the documents that a run is scored on."""
    found = hashlib.sha256(gold_digest(dev).encode())
    for example in examples:
        for part in (example.window.input_ids, example.targets, example.outside):
            found.update(part.tobytes())
    return found.hexdigest()


def make_batches(examples: Sequence[Example], max_rows: int, rng: random.Random) -> list[list[Example]]:
    """Batches of at most ``max_rows`` rows, of windows of similar length, in random order."""
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


@dataclass(frozen=True, eq=False)
class Packed:
    """A packed batch and its words' target labels.

    ``targets``: label distributions, float32 ``(words, labels)``.
    ``outside``: bool ``(words, labels)``, see `Example`.
    """

    batch: RaggedBatch
    targets: Tensor
    outside: Tensor


def pack(examples: Sequence[Example], device: torch.device, temperature: float = 1.0) -> Packed:
    """Packs windows with their targets.

    Args:
        examples: windows with their targets.
        device: of the targets.
        temperature: of the targets; below 1 it sharpens them.
    """
    batch = RaggedBatch.from_windows([example.window for example in examples])
    targets = torch.from_numpy(np.concatenate([example.targets for example in examples])).to(device).float()
    targets = (targets / 255).pow(1 / temperature)
    outside = torch.from_numpy(np.stack([example.outside for example in examples])[batch.words.window]).to(device)
    return Packed(batch, targets / targets.sum(-1, keepdim=True), outside)


def spread_outside(targets: Tensor, logits: Tensor, outside: Tensor) -> Tensor:
    """Divides the share of ``O`` in targets among the labels that it may stand for, in the model's proportions.

    Cross-entropy with the result has the gradient of the marginal likelihood of a partial annotation (Tsuboi et al.
    2008, COLING), so a corpus teaches the types that it annotates and says nothing about the others.

    Args:
        targets: float32 ``(words, labels)``.
        logits: of the model, ``(words, labels)``.
        outside: bool ``(words, labels)``, see `Example`.
    """
    shares = logits.detach().float().masked_fill(~outside, -torch.inf).softmax(-1)
    return torch.cat([torch.zeros_like(targets[:, :1]), targets[:, 1:]], dim=1) + targets[:, :1] * shares
