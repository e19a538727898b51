"""The interface of baselines, and the common code of those that run the engine's windows on another runtime."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from engine.base import Engine
from engine.models.folder import ModelFolder
from engine.pytorch.checkpoint import load_huggingface
from engine.text.windows import Window
from eval.config import VariantName
from eval.measure.taggers import Tagger
from eval.record import Prediction, Variant
from eval.schema import BASELINE

# How a runtime runs a call, e.g. ``{"rows": 512, "workers": 2}``. Trials choose among several; the report states them.
RuntimeParameters = Mapping[str, int | str]

ROWS = (1, 512, 2048)  # most rows in one inference, padding included; a single window may have more


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a baseline is made from."""

    name: VariantName
    engine: Engine  # provides weights, windows, labels and device
    training: Sequence[str]  # texts of the corpus' training split; none if it has none

    @property
    def layers(self) -> int:
        """After which the network is cut; 0 for all."""
        return self.name.strategy.layer

    @property
    def dtype(self) -> str:
        """The number format in the runtime's name."""
        return "int8" if self.name.runtime.endswith("-int8") else "float32"

    def variant(self, settings: dict[str, str], dtype: str = "", kind: str = BASELINE, device: str = "cpu") -> Variant:
        """What is measured."""
        about, of = settings | {"dtype": dtype or self.dtype}, self.name
        named = Variant(of.text, kind, about["dtype"], device, settings=about)
        return replace(named, runtime=of.runtime, layer=self.layers)


@dataclass(eq=False)
class Baseline(Tagger):
    """Another way to find entities."""

    run: Callable[[Sequence[str], RuntimeParameters], list[Prediction]]  # finds the entities of each text
    candidates: tuple[RuntimeParameters, ...]  # to try; among equally fast ones the first is chosen
    chosen: Mapping[int, RuntimeParameters] = field(default_factory=dict)  # by number of texts per call

    def choose(self, chosen: Mapping[int, RuntimeParameters]) -> None:
        """Sets the runtime parameters; smaller calls use those of the next larger number of texts."""
        by_size = "; ".join(f"{state(parameters)} at batch size {size}" for size, parameters in chosen.items())
        settings = {**self.variant.settings, "fastest": f"{by_size} (of {len(self.candidates)} tried)"}
        self.chosen, self.variant = chosen, replace(self.variant, settings=settings)

    def prepare(self, texts: Sequence[str], seed: int) -> Callable[[], Sequence[Prediction]]:
        fitting = (parameters for size, parameters in sorted(self.chosen.items()) if size >= len(texts))
        return partial(self.run, texts, next(fitting, self.candidates[0]))


def state(parameters: RuntimeParameters) -> str:
    """Runtime parameters in words: ``rows 512, workers 2``."""
    return ", ".join(f"{name} {value}" for name, value in parameters.items())


# Maps word piece ids and mask, int64 ``(windows, rows)``, to logits ``(windows, rows, labels)``.
Infer = Callable[[np.ndarray, np.ndarray], np.ndarray]
INPUT = (
    "windows sorted by length, `rows` at a time with their padding, one window at least; `workers` such groups at once"
)


def runtime_candidates() -> tuple[RuntimeParameters, ...]:
    """Numbers of rows, for one worker on all threads and for one worker per thread."""
    workers = dict.fromkeys((1, torch.get_num_threads()))
    return tuple({"rows": rows, "workers": number} for rows in ROWS for number in workers)


def on_runtime(
    inputs: Inputs,
    pad_id: int,
    load: Callable[[RuntimeParameters], Infer],
    settings: Mapping[str, str],
    candidates: tuple[RuntimeParameters, ...],
) -> Baseline:
    """A baseline that runs the engine's windows on another runtime, on the CPU, with our words and decoding.

    ``load`` loads the model for runtime parameters without ``rows``; all workers call the result concurrently.
    """
    engine, order = inputs.engine, list(inputs.engine.folder.label_order)

    @cache
    def loaded(parameters: tuple[tuple[str, int | str], ...]) -> tuple[Infer, ThreadPoolExecutor]:
        by_name = dict(parameters)
        return load(by_name), ThreadPoolExecutor(int(by_name["workers"]))

    def run(texts: Sequence[str], parameters: RuntimeParameters) -> list[Prediction]:
        infer, pool = loaded(tuple((name, value) for name, value in parameters.items() if name != "rows"))

        def distributions(group: Sequence[Window]) -> list[np.ndarray]:
            """The label distributions of each window's own words, each of which has that of its first piece."""
            logits = infer(*pad(group, pad_id))
            words = (rows[w.first_rows][w.labelled][:, order] for rows, w in zip(logits, group, strict=True))
            return [torch.from_numpy(rows).softmax(-1).numpy() for rows in words]

        words, by_text = engine.pieces.of_texts(texts)
        windows = [(text, window) for text, group in enumerate(by_text) for window in group]
        windows.sort(key=lambda item: len(item[1].input_ids))
        groups = list(group_windows([window for _, window in windows], int(parameters["rows"])))
        several = parameters["workers"] != 1 and len(groups) > 1
        by_window = chain.from_iterable((pool.map if several else map)(distributions, groups))
        probabilities = [np.zeros((len(spans), len(order)), dtype=np.float32) for spans in words]
        for (text, window), rows in zip(windows, by_window, strict=True):
            probabilities[text][window.label_start : window.label_end] = rows
        decoded = map(engine.decoder.decode, texts, words, probabilities)
        return [Prediction(result.entities) for result in decoded]

    described = {"input": INPUT, **settings, **({"layers": str(inputs.layers)} if inputs.layers else {})}
    # Torch does not compute, and its idle threads would spin.
    return Baseline(inputs.variant(described), run, candidates, threads=1, release=loaded.cache_clear)


def group_windows(windows: Sequence[Window], max_rows: int) -> Iterator[list[Window]]:
    """Groups windows in ascending length, as many as fit into ``max_rows`` with their padding, but at least one."""
    group: list[Window] = []
    for window in windows:
        if group and (len(group) + 1) * len(window.input_ids) > max_rows:
            yield group
            group = []
        group.append(window)
    if group:
        yield group


def pad(windows: Sequence[Window], pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Word piece ids and mask, int64 ``(windows, rows)``."""
    ids = [torch.from_numpy(window.input_ids) for window in windows]
    mask = pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)
    return pad_sequence(ids, batch_first=True, padding_value=pad_id).numpy(), mask.numpy()


class Logits(torch.nn.Module):
    """The network of a model folder or, cut after some ``layers``, its first ones and the label head of the last."""

    def __init__(self, folder: ModelFolder, layers: int = 0) -> None:
        super().__init__()
        self.model = load_huggingface(folder.path, layers)
        self.config: Any = self.model.config
        self.head: torch.nn.Linear | None = None
        if layers:
            order = np.argsort(folder.label_order)  # from that of our labels to the checkpoint's
            weight, bias = (torch.from_numpy(head[order]) for head in folder.heads(folder.tensors())[layers])
            self.head = torch.nn.Linear(weight.shape[1], weight.shape[0])
            self.head.load_state_dict({"weight": weight, "bias": bias})
        self.eval()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits ``(windows, rows, labels)``, labels in the checkpoint's order."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if self.head is not None:
            return self.head(self.model.base_model(**inputs).last_hidden_state)
        return self.model(**inputs).logits


def encodable(text: str) -> str:
    """The text without lone surrogates, which cannot be encoded; a question mark in their place has the same length."""
    return text.encode("utf-8", "replace").decode()


@contextmanager
def quiet() -> Iterator[None]:
    """Silences warnings of other packages about what we do on purpose, and their progress bars."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
