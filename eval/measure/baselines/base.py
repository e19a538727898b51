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
from typing import Any

import numpy as np
import torch

from engine.errors import InputError, first_line
from engine.tagger import Engine
from engine.text.documents import Entity
from engine.text.windows import Window
from engine.text.words import Span

# How a runtime runs a call, e.g. ``{"rows": 512, "workers": 2}``. Trials choose among several; the report states them.
RuntimeParameters = Mapping[str, int | str]
# Returns the entities of each text.
TagTexts = Callable[[Sequence[str], RuntimeParameters], list[tuple[Entity, ...]]]

ROWS = (1, 512, 2048)  # most rows in one inference, padding included; a single window may have more


@dataclass(frozen=True, eq=False)
class Inputs:
    """The inputs of a baseline."""

    engine: Engine  # provides weights, windows, labels and device
    calibration: Callable[[], Sequence[str]]  # returns texts of the corpus' training split
    argument: str = ""  # what follows the name, as in ``spacy=FOLDER``


@dataclass(frozen=True, eq=False)
class Baseline:
    """Another way to find entities."""

    name: str  # shown in tables
    dtype: str  # its number format
    device: str  # where it runs
    run: TagTexts
    candidates: tuple[RuntimeParameters, ...]  # to try; among equally fast ones the first is chosen
    settings: Mapping[str, str]  # further facts for the report
    chosen: Mapping[int, RuntimeParameters] = field(default_factory=dict)  # by number of texts per call
    release: Callable[[], object] = lambda: None  # frees what calls have loaded; it is loaded again when needed
    threads: int = 1  # of torch during its calls; one if another runtime computes, because idle threads would spin

    def with_parameters(self, chosen: Mapping[int, RuntimeParameters]) -> Baseline:
        """Returns a copy with chosen runtime parameters; smaller calls use those of the next larger number of texts."""
        stated = "; ".join(
            f"{', '.join(f'{name} {value}' for name, value in parameters.items())} at batch size {size}"
            for size, parameters in chosen.items()
        )
        fastest = f"{stated} (of {len(self.candidates)} tried)"
        return replace(self, chosen=chosen, settings={**self.settings, "fastest": fastest})

    def tag(self, texts: Sequence[str]) -> tuple[list[tuple[Entity, ...]], float]:
        """Returns the entities of each text and the milliseconds of the call."""
        begin = time.perf_counter()
        chosen = (parameters for size, parameters in sorted(self.chosen.items()) if size >= len(texts))
        entities = self.run(texts, next(chosen, self.candidates[0]))
        return entities, (time.perf_counter() - begin) * 1e3


@dataclass(frozen=True)
class WindowWords:
    """A window of a text, and the character spans of all the text's words."""

    window: Window
    text: str
    spans: list[Span]

    @property
    def words(self) -> list[str]:
        """The words in the window."""
        first, count = self.window.first, self.window.words
        return [self.text[start:end] for start, end in self.spans[first : first + count]]


# Maps windows in ascending length to probabilities ``(words, labels)`` of all their words.
Classify = Callable[[Sequence[WindowWords], RuntimeParameters], np.ndarray]


def by_windows(engine: Engine, classify: Classify) -> TagTexts:
    """Tags texts with the engine's words, windows and decoding, so that nothing is truncated."""

    def run(texts: Sequence[str], parameters: RuntimeParameters) -> list[tuple[Entity, ...]]:
        spans, by_text = engine.pieces.of_texts(texts)
        windows = [(text, window) for text, of_text in enumerate(by_text) for window in of_text]
        windows.sort(key=lambda item: len(item[1].input_ids))
        probabilities = [np.zeros((len(of_text), len(engine.labels)), dtype=np.float32) for of_text in spans]
        if windows:
            found = classify([WindowWords(w, texts[text], spans[text]) for text, w in windows], parameters)
            first = 0
            for text, w in windows:
                own = slice(first + w.own - w.first, first + w.own_end - w.first)
                probabilities[text][w.own : w.own_end] = found[own]
                first += w.words
        return [engine.labels.decode(*one) for one in zip(texts, spans, probabilities, strict=True)]

    return run


# Maps windows to logits ``(words, labels)`` of each word's first word piece, with labels in our order.
Forward = Callable[[Sequence[Window]], np.ndarray]
INPUT = (
    "windows sorted by length, `rows` at a time with their padding, one window at least; `workers` such groups at once"
)


def runtime_candidates() -> tuple[RuntimeParameters, ...]:
    """Numbers of rows, for one worker on all threads and for one worker per thread."""
    workers = dict.fromkeys((1, torch.get_num_threads()))
    return tuple({"rows": rows, "workers": number} for rows in ROWS for number in workers)


def on_runtime(
    name: str,
    engine: Engine,
    load: Callable[[RuntimeParameters], Forward],
    settings: Mapping[str, str],
    candidates: tuple[RuntimeParameters, ...],
) -> Baseline:
    """A baseline that runs the engine's windows on another runtime, on the CPU; its name tells its dtype.

    ``load`` loads the model for runtime parameters without ``rows``; all workers call the result concurrently.
    """

    @cache
    def loaded(parameters: tuple[tuple[str, int | str], ...]) -> tuple[Forward, ThreadPoolExecutor]:
        by_name = dict(parameters)
        return load(by_name), ThreadPoolExecutor(int(by_name["workers"]))

    def classify(windows: Sequence[WindowWords], parameters: RuntimeParameters) -> np.ndarray:
        forward, pool = loaded(tuple((name, value) for name, value in parameters.items() if name != "rows"))
        groups = list(group_windows([one.window for one in windows], int(parameters["rows"])))
        several = parameters["workers"] != 1 and len(groups) > 1
        logits = list((pool.map if several else map)(forward, groups))
        return torch.from_numpy(np.concatenate(logits)).softmax(-1).numpy()

    dtype, settings = "int8" if "int8" in name else "float32", {"input": INPUT, **settings}
    run, release = by_windows(engine, classify), loaded.cache_clear
    return Baseline(name, dtype, "cpu", run, candidates, settings, release=release)


def group_windows(windows: Sequence[Window], max_rows: int) -> Iterator[list[Window]]:
    """Groups windows in ascending length, as many as fit into ``max_rows`` with their padding, but at least one."""
    group: list[Window] = []
    for window in windows:
        if group and (len(group) + 1) * len(window.input_ids) > max_rows:
            yield group
            group = []
        group.append(window)
    yield group


def pad(windows: Sequence[Window], pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Word piece ids and mask, int64 ``(windows, rows)``."""
    width = max(len(window.input_ids) for window in windows)
    ids = [np.pad(window.input_ids, (0, width - len(window.input_ids)), constant_values=pad_id) for window in windows]
    mask = [np.arange(width) < len(window.input_ids) for window in windows]
    return np.stack(ids), np.stack(mask).astype(np.int64)


def on_padded(pad_id: int, engine: Engine, infer: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Forward:
    """Makes a `Forward` from a function on padded windows.

    ``infer``: ids and mask, int64 ``(windows, rows)``, to logits ``(windows, rows, labels)``.
    """
    columns = list(engine.folder.label_order)

    def forward(windows: Sequence[Window]) -> np.ndarray:
        # A word has the label of its first piece; CLS is the first row, SEP the last.
        firsts = [1 + window.word[1:-1].searchsorted(np.arange(window.words)) for window in windows]
        logits = infer(*pad(windows, pad_id))
        return np.concatenate([of_window[rows] for of_window, rows in zip(logits, firsts, strict=True)])[:, columns]

    return forward


class Logits(torch.nn.Module):
    """A token-classification model that returns its logits alone."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits ``(windows, rows, labels)``."""
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


@contextmanager
def quiet() -> Iterator[None]:
    """Silences warnings of other packages about what we do on purpose."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def package(name: str, baseline: str) -> Any:
    """Imports a package that only a baseline needs."""
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"expected the package {name} for baseline {baseline}, got none; pip install -r requirements-eval.txt"
        ) from error


def conversion_error(runtime: str, family: str, baseline: str, error: Exception) -> InputError:
    """The error for a model that a runtime cannot convert."""
    return InputError(
        f"expected a model that {runtime} converts, got {family}: {first_line(error)}; leave {baseline} out of "
        "--baselines"
    )
