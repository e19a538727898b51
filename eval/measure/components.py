"""Where the time of a call goes, by component.

Layers are timed by hooks of their modules, recovery by a subclass that notes when it begins. Tokenization, embedding
and decoding depend on texts and probabilities alone, so they are timed by doing them again. ``recovery`` has its choice
of words and its reruns, layers included; ``gates`` is the rest of the encoder's time (label heads, decisions, removal),
``rest`` that of the call.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from engine.model.chunks import chunks
from engine.pruning.memory import MemoryBuffer
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.tagger import MAX_ROWS, Engine
from engine.text.words import split_words

PASSES = 3
COMPONENTS = ("tokenization", "embedding", "layers", "gates", "recovery", "decoding", "rest")


class Stopwatch:
    """Milliseconds by component: each `lap` counts as the component that it names."""

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
    """Recovery that tells a stopwatch when it chooses words, after which layers are those of a rerun."""

    watch: Stopwatch | None = field(default=None, compare=False)

    def choose(self, memory: MemoryBuffer) -> np.ndarray:
        """As its base class does."""
        assert self.watch is not None
        self.watch.recovering = True
        self.watch.start()
        words = super().choose(memory)
        self.watch.lap("recovery")
        return words


@contextmanager
def timed_layers(engine: Engine, watch: Stopwatch) -> Iterator[None]:
    """Layers within are timed; in a rerun, all that happens between them as well."""
    first, *_ = engine.encoder.layers

    def begin(layer: torch.nn.Module, *_: Any) -> None:
        if layer is first:  # reruns begin later
            watch.recovering = False
        if not watch.recovering:
            watch.start()

    def end(*_: Any) -> None:
        watch.lap("recovery" if watch.recovering else "layers")

    hooks = [layer.register_forward_pre_hook(begin) for layer in engine.encoder.layers]
    hooks += [layer.register_forward_hook(end) for layer in engine.encoder.layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def split(engine: Engine, texts: Sequence[str], strategy: Strategy) -> dict[str, float]:
    """Milliseconds by component of one call."""
    watch = Stopwatch(engine.device)
    if strategy.recovery is not None:
        settings = {f.name: getattr(strategy.recovery, f.name) for f in fields(Recovery)}
        strategy = replace(strategy, recovery=TimedRecovery(**settings, watch=watch))
    with timed_layers(engine, watch):
        results = engine.tag_batch(texts, strategy, batch_size=len(texts))
    _time_again(engine, texts, [result.probabilities for result in results], watch)
    latency, spent = results[0].latency, watch.spent
    gates = latency.encoder_ms - spent["embedding"] - spent["layers"] - spent["recovery"]
    rest = latency.total_ms - latency.encoder_ms - spent["tokenization"] - spent["decoding"]
    return spent | {"gates": gates, "rest": rest}


@torch.inference_mode()
def _time_again(engine: Engine, texts: Sequence[str], found: Sequence[np.ndarray], watch: Stopwatch) -> None:
    """Does again what depends on texts and probabilities ``(words, labels)`` alone, as a call does it."""
    watch.start()
    words = [split_words(text) for text in texts]
    pairs = zip(texts, words, strict=True)
    windows = [engine.pieces.windows([text[start:end] for start, end in spans]) for text, spans in pairs]
    watch.lap("tokenization")
    for one in zip(texts, words, found, strict=True):
        engine.labels.decode(*one)
    watch.lap("decoding")
    for chunk in chunks(windows, MAX_ROWS):
        watch.start()
        engine.encoder.embed(chunk.batch)
        watch.lap("embedding")


def profile(
    engine: Engine, texts: Sequence[str], strategies: Sequence[Strategy], batch_size: int
) -> Iterator[dict[str, Any]]:
    """One row for each strategy and component: ms a document, and share of the call. A discarded pass comes first."""
    batches = [texts[start : start + batch_size] for start in range(0, len(texts), batch_size)]
    totals: dict[str, dict[str, float]] = {strategy.name: defaultdict(float) for strategy in strategies}
    for pass_number in tqdm(range(PASSES + 1), desc=f"passes, batch {batch_size}", disable=None):
        for batch in batches:
            for strategy in strategies:
                spent = split(engine, batch, strategy)
                for component, ms in spent.items() if pass_number else ():
                    totals[strategy.name][component] += ms
    for name, components in totals.items():
        whole = sum(components.values())
        for component in COMPONENTS:
            ms = components[component]
            row: dict[str, Any] = {"strategy": name, "batch_size": batch_size, "component": component}
            yield row | {"ms_per_document": ms / len(texts) / PASSES, "share": ms / whole}
