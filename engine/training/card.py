"""The table of operating points that ends ``engine.training.accelerate``, and the model card written from it."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers

from engine.training.outcome import Row
from engine.training.points import SLACK

STRATEGY = "entropy"  # whose points these are


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the card says besides the table.

    ``checkpoint``, ``types``, ``layers``, ``frozen``: of the model.
    ``texts``, ``passes``: how many texts were learned from, and how often; ``minutes``: for everything, or if it was
    ``resumed``, since the last start.
    ``held_out``, ``windows``, ``entities``, ``timed``: texts that points were chosen on, their windows, what the
    checkpoint finds in them, and those that were timed.
    ``device``, ``dtype``: what settings ran on and in.
    ``corpus``, ``checkpoint_f1``: gold that F1 was counted on, and the checkpoint's own F1.
    """

    checkpoint: str
    types: tuple[str, ...]
    layers: int
    frozen: bool
    texts: int
    passes: float
    minutes: float
    resumed: bool
    held_out: int
    windows: int
    entities: int
    timed: int
    device: str
    dtype: str
    corpus: str = ""
    checkpoint_f1: float | None = None


def table(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    sizes = sorted({size for row in rows for size in row.speedups})
    with_f1 = any(row.f1 is not None for row in rows)
    head = ["point (may lose)", "agreement ± standard error, %", "lost against `dense`, points"]
    head += ["token-layers kept", "theoretical speed-up"]
    head += [f"measured, batch {size}" for size in sizes] + ["F1"] * with_f1
    lines = [head, ["---"] * len(head)]
    for row in rows:
        name = "`dense`" if row.name == "dense" else f"`{row.name}` ({row.max_drop:g})"
        name += "" if row.reached else ": not reached; the closest"
        agreement, loss = f"{row.agreement:.2f} ± {row.error:.2f}", f"{row.loss:.2f} ± {row.loss_error:.2f}"
        cells = [name, agreement, "–" if row.name == "dense" else loss]
        cells += [f"{row.token_layers_kept:.0%}", f"{row.theoretical_speedup:.2f}×"]
        cells += [f"{row.speedups[size]:.2f}×" if size in row.speedups else "–" for size in sizes]
        lines.append(cells + ["–" if row.f1 is None else f"{row.f1:.4f}"] * with_f1)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def card(rows: Sequence[Row], facts: Facts, command: str) -> str:
    """The model card, Markdown.

    Args:
        rows: of the table.
        facts: what it says besides.
        command: the one that made the model.
    """
    learned = "Encoder and gate heads were trained while words left."
    if facts.frozen:
        learned = "Only the gate heads were fitted; all other files are the checkpoint's."
    gold = ""
    if facts.checkpoint_f1 is not None:
        gold = f" F1 is that on {_plain(facts.corpus)}; the checkpoint itself has {facts.checkpoint_f1:.4f}."
    point = [row.name for row in rows if row.reached][-1]
    strategy = point if point == "dense" else f"{STRATEGY}:{point}"
    # The hub refuses a card whose base model it does not have.
    base = "" if Path(facts.checkpoint).is_dir() else f"base_model: {json.dumps(facts.checkpoint)}\n"
    return f"""---
{base}pipeline_tag: token-classification
tags: [token-pruning, early-exit]
---

# {_plain(facts.checkpoint)}, with gates

A token-classification checkpoint with a label head after each of its {facts.layers} layers, so that words can leave
early. It finds {_plain(", ".join(facts.types))}. {learned}

## Operating points

{table(rows)}
Agreement is F1 of the entities found against those that the checkpoint finds without pruning, on {facts.held_out}
texts that were not learned from ({facts.windows} windows, in which the checkpoint finds {facts.entities} entities);
standard errors are by text. `dense` is this model with no word leaving. Of the settings whose loss against it plus one
standard error is within what a point may lose, and whose theoretical speed-up is within {SLACK:.0%} of the highest
among them, the point is the one where that sum is smallest. Settings ran in {facts.dtype}, the checkpoint in float32;
times are end-to-end on {facts.device}, against `dense` in the same run, on {facts.timed} of these texts: a small
sample.{gold}

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

The checkpoint's own output on {facts.texts} texts was learned, in {facts.passes:.1f} passes over them;
{"the last start" if facts.resumed else "all"} took {facts.minutes:.0f} minutes. No gold was learned from.
"""


def device_name(device: torch.device) -> str:
    """The hardware and the versions that times depend on."""
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({versions})"
    threads = torch.get_num_threads()
    return f"a CPU ({platform.machine()}), {threads} thread{'s' * (threads > 1)} ({versions})"


def _plain(text: str) -> str:
    """Escapes text so that Markdown shows it as is."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!&" else c for c in text.replace("\n", " "))
