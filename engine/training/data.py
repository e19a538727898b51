"""Training data: texts cut into windows with target labels, in packed batches, and the loss of a pass over one."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PretrainedConfig

from engine.errors import InputError, quoted
from engine.formats.corpora import Corpus, load_corpus
from engine.formats.hub_datasets import PREFIX
from engine.models.folder import relevant
from engine.pytorch.memory import MemoryBuffer
from engine.pytorch.packing import RaggedBatch
from engine.text.labels import LabelSet
from engine.text.windows import Window, WordPieces
from engine.text.words import split_words, words_of

MIN_WINDOWS, MIN_TEXTS = 100, 2  # to choose operating points on; a single text has no standard error
WANTED_WINDOWS = 1200  # to hold out, from at most a third of the texts


def digest(texts: Iterable[str]) -> str:
    """SHA-256 of texts and their order."""
    return hashlib.sha256("\0".join(texts).encode(errors="surrogatepass")).hexdigest()


def distinct_texts(texts: Iterable[str], what: str) -> list[str]:
    """Returns the distinct texts in order, without those that have no word, as `engine.formats.texts.read_texts` does.

    Raises an `InputError` that says ``what`` should hold texts, if it is one string or holds something else.
    """
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise InputError(f"expected a list of texts as {what}, got {quoted(repr(texts))}; put texts into a list")
    given = list(texts)
    if not all(isinstance(text, str) for text in given):
        raise InputError(f"expected strings as {what}, got something else among them; convert them to str")
    return [text for text in dict.fromkeys(given) if split_words(text)]


def named_corpora(names: str, data_dir: str) -> list[Corpus]:
    """Loads corpora to learn from, named as in ``bc5cdr,biored:train``: a name without a split has ``fit``."""
    found = []
    for name in names.split(","):
        prefix = PREFIX if name.startswith(PREFIX) else ""  # it contains a colon
        name, _, split = name.removeprefix(prefix).partition(":")
        corpus = load_corpus(prefix + name, split or "fit", data_dir or None)
        if not any(split_words(document.text) for document in corpus.documents):
            raise InputError(
                f"expected documents to learn from, got none in {corpus.name} {corpus.split}; choose another split"
            )
        found.append(corpus)
    return found


def count_windows(texts: Iterable[str], pieces: WordPieces) -> list[int]:
    """Counts the windows of each text."""
    return [len(pieces.windows(words_of(text))) for text in texts]


def min_texts(windows: Sequence[int]) -> int:
    """Returns how many of the first texts suffice to choose operating points on, given the windows of each text."""
    totals = enumerate(accumulate(windows), start=1)
    return next(count for count, total in totals if total >= MIN_WINDOWS and count >= MIN_TEXTS)


def split_texts(
    texts: Sequence[str], held_out: Sequence[str], pieces: WordPieces, seed: int
) -> tuple[list[str], list[str]]:
    """Returns training and held-out texts in random order. No text is in both, not even with different spacing.

    If there are no ``held_out``, up to a third of ``texts`` is held out.
    """
    training, apart = (random.Random(seed).sample(of, len(of)) for of in (texts, held_out))
    remedy = f"give {MIN_TEXTS} or more after --held-out"
    if not held_out:
        windows = 0
        while len(apart) < len(texts) // 3 and (windows < WANTED_WINDOWS or len(apart) < MIN_TEXTS):
            apart.append(training[len(apart)])
            windows += len(pieces.windows(words_of(apart[-1])))
        remedy = f"a third of the texts is held out: give three times as many as are missing, or {remedy}"
    total = sum(count_windows(apart, pieces))
    if total < MIN_WINDOWS or len(apart) < MIN_TEXTS:
        raise InputError(
            f"expected at least {MIN_WINDOWS} windows in at least {MIN_TEXTS} held-out texts, got {total} in "
            f"{len(apart)}; {remedy}"
        )
    words_apart = {tuple(words_of(text)) for text in apart}
    training = [text for text in training if tuple(words_of(text)) not in words_apart]
    if not training:
        raise InputError("expected texts to learn from, got only held-out ones; give others after --texts")
    return training, apart


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


def data_digest(examples: Sequence[Example], dev: Corpus, pieces: WordPieces, config: PretrainedConfig) -> str:
    """SHA-256 of training windows with their targets, of the development documents, tokenizer and configuration."""
    found = hashlib.sha256(repr((dev.digest, pieces.digest(), relevant(config.to_diff_dict()))).encode())
    for example in examples:
        for part in (example.window.input_ids, example.targets, example.outside):
            found.update(part.tobytes())
    return found.hexdigest()


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
