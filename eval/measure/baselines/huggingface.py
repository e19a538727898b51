"""The plain Hugging Face model: ``hf`` on padded windows, and ``hf-pipeline``, the ``pipeline`` of transformers.

The pipeline gets each window as a list of words and returns the labels of all word pieces that are not outside. We do
not use its own aggregation, which is slower and has other rules: a word has the label of its first word piece.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.inspection.cost import Cost, add, window_cost
from engine.model.huggingface import huggingface_logits
from engine.model.packing import RaggedBatch
from engine.pruning.memory import HeadOutput, LayerRun, MemoryBuffer
from engine.tagger import Engine
from engine.text.windows import load_tokenizer
from engine.text.words import words_of
from eval.measure.baselines.base import Baseline, Inputs, RuntimeParameters, WindowWords, by_windows
from eval.schema import DENSE, HF

WINDOWS = (1, 4, 16)  # at a time, in the pipeline


def plain_dtype(engine: Engine) -> str:
    """The dtype that the plain model runs in; its layers are not quantised."""
    return str(engine.precision.torch_dtype).removeprefix("torch.")


def plain_model(engine: Engine) -> Baseline:
    """``hf``: all windows of a call in one batch, padded to the longest."""
    model = nn.Module.to(engine.plain_model(), engine.device, engine.precision.torch_dtype)
    columns = list(engine.label_order)

    @torch.inference_mode()
    def classify(windows: Sequence[WindowWords], _: RuntimeParameters) -> tuple[np.ndarray, float]:
        begin = time.perf_counter()
        batch = RaggedBatch.from_windows([one.window for one in windows])
        probabilities = huggingface_logits(model, batch)[:, columns].float().softmax(-1).numpy(force=True)
        return probabilities, time.perf_counter() - begin

    run, threads = by_windows(engine, classify), torch.get_num_threads()
    return Baseline(HF, plain_dtype(engine), str(engine.device), run, ({},), {}, threads=threads)


def padded_costs(engine: Engine, texts: Sequence[str]) -> list[Cost]:
    """The cost of each text under ``hf``, padding included."""
    windows = [engine.pieces.windows(words_of(text)) for text in texts]
    flat = [window for of_text in windows for window in of_text]
    layers, dense = engine.encoder.num_layers, engine.strategy(DENSE)
    if not flat:
        return [add([], layers) for _ in texts]
    batch = RaggedBatch.from_windows(flat)
    memory = MemoryBuffer.of(batch, engine.labels, layers)
    padded = (max(batch.lengths),) * len(batch.lengths)
    memory.layers.extend(LayerRun(number, padded, padded) for number in range(1, layers + 1))
    memory.heads.append(HeadOutput(layers, np.arange(len(batch.words)), torch.empty(0)))
    costs = [window_cost(engine.model, memory, window, dense) for window in range(len(flat))]
    ends = np.cumsum([len(of_text) for of_text in windows]).tolist()
    return [add(costs[end - len(of_text) : end], layers) for of_text, end in zip(windows, ends, strict=True)]


def load_pipeline(name: str, inputs: Inputs) -> Baseline:
    """``hf-pipeline``, in the engine's dtype for layers that are not quantised."""
    from transformers import pipeline

    engine = inputs.engine
    tokenizer: Any = load_tokenizer(engine.folder)
    tokenizer.model_max_length = engine.pieces.capacity + 2
    model: Any = engine.plain_model()
    tagger: Any = pipeline(
        "token-classification",
        model=model.to(engine.precision.torch_dtype),
        tokenizer=tokenizer,
        device=engine.device,
        aggregation_strategy="none",
    )
    forward = tagger.model.forward
    seconds: list[float] = []  # of each of its calls

    def timed(*arguments: Any, **named: Any) -> Any:
        begin = time.perf_counter()
        result = forward(*arguments, **named)
        if engine.device.type == "cuda":
            torch.cuda.synchronize(engine.device)
        seconds.append(time.perf_counter() - begin)
        return result

    tagger.model.forward = timed
    index = {model.config.id2label[logit]: number for number, logit in enumerate(engine.label_order)}

    def classify(windows: Sequence[WindowWords], parameters: RuntimeParameters) -> tuple[np.ndarray, float]:
        seconds.clear()
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
        return np.concatenate(probabilities), sum(seconds)

    threads = torch.get_num_threads()
    settings = {
        "input": "lists of words, a window each, sorted by length, `windows` at a time",
        "aggregation_strategy": "none; a word has the label of its first piece",
        "threads": str(threads),
    }
    candidates = tuple({"windows": windows} for windows in WINDOWS)
    run = by_windows(engine, classify)
    return Baseline(name, plain_dtype(engine), str(engine.device), run, candidates, settings, threads=threads)
