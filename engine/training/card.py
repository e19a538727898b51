"""Presents what ``engine.training.accelerate`` made: measured operating points, their table, and the model card."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
import transformers
from tqdm import tqdm

from engine.data.corpora import Corpus
from engine.latency import PASSES, Latency, busy_share, speedup, time_variants
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.runs import Log
from engine.tagger import Engine
from engine.text.scoring import f1_difference_error, perfect
from engine.training.sweep import Sweep
from engine.training.trials import SLACK, Trial, f1_of

STRATEGY = "entropy"  # the strategy whose operating points are chosen
LARGEST_BATCH, BATCHES, TIMED = 32, 5, 160  # texts per call; minimum number of timed calls; maximum number of texts
NOISE = 1.05  # a measured speed-up more than this many times the theoretical one is noise
BUSY = 0.1  # share of the processors in use by others from which figures are doubtful


@dataclass(frozen=True)
class Row:
    """A measured setting.

    ``name``: ``dense`` or the operating point.
    ``trial``: the setting on the held-out texts; its F1 is the agreement with the checkpoint's dense output.
    ``max_drop``: pp of agreement that the operating point may lose.
    ``reached``: whether any setting loses so little; if not, this is the closest one.
    ``speedups``: batch size → dense ÷ own time here, where enough batches were timed without noise.
    ``f1``: exact-span micro F1 on a corpus, 0–1, if one was given.
    """

    name: str
    trial: Trial
    max_drop: float = 0.0
    reached: bool = True
    speedups: Mapping[int, float] = field(default_factory=dict)
    f1: float | None = None

    @property
    def stored(self) -> bool:
        """Whether it becomes an operating point: one that was measured, and nowhere faster than dense, is of no use."""
        return self.reached and (not self.speedups or max(self.speedups.values()) > 1)

    @property
    def error(self) -> float:
        """Standard error of the agreement, in %."""
        return 100 * f1_difference_error(self.trial.counts, perfect(self.trial.counts))


def measure_rows(
    dense: Trial, sweep: Sweep, texts: Sequence[str], corpus: Corpus | None, file: Path
) -> tuple[list[Row], float]:
    """Returns rows for dense and each operating point, and the share of the processors that others used before timing.

    An operating point that is not reached has the closest setting. ``dense`` is the dense pass over the sweep's texts.
    At most `TIMED` texts are timed. What the file, a log of times and F1, contains is not measured again.
    """
    chosen, closest = sweep.chosen(STRATEGY), sweep.closest(STRATEGY)
    rows = [Row("dense", dense)]
    for point, max_drop in zip(OPERATING_POINTS, sweep.limits, strict=True):
        if trial := chosen.get(point) or closest:
            rows.append(Row(point, trial, max_drop, reached=point in chosen))
    log = Log(file)
    measured = {Strategy.from_json(record["strategy"]): record for record in log}
    settings = dict.fromkeys(replace(row.trial.strategy, point="") for row in rows if row.reached)
    if fresh := [one for one in settings if one not in measured]:
        texts, busy = texts[:TIMED], busy_share()
        sizes = [size for size in (1, min(LARGEST_BATCH, len(texts) // BATCHES)) if 0 < size * BATCHES <= len(texts)]
        timed = {size: speedups(sweep.engine, fresh, texts, size) for size in dict.fromkeys(sizes)}
        for number, one in enumerate(fresh):
            f1 = f1_of(sweep.engine, corpus, one) if corpus else None
            ratios = {size: of[number] for size, of in timed.items()}
            measured[one] = {"strategy": one.to_json(), "speedups": ratios, "f1": f1, "busy": busy}
            log.append(measured[one])  # in JSON, batch sizes become strings
    for number, row in enumerate(rows):
        if row.reached:
            record, credible = measured[replace(row.trial.strategy, point="")], NOISE * row.trial.theoretical_speedup
            times = {int(size): ratio for size, ratio in record["speedups"].items() if ratio <= credible}
            rows[number] = replace(row, speedups=times, f1=record["f1"])
    return rows, max(measured[one]["busy"] for one in settings)


def speedups(engine: Engine, strategies: Sequence[Strategy], texts: Sequence[str], batch_size: int) -> list[float]:
    """Returns dense end-to-end time ÷ that of each strategy, timed as in reports by `engine.latency.time_variants`."""
    variants = list(dict.fromkeys([Strategy("dense"), *strategies]))
    batches = [texts[begin : begin + batch_size] for begin in range(0, len(texts), batch_size)]

    def call(variant: int, batch: int) -> Latency:
        return engine.tag_batch(batches[batch], variants[variant], batch_size=batch_size)[0].latency

    calls = (PASSES + 1) * len(variants) * len(batches)
    with tqdm(total=calls, desc=f"timing, batch {batch_size}", disable=None) as bar:
        times = list(time_variants(range(len(variants)), len(batches), call, bar.update).values())
    return [speedup(times[0], times[variants.index(one)]) for one in strategies]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts on the card besides the table.

    ``checkpoint``, ``types``, ``layers``, ``frozen``: the model.
    ``gold``, ``texts``, ``passes``: the training data: corpora with gold, number of texts, passes over them.
    ``held_out``, ``windows``, ``entities``: number of texts that operating points were chosen on, of their windows, and
    of the entities that the checkpoint finds in them; ``spare``: held-out texts that time did not allow for.
    ``minutes``: duration, or that of the last start if the run was ``resumed``.
    ``device``, ``dtype``: what settings ran on; ``busy``: share of the processors, 0–1, that others used before timing.
    ``corpus``, ``checkpoint_f1``: corpus with gold, and the checkpoint's own F1 on it, 0–1.
    """

    checkpoint: str
    types: tuple[str, ...]
    layers: int
    frozen: bool
    gold: str
    texts: int
    passes: float
    spare: int
    held_out: int = 0
    windows: int = 0
    entities: int = 0
    minutes: float = 0.0
    resumed: bool = False
    device: str = ""
    dtype: str = ""
    busy: float = 0.0
    corpus: str = ""
    checkpoint_f1: float | None = None


def table(rows: Sequence[Row]) -> str:
    """Returns a Markdown table."""
    sizes = sorted({size for row in rows for size in row.speedups})
    with_f1 = any(row.f1 is not None for row in rows)
    head = ["operating point (may lose)", "agreement ± standard error, %", "lost against `dense`, pp"]
    head += ["token-layers kept", "theoretical speed-up"]
    head += [f"measured, batch {size}" for size in sizes] + ["F1"] * with_f1
    lines = [head, ["---"] * len(head)]
    for row in rows:
        name = "`dense`" if row.name == "dense" else f"`{row.name}` ({row.max_drop:g})"
        if row.name != "dense" and not row.stored:
            name += ": no faster than `dense`, not stored" if row.reached else ": not reached; the closest"
        cells = [name, f"{100 * row.trial.f1:.2f} ± {row.error:.2f}"]
        cells += ["–" if row.name == "dense" else f"{row.trial.loss:.2f} ± {row.trial.loss_error:.2f}"]
        cells += [f"{row.trial.cost.token_layers_kept:.0%}", f"{row.trial.theoretical_speedup:.2f}×"]
        cells += [f"{row.speedups[size]:.2f}×" if size in row.speedups else "–" for size in sizes]
        lines.append(cells + ["–" if row.f1 is None else f"{row.f1:.4f}"] * with_f1)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def card(rows: Sequence[Row], facts: Facts, command: str) -> str:
    """Returns the model card, Markdown; ``command`` is the one that made the model."""
    training = "Encoder and gate heads were trained while words exited."
    if facts.frozen:
        training = "Only the gate heads were fitted; all other files are the checkpoint's."
    busy = gold_f1 = ""
    if facts.busy > BUSY:
        busy = f" Other processes used {facts.busy:.0%} of the processors before timing."
    if facts.checkpoint_f1 is not None:
        gold_f1 = f" F1 is measured on {_escape(facts.corpus)}; the checkpoint itself has {facts.checkpoint_f1:.4f}."
    gold = f", together with gold of {_escape(facts.gold)}" if facts.gold else "; no gold was learned from"
    strategy = ["dense", *(f"{STRATEGY}:{row.name}" for row in rows[1:] if row.stored)][-1]
    # The hub refuses a card whose base model it does not have.
    base = "" if Path(facts.checkpoint).is_dir() else f"base_model: {json.dumps(facts.checkpoint)}\n"
    return f"""---
{base}pipeline_tag: token-classification
tags: [token-pruning, early-exit]
---

# {_escape(facts.checkpoint)}, with gates

A token-classification checkpoint with a label head after each of its {facts.layers} layers, so that words can exit
early. It finds {_escape(", ".join(facts.types))}. {training}

## Operating points

{table(rows)}
Agreement is F1 of the entities found against those that the checkpoint finds without pruning, on {facts.held_out}
texts that were not learned from ({facts.windows} windows, in which the checkpoint finds {facts.entities} entities);
standard errors are by text. `dense` is this model with every word computed to the end. A setting qualifies if its loss
against `dense` plus one standard error is within what the operating point may lose, and its theoretical speed-up is
within {SLACK:.0%} of the highest of these; the operating point is the one for which that sum is smallest. Settings ran
in {facts.dtype}, the checkpoint in float32. Times are end-to-end on {facts.device}, against `dense` in the same run, on
at most {TIMED} of these texts: a small sample. A dash means fewer than {BATCHES} batches, or more than {NOISE:g} times
the theoretical speed-up, which would be noise.{busy}{gold_f1}

## Use

```python
from engine import load_engine

engine = load_engine("FOLDER")
engine.tag("…", "{strategy}").entities
```

The folder also loads as a plain checkpoint with `transformers.AutoModelForTokenClassification`.

## How it was made

```sh
{command}
```

The model learned the checkpoint's own output on {facts.texts} texts, in {facts.passes:.2g} passes over them{gold};
{"the last start" if facts.resumed else "everything"} took {facts.minutes:.0f} minutes.
"""


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
