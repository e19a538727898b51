"""Measures the cost of variants by formula, by counter and by the clock, for ``cost.csv``.

One row for each variant, batch size, measure and group:

- ``gmacs``: 10⁹ MACs per document, over the first ``COUNTED`` documents one by one, by ``formula``
  (`engine.inspection.cost`) and by torch's own ``counter``, which sees matrix products and attention in whole calls
  (attention scores that a gate needs besides the encoder's are matrix products, too) but not OpenVINO's layers;
- ``token_layers``: share of the dense rows that each layer computed, rows recovered included;
- ``theoretical``, ``measured``, ``measured_low``, ``measured_high``: speed-up against dense in the same dtype (in the
  first one if dense did not run in it) by MACs, and by the clock with its 95 % interval, over ``all`` timed documents
  and, at batch size 1, by rows of the document (word pieces);
- ``held_mib``: memory that a process with the engine alone occupies after a call under ``dense``, packed copies of
  weights included.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from engine.model.chunks import chunks
from engine.model.onednn import flop_formulas
from engine.pruning.forward import run
from engine.pruning.strategy import Strategy
from engine.pytorch import MAX_ROWS
from engine.tagger import Engine
from eval import schema
from eval.measure.measured import Measured, dense_of
from eval.schema import ALL, DENSE
from eval.statistics import compare_speed

COUNTED = 8
EDGES = (0, 128, 256, 384, 512)  # rows at which groups of documents begin; the last group has no end
RESIDENT = "resident, process with it alone"
TEXT = "Six patients on famotidine (20 mg/day) had delirium, nausea and hypotension. " * 8
_FRESH_PROCESS = """
import sys, psutil, torch
from engine.tagger import load_engine
source, dtype, device, labels, threads, text = sys.argv[1:]
torch.set_num_threads(int(threads))
load_engine(source, dtype, device, labels or None).tag(text, "dense")
print(psutil.Process().memory_info().rss)
"""


def cost_rows(
    texts: Sequence[str], measured: Mapping[int, Mapping[str, Measured]], seed: int
) -> Iterator[tuple[str, str, int, str, str, float]]:
    """Yields the cells of the rows of ``cost.csv``, see `eval.schema.CostMeasure`.

    ``texts``: of all documents. ``measured``: by batch size and variant.
    """
    for size, by_key in measured.items():
        first = size == min(measured)
        engines: dict[Engine, None] = {}
        for one in by_key.values():
            variant, dense = one.variant, dense_of(by_key, one.variant.dtype)
            for measure, group, value in _variant_costs(texts, one, dense, seed, first=first):
                yield variant.name, variant.dtype, size, measure, group, value
            if variant.engine and variant.strategy:
                engines[variant.engine] = None
        for engine in engines if first else ():
            if occupied := resident_memory(engine):
                yield DENSE, engine.dtype, size, schema.HELD_MEMORY, RESIDENT, occupied / 2**20


def _variant_costs(
    texts: Sequence[str], one: Measured, dense: Measured, seed: int, *, first: bool
) -> Iterator[tuple[str, str, float]]:
    """Yields measure, group and value; counts MACs only at the ``first`` batch size."""
    yield from _speedups(one, dense, seed)
    engine, strategy = one.variant.engine, one.variant.strategy
    if one.cost is None:
        return
    for layer, rows in enumerate(one.cost.rows, 1):
        share = rows * len(one.cost.rows) / one.cost.dense_token_layers
        yield schema.TOKEN_LAYERS, f"layer {layer}", share
    # For ``random``, the counter would include the strategy that it replays.
    if first and engine and strategy:
        counted = texts[:COUNTED]
        yield schema.GMACS, "formula", float(one.macs[:COUNTED].sum()) / 1e9 / len(counted)
        if engine.compiled is None:
            yield schema.GMACS, "counter", count_macs(engine, counted, strategy) / 1e9 / len(counted)


def count_macs(engine: Engine, texts: Sequence[str], strategy: Strategy) -> float:
    """Counts MACs with torch's counter in one call per text; includes rows that are added by rounding."""
    counter = FlopCounterMode(display=False, custom_mapping=flop_formulas())
    with counter:
        for text in texts:  # in this thread, in which the counter counts
            for chunk in chunks(engine.pieces.of_texts([text])[1], MAX_ROWS):
                run(engine.model, chunk.batch, strategy)
    return counter.get_total_flops() / 2


def _speedups(one: Measured, dense: Measured, seed: int) -> Iterator[tuple[str, str, float]]:
    """Yields theoretical and measured speed-ups over all timed documents and, one by one, by length."""
    times, dense_times = one.times.batches, dense.times.batches
    groups = {ALL: np.ones(len(times), dtype=bool)}
    if one.batch_size == 1:
        rows = dense.rows[dense.timed]
        for low, high in zip(EDGES, (*EDGES[1:], None), strict=True):
            name = f"over {low} rows" if high is None else f"{low + 1}–{high} rows"
            groups[name] = (rows > low) & (rows <= (high or rows.max()))
    for group, inside in groups.items():
        if not inside.any():
            continue
        compared = compare_speed([times[inside]], [dense_times[inside]], seed)
        yield schema.MEASURED, group, compared["speedup"]
        yield schema.MEASURED_LOW, group, compared["speedup_low"]
        yield schema.MEASURED_HIGH, group, compared["speedup_high"]
        if one.cost is not None:
            chosen = one.timed[inside] if one.batch_size == 1 else one.timed
            ratio = dense.macs[chosen].sum() / one.macs[chosen].sum()
            yield schema.THEORETICAL, group, float(ratio)


def resident_memory(engine: Engine) -> int | None:
    """Bytes that a fresh process occupies after its first call; ``None`` if it fails, e.g. out of memory."""
    threads = str(torch.get_num_threads())
    arguments = engine.source, engine.dtype, str(engine.device), engine.labels_file, threads, TEXT
    done = subprocess.run(
        [sys.executable, "-c", _FRESH_PROCESS, *arguments], capture_output=True, text=True, check=False
    )
    return int(done.stdout) if done.returncode == 0 else None
