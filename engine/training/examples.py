"""Examples to learn from: windows with gold labels or a teacher's soft ones; their batches, and the loss of a pass."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.base import Engine
from engine.cli.runs import replacing
from engine.corpora import Corpus
from engine.pruning.strategy import Strategy
from engine.pytorch.forward import MemoryBuffer
from engine.pytorch.packing import RaggedBatch
from engine.result import Result
from engine.text.labels import LabelSet
from engine.text.windows import Window, WordPieces
from engine.text.words import split_words, words_of
from engine.training.trials import tag_texts

LABELS = "labels.npz"  # in the folder of a run, whose conditions name the texts and the teacher
SAVE_S = 30  # minimum seconds between two saves


@dataclass(frozen=True, eq=False)
class Example:
    """A window and the target labels of its words."""

    window: Window
    targets: np.ndarray  # label distributions, uint8 (words, labels), 255 for certainty
    outside: np.ndarray  # bool (labels,): the labels that O may stand for, itself and those of unannotated types


@dataclass(frozen=True, eq=False)
class Pool:
    """Examples of which an epoch draws ``most`` at random, or takes all."""

    examples: Sequence[Example]
    most: int | None = None

    def draw(self, rng: random.Random) -> Sequence[Example]:
        if self.most is None or self.most >= len(self.examples):
            return self.examples
        return rng.sample(self.examples, self.most)


def make_examples(
    words: Sequence[str], targets: np.ndarray, pieces: WordPieces, outside: np.ndarray | None = None
) -> list[Example]:
    """Cuts a text with targets, uint8 ``(words, labels)``, into windows. By default ``O`` stands only for itself."""
    if outside is None:
        outside = np.arange(targets.shape[1]) == 0
    windows = pieces.windows(words)
    return [Example(window, targets[window.first : window.first + window.num_words], outside) for window in windows]


def gold_examples(corpus: Corpus, pieces: WordPieces, labels: LabelSet) -> list[Example]:
    """Cuts a corpus into windows with gold labels; its ``O`` may stand for types that it does not annotate."""
    outside = np.array([labels.type_of(label) not in corpus.types for label in range(len(labels))])
    certain = np.eye(len(labels), dtype=np.uint8) * 255
    examples = []
    for document in corpus.documents:
        targets = certain[labels.encode(split_words(document.text), document.entities)]
        examples += make_examples(words_of(document.text), targets, pieces, outside)
    return examples


def label_texts(teacher: Engine, texts: Sequence[str], file: Path) -> list[np.ndarray]:
    """Labels the words of texts, uint8 ``(words, labels)`` each; keeps those saved in ``file``."""
    labels = list[np.ndarray]()
    if file.is_file():
        with np.load(file) as stored:
            labels = [stored[name] for name in stored.files]
    saved = time.monotonic()
    rest = texts[len(labels) :]
    for result in tag_texts(teacher, rest, Strategy(), f"Label {len(rest)} texts with {teacher.source}"):
        labels.append(as_targets(result))
        if len(labels) == len(texts) or time.monotonic() >= saved + SAVE_S:
            with replacing(file) as fresh, fresh.open("wb") as stream:
                np.savez_compressed(stream, *labels)
            saved = time.monotonic()
    return labels


def as_targets(result: Result) -> np.ndarray:
    """The label distributions of a text's words, uint8 ``(words, labels)``, 255 for certainty."""
    return (result.probabilities * 255).round().astype(np.uint8)


def soft_examples(
    texts: Sequence[str], targets: Sequence[np.ndarray], teacher: LabelSet, pieces: WordPieces, labels: LabelSet
) -> list[Example]:
    """Cuts texts into windows with the soft labels of a teacher, whose labels may be in another order."""
    order = [teacher.names.index(name) for name in labels.names]
    pairs = zip(texts, targets, strict=True)
    return [example for text, soft in pairs for example in make_examples(words_of(text), soft[:, order], pieces)]


def make_batches(examples: Sequence[Example], max_rows: int, rng: random.Random) -> list[list[Example]]:
    """Groups windows of similar length into batches of at most ``max_rows`` rows, in random order."""
    batches, rows = list[list[Example]](), max_rows
    for example in sorted(examples, key=lambda e: len(e.window.input_ids) * rng.uniform(0.9, 1.1)):
        length = len(example.window.input_ids)
        if rows + length > max_rows:
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


def pack(
    examples: Sequence[Example], device: str | torch.device, temperature: float = 1.0
) -> tuple[RaggedBatch, Tensor, Tensor]:
    """Packs windows; a temperature below 1 sharpens the targets.

    Also returns, on a device, each word's targets, float32 ``(words, labels)``, and ``outside``, see `Example`.
    """
    batch = RaggedBatch.from_windows([example.window for example in examples])
    targets = torch.from_numpy(np.concatenate([example.targets for example in examples])).to(device).float()
    targets = (targets / 255).pow(1 / temperature)
    outside = torch.from_numpy(np.stack([example.outside for example in examples])[batch.words.window]).to(device)
    return batch, targets / targets.sum(-1, keepdim=True), outside


def spread_outside(targets: Tensor, logits: Tensor, outside: Tensor) -> Tensor:
    """Divides the targets of ``O`` among the labels that it may stand for, in the model's proportions.

    Cross-entropy with the result has the gradient of the marginal likelihood of a partial annotation (Tsuboi et al.
    2008). Everything is ``(words, labels)``.
    """
    shares = logits.detach().float().masked_fill(~outside, -torch.inf).softmax(-1)
    return torch.cat([torch.zeros_like(targets[:, :1]), targets[:, 1:]], dim=1) + targets[:, :1] * shares


def joint_loss(memory: MemoryBuffer, targets: Tensor, outside: Tensor) -> Tensor:
    """Cross-entropy of every word where it exits, plus the mean over gate heads; arguments as from `pack`.

    Where no word exits, this is the joint loss of DeeBERT (Xin et al. 2020).
    """
    exit_losses, gate_losses = [], []
    for head in memory.heads:
        logits = head.logits.float()
        spread = spread_outside(targets[head.word_indices], logits, outside[head.word_indices])
        losses = F.cross_entropy(logits, spread, reduction="none")
        exit_losses.append(losses[np.flatnonzero(memory.exit_at[head.word_indices] == head.number)].sum())
        if head.number < memory.layers:
            gate_losses.append(losses.mean())
    exit_loss = torch.stack(exit_losses).sum() / len(targets)
    return exit_loss + (torch.stack(gate_losses).mean() if gate_losses else 0.0)
