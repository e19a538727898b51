"""Presents what a sweep chose: measured operating points, their table, and the card of what ``accelerate`` made."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from tqdm import tqdm

from engine.latency import BUSY, PASSES, Latency, busy_share, speedup, time_variants
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from engine.text.scoring import f1_difference_error, perfect
from engine.training.sweep import Sweep
from engine.training.trials import MIN_DENSE_F1, SLACK, Requirement, Trial

STRATEGY = "entropy"  # the strategy whose operating points `accelerate` chooses
BATCH_SIZES, BATCHES, TIMED = (1, 32), 5, 160  # texts per call; minimum number of calls timed; maximum number of texts
STEADY_WINDOWS = 1000  # held-out windows from which operating points hardly depend on chance


@dataclass(frozen=True)
class Row:
    """A measured setting.

    ``trial``: the setting on the held-out texts; its F1 is the agreement with the reference.
    ``requirement``: that of the operating point; ``None`` for dense.
    ``reached``: whether the sweep chose the setting; if not, it is the closest one.
    """

    trial: Trial
    requirement: Requirement | None = None
    reached: bool = True

    @property
    def name(self) -> str:
        """``dense`` or the operating point."""
        return self.requirement.point if self.requirement else "dense"

    @property
    def stored(self) -> bool:
        """Whether it becomes an operating point. One that was chosen may turn out to be no faster than dense."""
        return self.requirement is not None and self.reached and self.requirement.accepts(self.trial)

    @property
    def error(self) -> float:
        """Standard error of the agreement, in %."""
        return 100 * f1_difference_error(self.trial.counts, perfect(self.trial.counts))


def rows_of(sweep: Sweep, name: str) -> list[Row]:
    """Returns a row for each operating point of a strategy; one that no setting reaches has the closest, if any."""
    chosen, closest = sweep.chosen(name), sweep.closest(name)
    rows = []
    for requirement in sweep.requirements:
        if trial := chosen.get(requirement.point) or closest:
            rows.append(Row(trial, requirement, reached=requirement.point in chosen))
    return rows


def points_of(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Maps operating points to their settings, as they are stored."""
    return {row.name: row.trial.strategy.to_json() for row in rows if row.stored}


def measure_rows(dense: Trial, sweep: Sweep, texts: Sequence[str]) -> tuple[list[Row], float]:
    """Returns rows for dense and each operating point, and the share of the processors that others used before timing.

    ``dense`` is the dense pass over the sweep's texts. At most `TIMED` texts are timed, at each of `BATCH_SIZES` that
    has enough batches.
    """
    rows = [Row(dense), *rows_of(sweep, STRATEGY)]
    settings = [row.trial.strategy for row in rows if row.reached]
    texts, busy = texts[:TIMED], busy_share()
    timed = {
        size: dict(zip(settings, speedups(sweep.engine, settings, texts, size), strict=True))
        for size in BATCH_SIZES
        if len(texts) >= BATCHES * size
    }
    for number, row in enumerate(rows):
        if row.reached:
            measured = {size: of[row.trial.strategy] for size, of in timed.items()}
            rows[number] = replace(row, trial=replace(row.trial, speedups=measured))
    return rows, busy


def speedups(engine: Engine, strategies: Sequence[Strategy], texts: Sequence[str], batch_size: int) -> list[float]:
    """Returns end-to-end time of the first strategy ÷ that of each, timed by `engine.latency.time_variants`."""
    batches = [texts[begin : begin + batch_size] for begin in range(0, len(texts), batch_size)]

    def call(variant: int, batch: int) -> Latency:
        return engine.tag_batch(batches[batch], strategies[variant], batch_size=batch_size)[0].latency

    calls = (PASSES + 1) * len(strategies) * len(batches)
    with tqdm(total=calls, desc=f"timing, batch {batch_size}", disable=None) as bar:
        times = list(time_variants(range(len(strategies)), len(batches), call, bar.update).values())
    return [speedup(times[0], one) for one in times]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts on the card besides the table.

    ``checkpoint``, ``student``, ``types``, ``layers``: the model, and what it was before, if a student.
    ``texts``, ``passes``: the number of texts that were learned from, and of passes over them.
    ``held_out``, ``windows``, ``entities``: number of texts that operating points were chosen on, of their windows, and
    of the entities that the checkpoint finds in them.
    ``minutes``: duration of the last start.
    ``device``, ``dtype``: what settings ran on; ``busy``: share of the processors, 0–1, that others used before timing.
    """

    checkpoint: str
    student: str
    types: tuple[str, ...]
    layers: int
    texts: int
    passes: float
    held_out: int
    windows: int
    entities: int
    minutes: float
    device: str
    dtype: str
    busy: float


def table(rows: Sequence[Row], sizes: Sequence[int] = BATCH_SIZES) -> str:
    """Returns a Markdown table, with measured speed-ups at some batch sizes."""
    head = ["operating point (may lose, pp)", "agreement ± standard error, %", "lost against `dense`, pp"]
    head += ["token-layers kept", "theoretical speed-up"]
    head += [f"measured, batch {size}" for size in sizes]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        cells = ["`dense`", f"{100 * row.trial.f1:.2f} ± {row.error:.2f}", "–"]
        if row.requirement:
            name = f"`{row.name}` ({row.requirement.max_loss:g})"
            if not row.stored:
                name += ": no faster than `dense`, not stored" if row.reached else ": not reached; the closest"
            cells = [name, cells[1], f"{row.trial.loss:.2f} ± {row.trial.loss_error:.2f}"]
        cells += [f"{row.trial.cost.token_layers_kept:.0%}", f"{row.trial.theoretical_speedup:.2f}×"]
        cells += [f"{row.trial.speedups[size]:.2f}×" if size in row.trial.speedups else "–" for size in sizes]
        lines.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def card(rows: Sequence[Row], facts: Facts, made_by: str) -> str:
    """Returns the model card, Markdown; ``made_by`` is the command or call that made the model."""
    title, began = f"{_escape(facts.checkpoint)}, with gates", ""
    if facts.student:
        title = f"A student of {_escape(facts.checkpoint)}, with gates"
        began = f" It began as {_escape(facts.student)}."
    busy = f" Other processes used {facts.busy:.0%} of the processors before timing." if facts.busy > BUSY else ""
    conditions = [f"`{row.name}` is a setting where {row.requirement.describe()}." for row in rows if row.requirement]
    condition = f" {conditions[0]} The others have their own limits." if conditions else ""
    strategy = ["dense", *(f"{STRATEGY}:{row.name}" for row in rows if row.stored)][-1]
    # The hub refuses a card whose base model it does not have.
    origin = facts.student or facts.checkpoint
    base = "" if Path(origin).is_dir() else f"base_model: {json.dumps(origin)}\n"
    return f"""---
{base}pipeline_tag: token-classification
tags: [token-pruning, early-exit]
---

# {title}

A token-classification checkpoint with a label head after each of its {facts.layers} layers, so that words can exit
early. It finds {_escape(", ".join(facts.types))}.{began} Encoder and gate heads were trained while words exited.

## Operating points
{unlike(rows[0])}
{table(rows)}
Agreement is F1 of the entities found against those that the checkpoint finds without pruning, on {facts.held_out}
texts that were not learned from ({facts.windows} windows, in which the checkpoint finds {facts.entities} entities);
standard errors are by text. `dense` is this model with every word computed to the end.{condition} Of the settings
within {SLACK:.0%} of the highest theoretical speed-up, the one whose loss plus standard error is smallest was taken.
Settings ran in {facts.dtype}, the checkpoint in float32. Times are end-to-end on {facts.device}, against `dense` in the
same run, on at most {TIMED} of these texts: a small sample. A dash means fewer than {BATCHES} batches.{busy}

## Use

```python
from engine import load_engine

engine = load_engine("FOLDER")
engine.tag("…", "{strategy}").entities
```

The folder also loads as a plain checkpoint with `transformers.AutoModelForTokenClassification`.

## How it was made

```
{made_by}
```

The model learned the checkpoint's own output on {facts.texts} texts, in {facts.passes:.2g} passes over them; no gold
was learned from. The last start took {facts.minutes:.0f} minutes.
"""


def unlike(dense: Row) -> str:
    """Says that a model's dense pass is too unlike the checkpoint's for operating points; empty if it is not."""
    if dense.trial.f1 >= MIN_DENSE_F1:
        return ""
    return (
        f"\nThere is nothing to choose operating points by: without pruning, this model agrees with the checkpoint to "
        f"{dense.trial.f1:.0%} only. Train longer, or on more texts.\n"
    )


def warnings(rows: Sequence[Row], facts: Facts, time_out: str, *, spare: bool) -> Iterator[str]:
    """Yields what time did not suffice for, and what makes the figures less reliable than they look.

    ``time_out`` is what the sweep says of its time; ``spare``: whether time did not allow for all held-out texts.
    """
    if facts.busy > BUSY:
        yield f"other processes used {facts.busy:.0%} of the processors before timing"
    if time_out:
        yield f"{time_out}; start again with more minutes"
    if told := unlike(rows[0]).strip():
        yield told
    for row in rows[1:]:
        if row.reached and not row.stored:
            yield f"{STRATEGY}:{row.name} was measured to be no faster than dense and is not stored"
    if not any(row.stored for row in rows):
        yield f"no operating point is stored: {STRATEGY} runs with default settings, whose loss was not measured"
    if facts.passes < 1:
        yield (
            f"training had time for {facts.passes:.2g} passes over the {facts.texts} texts that were labelled; "
            "start again with more minutes"
        )
    if facts.windows < STEADY_WINDOWS:
        yield (
            f"only {facts.windows} windows were held out: the agreement has a standard error of up to "
            f"{max(row.error for row in rows):.2f} pp, and the operating points depend on chance; {STEADY_WINDOWS} "
            f"windows or more are steady: {'give more minutes' if spare else 'hold out more texts'}"
        )


def device_name(device: torch.device) -> str:
    """The hardware and the versions that times depend on."""
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({versions})"
    threads = torch.get_num_threads()
    return f"a CPU ({platform.machine()}), {threads} thread{'s' * (threads > 1)} ({versions})"


def _escape(text: str) -> str:
    """Escapes text so that Markdown shows it unchanged."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!&" else c for c in text.replace("\n", " "))
