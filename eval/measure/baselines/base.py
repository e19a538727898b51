"""What every baseline is, and what those have in common that run the engine's windows on a runtime of their own."""

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

# How a call runs, e.g. ``{"rows": 512, "workers": 2}``: what tuning chooses, and the report states.
Setting = Mapping[str, int | str]
Run = Callable[[Sequence[str], Setting], tuple[list[tuple[Entity, ...]], float]]

REST_S = 0.01  # after a call: idle threads of a runtime spin for some milliseconds, beside whatever is timed next
ROWS = (1, 512, 2048)  # that may run at a time, padding included; the first means one window


@dataclass(frozen=True, eq=False)
class Source:
    """What a baseline is built from.

    ``engine``: its weights, windows, labels and device; ``folder``: for files, as long as any baseline is used;
    ``calibration``: texts of the corpus' training split; ``argument``: what stood behind the name, as in
    ``spacy=FOLDER``.
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
        dtype: that it runs in.
        device: that it runs on.
        run: from texts and one of the ``options`` to the entities of each text and the encoder's seconds.
        options: out of which the fastest is chosen; among equally fast ones the first.
        settings: others, for the report.
        chosen: options by texts a call.
        release: frees what was loaded to try options; it is loaded again when needed.
        speed_only: its weights are random.
    """

    name: str
    dtype: str
    device: str
    run: Run
    options: tuple[Setting, ...]
    settings: Mapping[str, str]
    chosen: Mapping[int, Setting] = field(default_factory=dict)
    release: Callable[[], object] = lambda: None
    speed_only: bool = False

    def at(self, chosen: Mapping[int, Setting]) -> Baseline:
        """The same with options by texts a call; a call of fewer texts has that of the next larger number."""
        stated = "; ".join(f"{_words(setting)} at batch size {size}" for size, setting in chosen.items())
        return replace(
            self, chosen=chosen, settings={**self.settings, "fastest": f"{stated} (of {len(self.options)} tried)"}
        )

    def tag(self, texts: Sequence[str]) -> tuple[list[tuple[Entity, ...]], Latency]:
        """Entities of each text, and how long the call and the encoder took; then the runtime comes to rest."""
        begin = time.perf_counter()
        settings = (setting for size, setting in sorted(self.chosen.items()) if size >= len(texts))
        entities, encoder_s = self.run(texts, next(settings, self.options[0]))
        latency = Latency((time.perf_counter() - begin) * 1e3, encoder_s * 1e3, len(texts))
        time.sleep(REST_S)
        return entities, latency


def _words(setting: Setting) -> str:
    return ", ".join(f"{name} {value}" for name, value in setting.items())


@dataclass(frozen=True)
class Stretch:
    """A window and the words of its text."""

    window: Window
    words: list[str]


# From stretches in ascending length to the probabilities (words, labels) of all their words and the encoder's seconds.
Classify = Callable[[Sequence[Stretch], Setting], tuple[np.ndarray, float]]


def by_windows(engine: Engine, classify: Classify) -> Run:
    """Tags texts by the engine's windows, so that nothing is truncated, and by its decoding."""
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


# Logits (words, labels) of the first pieces in a batch, labels in the order of ours.
Forward = Callable[[RaggedBatch], np.ndarray]
INPUT = (
    "windows sorted by length, `rows` at a time with their padding, one window at least; `workers` such groups at once"
)


def runtime_options() -> tuple[Setting, ...]:
    """Rows at a time, by one worker on all threads, or by as many workers as threads."""
    workers = dict.fromkeys((1, torch.get_num_threads()))
    return tuple({"rows": rows, "workers": number} for rows in ROWS for number in workers)


def on_runtime(engine: Engine, load: Callable[[Setting], Forward]) -> tuple[Run, Callable[[], object]]:
    """How a runtime tags, and how what it loaded is freed.

    Args:
        engine: whose windows and labels it uses.
        load: loads the model for a setting without ``rows``; what it gives is called by all workers at once.
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
    """A `Forward` by padded windows.

    Args:
        model: of which ``infer`` is the graph.
        engine: whose labels are wanted.
        infer: from ids and mask, int64 ``(windows, rows)``, to logits ``(windows, rows, labels)``.
    """
    pad_id, columns = model.config.pad_token_id or 0, list(engine.label_order)

    def forward(batch: RaggedBatch) -> np.ndarray:
        ids, mask, first = pad(batch, max(batch.lengths), pad_id)
        return infer(ids, mask)[first][:, columns]

    return forward


def sub_batches(windows: Sequence[Window], limit: int) -> Iterator[list[Window]]:
    """Windows of ascending length, as many at a time as fit padded into ``limit`` rows, but one at least."""
    group: list[Window] = []
    for window in windows:
        if group and (len(group) + 1) * len(window.input_ids) > limit:
            yield group
            group = []
        group.append(window)
    yield group


class Logits(torch.nn.Module):
    """A token-classification model whose output is the logits alone."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits ``(windows, rows, labels)``."""
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


@contextmanager
def quiet() -> Iterator[None]:
    """Silences advice of other packages on what was chosen on purpose."""
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
