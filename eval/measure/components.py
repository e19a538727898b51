"""Where the time of a call goes, by component.

Tokenization lasts from the start of the call to its last window. Module hooks time embedding and layers; subclasses
time decoding and recovery (choosing words, and reruns with their layers). ``gates`` is the remaining encoder time
(label heads, decisions, removal), ``rest`` the remaining time of the call (batching).
"""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from engine.latency import units
from engine.model.encoders import Encoder
from engine.pruning.memory import MemoryBuffer
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from engine.text.documents import Entity
from engine.text.labels import LabelSet
from engine.text.windows import Window, WordPieces
from engine.text.words import Span

COMPONENTS = ("tokenization", "embedding", "layers", "gates", "recovery", "decoding", "rest")


class Stopwatch:
    """Sums milliseconds by component; each `lap` counts towards the one it names."""

    def __init__(self, device: torch.device) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.recovering = False
        self._device = device
        self._last = 0.0

    def start(self) -> None:
        """Begins a lap."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self._last = time.perf_counter()

    def lap(self, component: str) -> None:
        """Ends a lap and begins the next one."""
        before = self._last
        self.start()
        self.spent[component] += (self._last - before) * 1e3


@dataclass(frozen=True)
class TimedRecovery(Recovery):
    """Recovery that times its choice of words; the stopwatch then counts layers as a rerun's."""

    watch: Stopwatch | None = field(default=None, compare=False)

    def choose(self, memory: MemoryBuffer) -> np.ndarray:
        """As its base class does."""
        assert self.watch is not None
        self.watch.recovering = True
        self.watch.start()
        words = super().choose(memory)
        self.watch.lap("recovery")
        return words


class TimedPieces(WordPieces):
    """Word pieces that time their windows, including everything before them."""

    def __init__(self, pieces: WordPieces, watch: Stopwatch) -> None:
        vars(self).update(vars(pieces))
        self._watch = watch

    def windows(self, words: Sequence[str]) -> list[Window]:
        """As its base class does."""
        found = super().windows(words)
        self._watch.lap("tokenization")
        return found


class TimedLabels(LabelSet):
    """A label set whose decoding is timed."""

    def __init__(self, labels: LabelSet, watch: Stopwatch) -> None:
        vars(self).update(vars(labels))
        self._watch = watch

    def decode(self, text: str, words: Sequence[Span], probabilities: np.ndarray) -> tuple[Entity, ...]:
        """As its base class does."""
        self._watch.start()
        found = super().decode(text, words, probabilities)
        self._watch.lap("decoding")
        return found


@contextmanager
def timed_encoder(encoder: Encoder, watch: Stopwatch) -> Iterator[None]:
    """Times embedding and layers; in a rerun, also everything that happens between layers."""
    first, *_ = encoder.layers

    def begin_pass(*_: Any) -> None:
        watch.recovering = False
        watch.start()

    def begin(layer: nn.Module, *_: Any) -> None:
        if layer is first:  # reruns begin later
            watch.lap("embedding")
        elif not watch.recovering:
            watch.start()

    def end(*_: Any) -> None:
        watch.lap("recovery" if watch.recovering else "layers")

    hooks = [encoder.get_submodule("word_embeddings").register_forward_pre_hook(begin_pass)]
    for layer in encoder.layers:
        hooks += [layer.register_forward_pre_hook(begin), layer.register_forward_hook(end)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def split(engine: Engine, texts: Sequence[str], strategy: Strategy) -> dict[str, float]:
    """Times one call: milliseconds by component."""
    watch, timed = Stopwatch(engine.device), copy.copy(engine)
    timed.pieces, timed.labels = TimedPieces(engine.pieces, watch), TimedLabels(engine.labels, watch)
    if strategy.recovery is not None:
        settings = {f.name: getattr(strategy.recovery, f.name) for f in fields(Recovery)}
        strategy = replace(strategy, recovery=TimedRecovery(**settings, watch=watch))
    with timed_encoder(engine.encoder, watch):
        watch.start()
        latency = timed.tag_batch(texts, strategy, batch_size=len(texts))[0].latency
    spent = watch.spent
    gates = latency.encoder_ms - spent["embedding"] - spent["layers"] - spent["recovery"]
    rest = latency.total_ms - latency.encoder_ms - spent["tokenization"] - spent["decoding"]
    return spent | {"gates": gates, "rest": rest}


def profile(
    engine: Engine, texts: Sequence[str], strategies: Sequence[Strategy], batch_size: int
) -> Iterator[dict[str, Any]]:
    """One row per strategy and component: ms per document, and share of the call.

    Strategies take turns batch by batch, in rotated order, after a discarded pass; a component's time in a batch is its
    median over the timed passes.
    """
    batches = [texts[start : start + batch_size] for start in range(0, len(texts), batch_size)]
    spent: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    for unit in tqdm([*units(len(texts), batch_size)], desc=f"batches of {batch_size}", disable=None):
        for strategy in unit.order(strategies):
            found = split(engine, batches[unit.batch], strategy)
            for component in COMPONENTS if unit.pass_number else ():
                spent[strategy.name, component, unit.batch].append(found.get(component, 0.0))
    for name in (strategy.name for strategy in strategies):
        ms = {one: sum(median(spent[name, one, batch]) for batch in range(len(batches))) for one in COMPONENTS}
        for component in COMPONENTS:
            row: dict[str, Any] = {"strategy": name, "batch_size": batch_size, "component": component}
            yield row | {"ms_per_document": ms[component] / len(texts), "share": ms[component] / sum(ms.values())}
