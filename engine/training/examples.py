"""Examples to learn from: windows with target labels, packed into batches, and the loss of a pass over a batch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.formats.corpora import Corpus
from engine.pytorch.forward import MemoryBuffer
from engine.pytorch.packing import RaggedBatch
from engine.text.labels import LabelSet
from engine.text.windows import Window, WordPieces
from engine.text.words import split_words


@dataclass(frozen=True, eq=False)
class Example:
    """A window and the target labels of its words.

    ``targets``: label distributions, uint8 ``(words, labels)``, 255 for certainty.
    ``outside``: bool ``(labels,)``, the labels that ``O`` may stand for: itself and those of types that the corpus
    does not annotate.
    """

    window: Window
    targets: np.ndarray
    outside: np.ndarray


def make_examples(
    words: Sequence[str], targets: np.ndarray, pieces: WordPieces, outside: np.ndarray | None = None
) -> list[Example]:
    """Cuts a text with targets, uint8 ``(words, labels)``, into windows. By default ``O`` stands only for itself."""
    if outside is None:
        outside = np.arange(targets.shape[1]) == 0
    return [
        Example(window, targets[window.first : window.first + window.words], outside)
        for window in pieces.windows(words)
    ]


def gold_examples(corpus: Corpus, pieces: WordPieces, labels: LabelSet) -> list[Example]:
    """Cuts a corpus into windows with gold labels; its ``O`` may stand for types that it does not annotate."""
    outside = np.array([labels.type_of(label) not in corpus.types for label in range(len(labels))])
    certain = np.eye(len(labels), dtype=np.uint8) * 255
    examples = []
    for document in corpus.documents:
        spans = split_words(document.text)
        words = [document.text[start:end] for start, end in spans]
        examples += make_examples(words, certain[labels.encode(spans, document.entities)], pieces, outside)
    return examples


def make_batches(examples: Sequence[Example], max_rows: int, rng: random.Random) -> list[list[Example]]:
    """Groups windows of similar length into batches of at most ``max_rows`` rows, in random order."""
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
    """Replaces all word pieces of a random share of a batch's words by the mask token."""
    masked = torch.rand(len(batch.words)).numpy() < share
    return replace(batch, input_ids=np.where((batch.word >= 0) & masked[batch.word], mask_id, batch.input_ids))


@dataclass(frozen=True, eq=False)
class Packed:
    """A packed batch and the target labels of its words.

    ``targets``: label distributions, float32 ``(words, labels)``.
    ``outside``: bool ``(words, labels)``, see `Example`.
    """

    batch: RaggedBatch
    targets: Tensor
    outside: Tensor


def pack(examples: Sequence[Example], device: torch.device, temperature: float = 1.0) -> Packed:
    """Packs windows, with their targets on a device; a temperature below 1 sharpens the targets."""
    batch = RaggedBatch.from_windows([example.window for example in examples])
    targets = torch.from_numpy(np.concatenate([example.targets for example in examples])).to(device).float()
    targets = (targets / 255).pow(1 / temperature)
    outside = torch.from_numpy(np.stack([example.outside for example in examples])[batch.words.window]).to(device)
    return Packed(batch, targets / targets.sum(-1, keepdim=True), outside)


def spread_outside(targets: Tensor, logits: Tensor, outside: Tensor) -> Tensor:
    """Divides the share of ``O`` in targets among the labels that it may stand for, in the model's proportions.

    Cross-entropy with the result has the gradient of the marginal likelihood of a partial annotation (Tsuboi et al.
    2008, COLING), so a corpus teaches the types that it annotates and says nothing about the others. All arguments have
    the shape ``(words, labels)``; for ``outside`` see `Example`.
    """
    shares = logits.detach().float().masked_fill(~outside, -torch.inf).softmax(-1)
    return torch.cat([torch.zeros_like(targets[:, :1]), targets[:, 1:]], dim=1) + targets[:, :1] * shares


def joint_loss(memory: MemoryBuffer, packed: Packed, layers: int) -> Tensor:
    """Loss of every word where it exits, plus the mean loss of all heads but the last.

    Without pruning all words end at the last layer, and this is the joint loss of Xin et al. 2020 (DeeBERT). It is
    cross-entropy with the target distribution, which has the gradient of KL divergence. The pass that filled the
    memory had a head after every layer.
    """
    ends, gates = [], []
    for head in memory.heads:
        logits = head.logits.float()
        targets = spread_outside(packed.targets[head.words], logits, packed.outside[head.words])
        losses = F.cross_entropy(logits, targets, reduction="none")
        ends.append(losses[np.flatnonzero(memory.exit_at[head.words] == head.number)].sum())
        if head.number < layers:
            gates.append(losses.mean())
    end = torch.stack(ends).sum() / len(packed.targets)
    return end + (torch.stack(gates).mean() if gates else 0.0)
