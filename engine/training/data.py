"""What is learned from: corpora with gold and plain texts, cut into windows with target labels, in packed batches."""

from __future__ import annotations

import gzip
import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.data.corpora import Corpus, load_corpus
from engine.data.formats import SUFFIXES, read_documents
from engine.data.hub_datasets import PREFIX
from engine.data.reading.checks import Ids, Place
from engine.data.reading.source import readable
from engine.errors import InputError
from engine.model.packing import RaggedBatch
from engine.text.labels import LabelSet
from engine.text.windows import Window, WordPieces
from engine.text.words import split_words, words_of

WORDS_PER_TEXT = 200
NEEDED = 100  # windows to choose operating points on
NEEDED_TEXTS = 2  # one gives no standard error
WANTED = 1200  # windows to hold out, from at most a third of the texts


def digest(texts: Iterable[str]) -> str:
    """SHA-256 of texts and their order."""
    return hashlib.sha256("\0".join(texts).encode(errors="surrogatepass")).hexdigest()


def named_corpora(names: str, split: str, data_dir: str = "") -> list[Corpus]:
    """Corpora by name, joined by commas.

    Args:
        names: each may end with a colon and its split; ``hf:ID`` itself contains a colon.
        split: of those that name none.
        data_dir: where to look first.

    Raises:
        InputError: no such corpus, or one without a word.
    """
    found = []
    for name in names.split(","):
        kind = PREFIX if name.startswith(PREFIX) else ""
        name, _, own = name.removeprefix(kind).partition(":")
        corpus = load_corpus(kind + name, own or split, data_dir or None)
        if not any(split_words(document.text) for document in corpus.documents):
            raise InputError(
                f"expected documents to learn from, got none in {corpus.name} {corpus.split}; choose another split"
            )
        found.append(corpus)
    return found


@dataclass(frozen=True)
class Texts:
    """Unlabelled texts, to which soft labels belong.

    ``words``: the words of each text, or of each of the first texts.
    ``sha256``: of the texts, or of the unpacked file that they were read from.
    """

    words: list[list[str]]
    sha256: str

    @classmethod
    def of(cls, texts: Sequence[str], count: int) -> Texts:
        """These texts, with the words of the first ``count`` of them."""
        return cls([words_of(text) for text in texts[:count]], digest(texts))

    @classmethod
    def read(cls, path: Path) -> Texts:
        """Reads the texts of a file, gzipped if its name ends in ``.gz``.

        Args:
            path: ``.jsonl``: an object with ``text`` on each line, each a separate text; else one sentence per line.

        Raises:
            InputError: no such file, one of another format, a line that is not as it should be, or no texts.
        """
        if markup := [suffix for suffix in path.suffixes if suffix in SUFFIXES and suffix != ".jsonl"]:
            raise InputError(
                f"expected sentences, one a line, or JSON lines in {path}, got a file of {markup[0]}; convert it with "
                "python -m engine.tag FILE --format jsonl"
            )
        with readable(path):
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            lines = content.removesuffix(b"\n").split(b"\n")
            if ".jsonl" in path.suffixes:
                words = [words_of(document.text) for document in read_documents(path)]
            else:
                numbered = enumerate(lines, start=1)
                words = list(
                    join_sentences(Place(str(path), number, Ids()).decode_line(line) for number, line in numbered)
                )
        if not any(words):
            raise InputError(f"expected texts in {path}, got none; choose another file")
        return cls(words, hashlib.sha256(content).hexdigest())


def join_sentences(sentences: Iterable[str]) -> Iterator[list[str]]:
    """Texts of at least ``WORDS_PER_TEXT`` words (the last one may be shorter), each as its words."""
    text: list[str] = []
    for sentence in sentences:
        text += words_of(sentence)
        if len(text) >= WORDS_PER_TEXT:
            yield text
            text = []
    if text:
        yield text


@dataclass(frozen=True, eq=False)
class TextSplit:
    """Texts to learn from, and texts held out to choose points on, with the number of ``windows`` of each of these."""

    learned: list[str]
    held_out: list[str]
    windows: list[int]

    @property
    def needed(self) -> int:
        """How many of the first texts held out are enough to choose points on."""
        totals = enumerate(accumulate(self.windows), start=1)
        return next(count for count, windows in totals if windows >= NEEDED and count >= NEEDED_TEXTS)


def split_texts(texts: Sequence[str], held_out: Sequence[str], pieces: WordPieces, seed: int) -> TextSplit:
    """Texts in random order; none is both learned from and held out, even with different spacing.

    Args:
        texts: to learn from.
        held_out: to choose operating points on; without any, up to a third of the others.
        pieces: cut texts into windows.
        seed: of the order of the texts.

    Raises:
        InputError: too few texts.
    """
    texts, held_out = (random.Random(seed).sample(of, len(of)) for of in (texts, held_out))
    more = f"give {NEEDED_TEXTS} or more after --held-out"
    if not held_out:
        held_out, rows = [], 0
        while len(held_out) < len(texts) // 3 and (rows < WANTED or len(held_out) < NEEDED_TEXTS):
            held_out.append(texts[len(held_out)])
            rows += len(pieces.windows(words_of(held_out[-1])))
        more = f"a third of the texts is held out: give three times as many as are missing, or {more}"
    windows = [len(pieces.windows(words_of(text))) for text in held_out]
    if sum(windows) < NEEDED or len(held_out) < NEEDED_TEXTS:
        raise InputError(
            f"expected at least {NEEDED} windows in at least {NEEDED_TEXTS} texts held out, got {sum(windows)} in "
            f"{len(held_out)}; {more}"
        )
    apart = {tuple(words_of(text)) for text in held_out}
    learned = [text for text in texts if tuple(words_of(text)) not in apart]
    if not learned:
        raise InputError("expected texts to learn from, got none but those held out; give others after --texts")
    return TextSplit(learned, held_out, windows)


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
