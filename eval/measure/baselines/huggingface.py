"""``hf-pipeline``: the ``pipeline`` of transformers.

It gets each window as a list of words and returns the labels of all word pieces that are not outside. We do
not use its own aggregation, which is slower and has other rules: a word has the label of its first word piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from engine.pytorch.checkpoint import load_huggingface, load_tokenizer
from engine.tagger import Engine
from eval.measure.baselines.base import Baseline, Inputs, RuntimeParameters, WindowWords, by_windows

WINDOWS = (1, 4, 16)  # at a time, in the pipeline


def plain_dtype(engine: Engine) -> str:
    """The dtype that the plain model runs in; its layers are not quantised."""
    return "float32" if engine.device == "cpu" else engine.dtype


def load_pipeline(name: str, inputs: Inputs) -> Baseline:
    """``hf-pipeline``, in the engine's dtype for layers that are not quantised."""
    from transformers import pipeline

    engine = inputs.engine
    tokenizer: Any = load_tokenizer(engine.folder.path)
    tokenizer.model_max_length = engine.pieces.capacity + 2
    model: Any = load_huggingface(engine.folder.path)
    tagger: Any = pipeline(
        "token-classification",
        model=model.to(getattr(torch, plain_dtype(engine))),
        tokenizer=tokenizer,
        device=engine.device,
        aggregation_strategy="none",
    )
    index = {model.config.id2label[logit]: number for number, logit in enumerate(engine.folder.label_order)}

    def classify(windows: Sequence[WindowWords], parameters: RuntimeParameters) -> np.ndarray:
        # Lone surrogates cannot be encoded; a question mark has the same length.
        words_of_each = [[word.encode("utf-8", "replace").decode() for word in one.words] for one in windows]
        outputs = tagger(words_of_each, is_split_into_words=True, batch_size=parameters["windows"])
        probabilities = []
        for words, pieces in zip(words_of_each, outputs, strict=True):
            starts = np.cumsum([0, *(len(word) + 1 for word in words)])[:-1].tolist()
            word_at = {start: word for word, start in enumerate(starts)}
            found = np.zeros((len(words), len(index)), dtype=np.float32)
            found[:, 0] = np.finfo(np.float32).tiny  # outside, unless the pipeline says otherwise
            for piece in pieces:
                if (word := word_at.get(piece["start"])) is not None:
                    found[word, index[piece["entity"]]] = piece["score"]
            probabilities.append(found)
        return np.concatenate(probabilities)

    threads = torch.get_num_threads()
    settings = {
        "input": "lists of words, a window each, sorted by length, `windows` at a time",
        "aggregation_strategy": "none; a word has the label of its first piece",
        "threads": str(threads),
    }
    candidates = tuple({"windows": windows} for windows in WINDOWS)
    run = by_windows(engine, classify)
    return Baseline(name, plain_dtype(engine), str(engine.device), run, candidates, settings, threads=threads)
