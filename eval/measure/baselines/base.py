"""The interface of baselines, and the common code of those that run the engine's windows on another runtime."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.errors import InputError
from engine.latency import Latency
from engine.model.chunks import Slot
from engine.model.huggingface import pad
from engine.model.packing import RaggedBatch
from engine.tagger import Engine
from engine.text.documents import Entity
from engine.text.windows import Window
from engine.text.words import split_words

# How a call runs, e.g. ``{"rows": 512, "workers": 2}``: chosen by tuning, stated in the report.
Setting = Mapping[str, int | str]
Run = Callable[[Sequence[str], Setting], tuple[list[tuple[Entity, ...]], float]]

ROWS = (1, 512, 2048)  # that may run at a time, padding included; the first means one window


@dataclass(frozen=True, eq=False)
class Source:
    """The inputs of a baseline.

    ``engine``: its weights, windows, labels and device; ``folder``: for files, kept while any baseline is used;
    ``calibration``: texts of the corpus' training split; ``argument``: what followed the name, as in
    ``spacy=FOLDER`` or ``openvino=truncate-3``.
    """

    engine: Engine
    folder: Path
    calibration: Callable[[], Sequence[str]]
    argument: str = ""


@dataclass(frozen=True, eq=False)
class Baseline:
    """Another way to find entities.

    Args:
        name: in tables.
        dtype: its number format.
        device: where it runs.
        run: maps texts and one of the ``options`` to each text's entities and the encoder's seconds.
        options: the fastest is chosen, the first among equally fast ones.
        settings: further ones, for the report.
        chosen: options by texts per call.
        release: frees what was loaded to try options; it is loaded again when needed.
        threads: of torch during its calls: one if another runtime computes, since torch's idle threads would spin.
    """

    name: str
    dtype: str
    device: str
    run: Run
    options: tuple[Setting, ...]
    settings: Mapping[str, str]
    chosen: Mapping[int, Setting] = field(default_factory=dict)
    release: Callable[[], object] = lambda: None
    threads: int = 1

    def at(self, chosen: Mapping[int, Setting]) -> Baseline:
        """A copy with options by texts per call; smaller calls use that of the next larger number."""
        stated = "; ".join(f"{_words(setting)} at batch size {size}" for size, setting in chosen.items())
        return replace(
            self, chosen=chosen, settings={**self.settings, "fastest": f"{stated} (of {len(self.options)} tried)"}
        )

    def tag(self, texts: Sequence[str]) -> tuple[list[tuple[Entity, ...]], Latency]:
        """Returns the entities of each text and the times of the call and the encoder."""
        begin = time.perf_counter()
        settings = (setting for size, setting in sorted(self.chosen.items()) if size >= len(texts))
        entities, encoder_s = self.run(texts, next(settings, self.options[0]))
        latency = Latency((time.perf_counter() - begin) * 1e3, encoder_s * 1e3, len(texts))
        return entities, latency


def _words(setting: Setting) -> str:
    return ", ".join(f"{name} {value}" for name, value in setting.items())


@dataclass(frozen=True)
class Stretch:
    """A window and the words of its text."""

    window: Window
    words: list[str]


# Maps stretches in ascending length to probabilities (words, labels) of all their words and the encoder's seconds.
Classify = Callable[[Sequence[Stretch], Setting], tuple[np.ndarray, float]]


def by_windows(engine: Engine, classify: Classify) -> Run:
    """Tags texts in the engine's windows, so nothing is truncated, and with its decoding."""
    pieces, labels = engine.pieces, engine.labels

    def run(texts: Sequence[str], setting: Setting) -> tuple[list[tuple[Entity, ...]], float]:
        spans = [split_words(text) for text in texts]
        words = [[text[start:end] for start, end in places] for text, places in zip(texts, spans, strict=True)]
        windows = [(text, window) for text, of in enumerate(words) for window in pieces.windows(of)]
        windows.sort(key=lambda item: len(item[1].input_ids))
        probabilities = [np.zeros((len(of), len(labels)), dtype=np.float32) for of in words]
        encoder_s = 0.0
        if windows:
            stretches = [Stretch(w, words[text][w.first : w.first + w.words]) for text, w in windows]
            found, encoder_s = classify(stretches, setting)
            first = 0
            for index, (text, w) in enumerate(windows):
                probabilities[text][w.own : w.own_end] = found[Slot(text, w, index, first).own]
                first += w.words
        return [labels.decode(*one) for one in zip(texts, spans, probabilities, strict=True)], encoder_s

    return run


# Logits (words, labels) of the first pieces in a batch, labels in our order.
Forward = Callable[[RaggedBatch], np.ndarray]
INPUT = (
    "windows sorted by length, `rows` at a time with their padding, one window at least; `workers` such groups at once"
)


def runtime_options() -> tuple[Setting, ...]:
    """Rows at a time, for one worker on all threads and for one worker per thread."""
    workers = dict.fromkeys((1, torch.get_num_threads()))
    return tuple({"rows": rows, "workers": number} for rows in ROWS for number in workers)


def on_runtime(engine: Engine, load: Callable[[Setting], Forward]) -> tuple[Run, Callable[[], object]]:
    """Functions that tag with a runtime and free its models.

    Args:
        engine: provides windows and labels.
        load: loads the model for a setting without ``rows``; all workers call the result concurrently.
    """

    @cache
    def loaded(setting: tuple[tuple[str, int | str], ...]) -> tuple[Forward, ThreadPoolExecutor]:
        options = dict(setting)
        return load(options), ThreadPoolExecutor(int(options["workers"]))

    def classify(stretches: Sequence[Stretch], setting: Setting) -> tuple[np.ndarray, float]:
        forward, pool = loaded(tuple((name, value) for name, value in setting.items() if name != "rows"))
        groups = sub_batches([stretch.window for stretch in stretches], int(setting["rows"]))
        batches = [RaggedBatch.from_windows(group) for group in groups]
        begin = time.perf_counter()
        several = setting["workers"] != 1 and len(batches) > 1
        logits = list((pool.map if several else map)(forward, batches))
        encoder_s = time.perf_counter() - begin
        return torch.from_numpy(np.concatenate(logits)).softmax(-1).numpy(), encoder_s

    return by_windows(engine, classify), loaded.cache_clear


def on_padded(model: Any, engine: Engine, infer: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Forward:
    """A `Forward` on padded windows.

    Args:
        model: the one that ``infer`` runs.
        engine: determines the labels' order.
        infer: maps ids and mask, int64 ``(windows, rows)``, to logits ``(windows, rows, labels)``.
    """
    pad_id, columns = model.config.pad_token_id or 0, list(engine.label_order)

    def forward(batch: RaggedBatch) -> np.ndarray:
        ids, mask, first = pad(batch, max(batch.lengths), pad_id)
        return infer(ids, mask)[first][:, columns]

    return forward


def sub_batches(windows: Sequence[Window], limit: int) -> Iterator[list[Window]]:
    """Groups windows of ascending length, as many as fit into ``limit`` padded rows, but at least one."""
    group: list[Window] = []
    for window in windows:
        if group and (len(group) + 1) * len(window.input_ids) > limit:
            yield group
            group = []
        group.append(window)
    yield group


class Logits(torch.nn.Module):
    """A token-classification model that outputs only the logits."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits ``(windows, rows, labels)``."""
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


@contextmanager
def quiet() -> Iterator[None]:
    """Silences other packages' advice on deliberate choices."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def package(name: str, baseline: str) -> Any:
    """A package that only a baseline needs.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"expected the package {name} for baseline {baseline}, got none; pip install -r requirements-eval.txt"
        ) from error
