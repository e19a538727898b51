"""Cuts the words of a text into word pieces and overlapping windows for the encoder."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from tokenizers import Tokenizer

from engine.text.words import Span, split_words

MAX_CACHED_WORDS = 50_000  # words whose pieces are cached, about 10 MB
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Window:
    """A part of one text that the encoder sees at once: CLS, word pieces, SEP."""

    input_ids: np.ndarray  # int64 (rows,)
    word: np.ndarray  # int64 (rows,), the index in the window of the row's word, −1 for CLS and SEP
    first: int  # it holds the text's words [first, first + num_words)
    num_words: int
    label_start: int  # it labels the text's words [label_start, label_end)
    label_end: int

    @property
    def labelled(self) -> slice:
        """The words that it labels, as indices in the window."""
        return slice(self.label_start - self.first, self.label_end - self.first)

    @property
    def first_rows(self) -> np.ndarray:
        """The row of each word's first piece, int64 ``(words,)``."""
        return 1 + self.word[1:-1].searchsorted(np.arange(self.num_words))


class WordPieces:
    """Cuts words into word pieces, and these into windows.

    Byte-level and SentencePiece tokenizers recognise a word by the space before it, so every word gets one. The space
    is part of the word's first piece or a separate piece, but never part of offsets.

    Args:
        backend: the tokenizer, as the tokenizers library writes it; truncation and padding do not apply.
        tokens: ids of the begin (CLS), end (SEP) and unknown tokens.
        max_rows: the encoder's maximum number of rows, including CLS and SEP.
    """

    def __init__(self, backend: str, tokens: tuple[int, int, int], max_rows: int) -> None:
        self.backend = backend
        self._backend = Tokenizer.from_str(backend)
        self._backend.no_truncation()
        self._backend.no_padding()
        self.cls_id, self.sep_id, self.unk_id = tokens
        self.capacity = max_rows - 2
        self._cache: dict[str, tuple[int, ...]] = {}

    def digest(self) -> str:
        """SHA-256 of everything that pieces and windows depend on."""
        parts = (self._backend.to_str(), self.cls_id, self.sep_id, self.unk_id, self.capacity)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def pieces(self, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Tokenises words; returns piece ids and word indices, int64 ``(pieces,)`` each.

        Every word has at least one piece: a word without any gets the unknown token. A word with
        more pieces than a window can hold is truncated. Words are tokenised independently, so their pieces are cached.
        """
        if len(self._cache) > MAX_CACHED_WORDS:
            self._cache = {}
        cache = self._cache
        if new := [word for word in dict.fromkeys(words) if word not in cache]:
            # Lone surrogates cannot be encoded; the replacement character keeps every word in its place.
            spelled = [" " + _SURROGATES.sub("\ufffd", word) for word in new]
            encoding = self._backend.encode(spelled, is_pretokenized=True, add_special_tokens=False)
            of_word: list[list[int]] = [[] for _ in new]
            for piece, index in zip(encoding.ids, encoding.word_ids, strict=True):
                if index is not None:
                    of_word[index].append(piece)
            for word, pieces in zip(new, of_word, strict=True):
                cache[word] = tuple(pieces[: self.capacity]) or (self.unk_id,)
        parts = [cache[word] for word in words]
        counts = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
        ids = np.fromiter(chain.from_iterable(parts), dtype=np.int64, count=int(counts.sum()))
        return ids, np.repeat(np.arange(len(parts)), counts)

    def spelled(self, words: Sequence[str]) -> str:
        """Returns words as the tokenizer spells them, e.g. in lower case; unknown ones stay as they are."""
        decoder, unknown = self._backend.decoder, self.unk_id
        ids, numbers = self.pieces(words)
        tokens = [
            words[number] if piece == unknown else str(self._backend.id_to_token(piece))
            for piece, number in zip(ids.tolist(), numbers.tolist(), strict=True)
        ]
        return decoder.decode(tokens).strip() if decoder else " ".join(tokens)

    def windows(self, words: Sequence[str]) -> list[Window]:
        """Cuts the words of one text into windows, each of which overlaps the next by a quarter.

        The window in which a word is farthest (in pieces) from an edge labels it; the beginning and end of the text
        are not edges. Windows never cut a word. A text without words has no windows.
        """
        if not words:
            return []
        ids, word = self.pieces(words)
        num_words = len(words)
        if len(ids) <= self.capacity:
            return [self._window(ids, word, 0, num_words, 0, num_words)]
        begins = word.searchsorted(np.arange(num_words + 1))  # first piece of each word, and the total
        stride = self.capacity - self.capacity // 4
        ranges: list[tuple[int, int]] = []  # words [first, end) of each window
        first = end = 0
        while end < num_words:
            end = int(begins.searchsorted(begins[first] + self.capacity, side="right")) - 1
            ranges.append((first, end))
            first = max(first + 1, int(begins.searchsorted(begins[first] + stride, side="right")) - 1)
        middles = (begins[:-1] + begins[1:]) / 2
        owners, best = np.zeros(num_words, dtype=np.int64), np.full(num_words, -1.0)
        for index, (first, end) in enumerate(ranges):
            left = middles[first:end] - begins[first] if first else np.inf
            right = begins[end] - middles[first:end] if end < num_words else np.inf
            distance = np.broadcast_to(np.minimum(left, right), end - first)
            farther = distance > best[first:end]
            owners[first:end][farther], best[first:end][farther] = index, distance[farther]
        owned = owners.searchsorted(np.arange(len(ranges) + 1))
        return [
            self._window(ids, word, first, end, int(owned[index]), int(owned[index + 1]))
            for index, (first, end) in enumerate(ranges)
            if owned[index] < owned[index + 1]
        ]

    def of_texts(self, texts: Sequence[str]) -> tuple[list[list[Span]], list[list[Window]]]:
        """Returns the words of each text, as character spans, and its windows."""
        spans = [split_words(text) for text in texts]
        words = ([text[start:end] for start, end in found] for text, found in zip(texts, spans, strict=True))
        return spans, [self.windows(text_words) for text_words in words]

    def _window(
        self, ids: np.ndarray, word: np.ndarray, first: int, end: int, label_start: int, label_end: int
    ) -> Window:
        rows = slice(*word.searchsorted((first, end)))
        return Window(
            input_ids=np.concatenate(([self.cls_id], ids[rows], [self.sep_id])),
            word=np.concatenate(([-1], word[rows] - first, [-1])),
            first=first,
            num_words=end - first,
            label_start=label_start,
            label_end=label_end,
        )


def position_ids(input_ids: np.ndarray, first_position: int) -> np.ndarray:
    """Indices into a position table, int64 ``(rows,)``, of the rows of one window.

    If positions start after the padding token's id, a padding token that occurs in the text is not counted and has
    that id as its position, as in Hugging Face's models.
    """
    position = np.arange(len(input_ids))
    if not first_position:
        return position
    is_padding = input_ids == first_position - 1
    return np.where(is_padding, first_position - 1, position - is_padding.cumsum() + first_position)
