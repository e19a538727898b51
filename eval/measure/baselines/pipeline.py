"""``hf-pipeline``: the token-classification ``pipeline`` of transformers.

It gets each window as a list of words and returns the labels of all pieces except outside ones. Its own aggregation is
slower and has other rules; without it, the label of a word's first piece equals ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from engine.text.windows import load_tokenizer
from eval.measure.baselines.base import Baseline, Setting, Source, Stretch, by_windows

WINDOWS = (1, 4, 16)


def load(name: str, source: Source) -> Baseline:
    """The pipeline, in the engine's dtype for what is not quantised."""
    from transformers import pipeline

    engine = source.engine
    tokenizer: Any = load_tokenizer(engine.source)
    tokenizer.model_max_length = engine.pieces.capacity + 2
    model: Any = engine.plain_model()
    tagger: Any = pipeline(
        "token-classification",
        model=model.to(engine.precision.torch_dtype),
        tokenizer=tokenizer,
        device=engine.device,
        aggregation_strategy="none",
    )
    forward = _Stopwatch(tagger.model.forward, engine.device)
    tagger.model.forward = forward
    index = {model.config.id2label[logit]: number for number, logit in enumerate(engine.label_order)}

    def classify(stretches: Sequence[Stretch], setting: Setting) -> tuple[np.ndarray, float]:
        forward.seconds = 0.0
        # Lone surrogates cannot be encoded; a question mark has the same length.
        inputs = [[word.encode("utf-8", "replace").decode() for word in stretch.words] for stretch in stretches]
        outputs = tagger(inputs, is_split_into_words=True, batch_size=setting["windows"])
        probabilities = []
        for words, pieces in zip(inputs, outputs, strict=True):
            starts = np.cumsum([0, *(len(word) + 1 for word in words)])[:-1].tolist()
            word_at = {start: word for word, start in enumerate(starts)}
            found = np.zeros((len(words), len(index)), dtype=np.float32)
            found[:, 0] = np.finfo(np.float32).tiny  # outside, unless the pipeline says otherwise
            for piece in pieces:
                if (word := word_at.get(piece["start"])) is not None:
                    found[word, index[piece["entity"]]] = piece["score"]
            probabilities.append(found)
        return np.concatenate(probabilities), forward.seconds

    dtype = str(engine.precision.torch_dtype).removeprefix("torch.")
    return Baseline(
        name,
        dtype,
        str(engine.device),
        by_windows(engine, classify),
        tuple({"windows": windows} for windows in WINDOWS),
        {
            "input": "lists of words, a window each, sorted by length, `windows` at a time",
            "aggregation_strategy": "none; a word has the label of its first piece",
            "threads": str(torch.get_num_threads()),
        },
        threads=torch.get_num_threads(),
    )


class _Stopwatch:
    """A function that adds up the time spent in it."""

    def __init__(self, function: Callable[..., Any], device: torch.device) -> None:
        self.function = function
        self.device = device
        self.seconds = 0.0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        begin = time.perf_counter()
        result = self.function(*arguments, **named)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds += time.perf_counter() - begin
        return result
