"""What strategies cost, by formula, by counting and by the clock: ``cost.csv``.

One row for each strategy, batch size, measure and group:

- ``gmacs``: 10⁹ multiply-adds a document over the first ``COUNTED`` documents one by one, by ``formula`` (that of
  `engine.inspection.cost`) and by torch's own ``counter`` (which sees matrix products and attention, of whole calls;
  attention scores that a gate reads beside the encoder's are matrix products, too);
- ``token_layers``: share of the dense rows that each layer computed, rows of reruns included;
- ``promised``, ``realised``, ``realised_low``, ``realised_high``: speed-up against dense by multiply-adds, by the clock
  and its 95 % interval, over ``all`` documents and, at batch size 1, by rows of the document (word pieces);
- ``peak_mib``: most memory that tensors took at once during a call on the first batch, weights not counted;
- ``ms``: where the time of a call goes, by component, in milliseconds a document over the first ``TIMED`` documents.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from engine.model.linear import PACKABLE
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from eval.analysis.statistics import speedup_interval
from eval.measure.evaluate import Measured
from eval.profile import profile

COUNTED, TIMED = 8, 8
EDGES = (0, 128, 256, 384, 512)  # of the buckets by rows; the last one has no end

Row = dict[str, Any]

os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # torch's profiler writes to standard error otherwise


def cost_rows(
    engine: Engine, texts: Sequence[str], measured: Mapping[int, Mapping[str, Measured]], seed: int
) -> Iterator[Row]:
    """The rows of ``cost.csv``.

    Args:
        engine: that of the run.
        texts: the first documents of the corpus, as many as `texts_needed`.
        measured: by batch size and name.
        seed: of the bootstrap.
    """
    for size, by_name in measured.items():
        dense = by_name["dense"]
        for one in by_name.values():
            about = {"strategy": one.name, "batch_size": size}
            for row in _speed(one, dense, seed):
                yield about | row
            if one.variant.strategy is None or one.cost is None:
                continue
            for layer, rows in enumerate(one.cost.rows, 1):
                share = rows * len(one.cost.rows) / one.cost.dense_token_layers
                yield about | {"measure": "token_layers", "group": f"layer {layer}", "value": share}
            if one.variant.replays is not None:
                continue  # counter, memory and timers would see what it replays, too
            peak = peak_memory(engine, texts[:size], one.variant.strategy)
            yield about | {"measure": "peak_mib", "group": "tensors", "value": peak / 2**20}
            if size == min(measured):
                formula = float(one.multiply_adds[:COUNTED].sum())
                counter = count(engine, texts[:COUNTED], one.variant.strategy)
                for group, value in (("formula", formula), ("counter", counter)):
                    yield about | {"measure": "gmacs", "group": group, "value": value / 1e9 / len(texts[:COUNTED])}
        ours = [one.variant for one in by_name.values() if one.name != "hf" and one.variant.replays is None]
        strategies = [variant.strategy for variant in ours if variant.strategy]
        for row in profile(engine, texts[:TIMED], strategies, size):
            about = {"strategy": row["strategy"], "batch_size": size}
            yield about | {"measure": "ms", "group": row["component"], "value": row["ms_per_document"]}


def texts_needed(batch_sizes: Sequence[int]) -> int:
    """How many documents `cost_rows` looks at."""
    return max(*batch_sizes, COUNTED, TIMED)


def count(engine: Engine, texts: Sequence[str], strategy: Strategy) -> float:
    """Multiply-adds of calls on the texts, one by one, by torch's counter; rows that rounding adds count."""
    unknown: dict[Any, Any] = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
    if PACKABLE:
        unknown[torch.ops.mkldnn._linear_pointwise] = _packed_linear
    counter = FlopCounterMode(display=False, custom_mapping=unknown)
    with counter:
        engine.tag_batch(texts, strategy, batch_size=1)
    return counter.get_total_flops() / 2


def _packed_linear(rows: torch.Size, weight: torch.Size, *_: Any, **__: Any) -> int:
    """What the counter does not know: a multiply with packed weights."""
    return 2 * rows.numel() * weight[0]


def _attention(query: torch.Size, key: torch.Size, value: torch.Size, *_: Any, **__: Any) -> int:
    """What the counter does not know: attention on a CPU."""
    return int(sdpa_flop_count(query, key, value))


def peak_memory(engine: Engine, texts: Sequence[str], strategy: Strategy) -> int:
    """Bytes that tensors took at most at once during a call, beside those that were there before."""
    if engine.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(engine.device)
        before = torch.cuda.memory_allocated(engine.device)
        engine.tag_batch(texts, strategy, batch_size=len(texts))
        return torch.cuda.max_memory_allocated(engine.device) - before
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profiler:
        engine.tag_batch(texts, strategy, batch_size=len(texts))
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return int(np.cumsum([0, *(event.nbytes() for event in events)]).max())


def _speed(one: Measured, dense: Measured, seed: int) -> Iterator[Row]:
    """Promised and realised speed-up, over all documents and by length."""
    times, dense_times = one.times.batches, dense.times.batches
    groups = {"all": np.ones(len(times), dtype=bool)}
    if one.batch_size == 1:
        rows = dense.rows
        for low, high in zip(EDGES, (*EDGES[1:], None), strict=True):
            name = f"over {low} rows" if high is None else f"{low + 1}–{high} rows"
            groups[name] = (rows > low) & (rows <= (high or rows.max()))
    for group, inside in groups.items():
        if not inside.any():
            continue
        pace = speedup_interval([dense_times[inside]], [times[inside]], seed)
        values = {"realised": dense_times[inside].sum() / times[inside].sum()}
        values |= {"realised_low": pace.low, "realised_high": pace.high}
        if one.cost is not None:
            chosen = inside if one.batch_size == 1 else slice(None)
            values["promised"] = dense.multiply_adds[chosen].sum() / one.multiply_adds[chosen].sum()
        for measure, value in values.items():
            yield {"measure": measure, "group": group, "value": float(value)}
