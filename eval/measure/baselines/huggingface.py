"""``hf-pipeline``: the ``pipeline`` of transformers.

It gets each window as a list of words and returns the labels of all word pieces that are not outside. We do
not use its own aggregation, which is slower and has other rules: a word has the label of its first word piece.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from engine.models.tokenizer import load_tokenizer
from engine.pytorch.checkpoint import load_huggingface
from engine.text.windows import Window
from engine.text.words import Span
from eval.measure.baselines.base import Baseline, Inputs, RuntimeParameters, by_windows

WINDOWS = (1, 4, 16)  # at a time, in the pipeline


def load(inputs: Inputs) -> Baseline:
    """``hf-pipeline``, in the engine's dtype for layers that are not quantised."""
    from transformers import pipeline

    engine = inputs.engine
    dtype = "float32" if engine.device == "cpu" else engine.dtype
    tokenizer: Any = load_tokenizer(engine.folder.path)
    tokenizer.model_max_length = engine.pieces.capacity + 2
    model: Any = load_huggingface(engine.folder.path)
    tagger: Any = pipeline(
        "token-classification",
        model=model.to(getattr(torch, dtype)),
        tokenizer=tokenizer,
        device=engine.device,
        aggregation_strategy="none",
    )
    index = {model.config.id2label[logit]: number for number, logit in enumerate(engine.folder.label_order)}

    def classify(items: Sequence[tuple[Window, str, list[Span]]], parameters: RuntimeParameters) -> np.ndarray:
        # Lone surrogates cannot be encoded; a question mark has the same length.
        words_of_each = [
            [text[start:end].encode("utf-8", "replace").decode() for start, end in spans[w.first : w.first + w.words]]
            for w, text, spans in items
        ]
        outputs = tagger(words_of_each, is_split_into_words=True, batch_size=parameters["windows"])
        probabilities = []
        for words, pieces in zip(words_of_each, outputs, strict=True):
            starts = np.cumsum([0, *(len(word) + 1 for word in words)])[:-1].tolist()
            word_at = {start: word for word, start in enumerate(starts)}
            of_window = np.zeros((len(words), len(index)), dtype=np.float32)
            of_window[:, 0] = np.finfo(np.float32).tiny  # outside, unless the pipeline says otherwise
            for piece in pieces:
                if (word := word_at.get(piece["start"])) is not None:
                    of_window[word, index[piece["entity"]]] = piece["score"]
            probabilities.append(of_window)
        return np.concatenate(probabilities)

    settings = {
        "input": "lists of words, a window each, sorted by length, `windows` at a time",
        "aggregation_strategy": "none; a word has the label of its first piece",
        "threads": str(torch.get_num_threads()),
    }
    candidates = tuple({"windows": windows} for windows in WINDOWS)
    run = by_windows(engine, classify)
    return Baseline(inputs.name, dtype, str(engine.device), run, candidates, settings, threads=torch.get_num_threads())
