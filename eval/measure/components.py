"""Measures the time of each component of a call, from marks that torch's profiler records.

``tokenization`` covers words and windows; ``embedding`` and ``layers`` are the encoder's; ``recovery`` covers the
choice of words and their second pass, layers included. ``gates`` is the remaining time of passes (label heads,
decisions, removal), ``rest`` the remaining time of the call (batching). The profiler sees one thread only, so passes
run one after another, and it adds some time to every operation: shares say more than milliseconds.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
from torch.profiler import ProfilerActivity, record_function
from tqdm import tqdm

from engine import tagger
from engine.latency import units
from engine.model.chunks import Chunk, chunks
from engine.model.encoders import Encoder
from engine.model.packing import RaggedBatch
from engine.pruning import forward
from engine.pruning.memory import MemoryBuffer
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from engine.text.labels import LabelSet
from engine.text.windows import Window, WordPieces

COMPONENTS = ("tokenization", "embedding", "layers", "gates", "recovery", "decoding", "rest")
PASS, MARK = "pass", "component: "

os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # otherwise torch's profiler writes to standard error


def profile(
    engine: Engine, texts: Sequence[str], strategies: Sequence[Strategy], batch_size: int
) -> Iterator[dict[str, Any]]:
    """Yields a row for each strategy and component with ms per document and the share of the call.

    Strategies take turns batch by batch in rotated order, after a discarded pass. A component's time in a batch is its
    median over the timed passes.
    """
    batches = [texts[start : start + batch_size] for start in range(0, len(texts), batch_size)]
    spent: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    for unit in tqdm([*units(len(texts), batch_size)], desc=f"batches of {batch_size}", disable=None):
        for strategy in unit.order(strategies):
            times = time_components(engine, batches[unit.batch], strategy)
            for component in COMPONENTS if unit.pass_number else ():
                spent[strategy.name, component, unit.batch].append(times.get(component, 0.0))
    for name in (strategy.name for strategy in strategies):
        ms = {one: sum(median(spent[name, one, batch]) for batch in range(len(batches))) for one in COMPONENTS}
        for component in COMPONENTS:
            row: dict[str, Any] = {"strategy": name, "batch_size": batch_size, "component": component}
            yield row | {"ms_per_document": ms[component] / len(texts), "share": ms[component] / sum(ms.values())}


def time_components(engine: Engine, texts: Sequence[str], strategy: Strategy) -> dict[str, float]:
    """Times one call; returns milliseconds by component."""
    with marked(type(engine.encoder)), torch.profiler.profile(activities=[ProfilerActivity.CPU]) as profiler:
        latency = engine.tag_batch(texts, strategy, batch_size=len(texts))[0].latency
    spent: dict[str, float] = defaultdict(float)
    for event in profiler.events() or ():
        if event.name.startswith(MARK) and not _is_within_recovery(event):
            spent[event.name.removeprefix(MARK)] += event.cpu_time_total / 1e3
    passes = spent.pop(PASS, 0.0)
    gates = passes - spent["embedding"] - spent["layers"] - spent["recovery"]
    return spent | {"gates": gates, "rest": latency.total_ms - spent["tokenization"] - passes - spent["decoding"]}


def _is_within_recovery(event: Any) -> bool:
    parent = event.cpu_parent
    while parent is not None and parent.name != MARK + "recovery":
        parent = parent.cpu_parent
    return parent is not None


@contextmanager
def marked(encoder: type[Encoder]) -> Iterator[None]:
    """Makes the functions of each component record a mark, and passes run one after another."""
    functions: tuple[tuple[Any, str, str], ...] = (
        (WordPieces, "of_texts", "tokenization"),
        (tagger, "run", PASS),
        (encoder, "embed", "embedding"),
        (encoder, "layer", "layers"),
        (Recovery, "choose", "recovery"),
        (forward, "recover", "recovery"),
        (LabelSet, "decode", "decoding"),
    )
    with ExitStack() as stack:
        stack.enter_context(patch.object(Engine, "passes", _run_passes_in_turn))
        for owner, name, component in functions:
            stack.enter_context(patch.object(owner, name, _with_mark(getattr(owner, name), component)))
        yield


def _run_passes_in_turn(
    _: Engine, windows: Sequence[Sequence[Window]], run: Callable[[RaggedBatch], MemoryBuffer], *, ahead: bool
) -> Iterator[tuple[Chunk, MemoryBuffer]]:
    """Replaces `Engine.passes`, which uses several threads."""
    for chunk in chunks(windows, tagger.MAX_ROWS, 1):
        yield chunk, run(chunk.batch)


def _with_mark(function: Callable[..., Any], component: str) -> Callable[..., Any]:
    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        with record_function(MARK + component):
            result = function(*arguments, **named)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            return result

    return call
