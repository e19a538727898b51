"""The table of measured operating points, and the model card of what ``accelerate`` made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.training.agreement import SLACK, Trial

BATCH_SIZES = (1, 32)  # texts per call that are timed


@dataclass(frozen=True)
class Row:
    """A row of the table.

    ``name``: ``dense`` or the operating point.
    ``trial``: its setting on the held-out texts; its F1 is the agreement with the reference.
    ``limit``: pp that it may lose; ``None`` for dense.
    ``reached``: whether a setting loses no more; if not, the trial is the setting that loses least.
    """

    name: str
    trial: Trial
    limit: float | None = None
    reached: bool = True

    @property
    def stored(self) -> bool:
        """Whether it becomes an operating point. One that was chosen may turn out to be no faster than dense."""
        return self.limit is not None and self.reached and self.trial.able


def rows_of(chosen: Mapping[str, Trial], closest: Trial | None, limits: Mapping[str, float]) -> list[Row]:
    """Returns a row for each operating point; one that no setting reaches has the closest, if any."""
    pairs = ((point, limit, chosen.get(point) or closest) for point, limit in limits.items())
    return [Row(point, trial, limit, reached=point in chosen) for point, limit, trial in pairs if trial]


def table(rows: Sequence[Row], sizes: Sequence[int] = BATCH_SIZES) -> str:
    """Returns a Markdown table, with measured speed-ups at some batch sizes."""
    head = ["operating point (may lose, pp)", "agreement ± standard error, %", "lost against `dense`, pp"]
    head += ["token-layers kept", "theoretical speed-up"]
    head += [f"measured, batch {size}" for size in sizes]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        trial = row.trial
        cells = ["`dense`", f"{100 * trial.f1:.2f} ± {100 * trial.f1_error:.2f}", "–"]
        if row.limit is not None:
            name = f"`{row.name}` ({row.limit:g})"
            if not row.stored:
                name += ": no faster than `dense`, not stored" if row.reached else ": not reached; the closest"
            cells = [name, cells[1], f"{trial.loss:.2f} ± {trial.loss_error:.2f}"]
        cells += [f"{trial.cost.token_layers_kept:.0%}", f"{trial.theoretical_speedup:.2f}×"]
        cells += [f"{trial.speedups[size]:.2f}×" if size in trial.speedups else "–" for size in sizes]
        lines.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def card(rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """Returns the model card, Markdown, from the table's rows and `engine.training.make_fast.facts_of`."""
    student, strategy = facts["student"], facts["strategy"]
    title = f"A student of {_escape(facts['checkpoint'])}" if student else _escape(facts["checkpoint"])
    shown = ["dense", *(f"{strategy}:{row.name}" for row in rows if row.stored)][-1]
    # The hub refuses a card whose base model it does not have.
    origin = student or facts["checkpoint"]
    base = "" if Path(origin).is_dir() else f"base_model: {json.dumps(origin)}\n"
    return f"""---
{base}pipeline_tag: token-classification
tags: [token-pruning, early-exit]
---

# {title}, with gates

This model tags {", ".join(map(_escape, facts["types"]))}. It has {facts["layers"]} layers and a label head after each,
so that words can exit early.{f" It began as {_escape(student)}." if student else ""}

## Measured

{table(rows)}
*Agreement* is F1 of the entities that a strategy finds against those of the checkpoint, on {facts["held_out"]}
texts that were not learned from ({facts["windows"]} windows, {facts["entities"]} entities), with its standard error by
text. `dense` computes every word to the end. An operating point is the fastest setting that was found whose loss
against `dense` plus one standard error is at most its limit; of those within {SLACK:.0%} of its MACs, the one that
loses least. Settings ran in {facts["dtype"]}, the checkpoint in float32. Times are end-to-end on {facts["device"]},
against `dense` in the same run, while other processes used {facts["busy"]:.0%} of the processors.

## Use

```python
from engine import load_engine

engine = load_engine("FOLDER")
engine.tag("…", "{shown}").entities
```

The folder also loads as a plain checkpoint with `transformers.AutoModelForTokenClassification`.

## How it was made

```
{facts["made_by"]}
```

The model learned the checkpoint's own output on {facts["texts"]} texts, in {facts["passes"]:.2g} passes over them; no
gold was learned from. The last start took {facts["minutes"]:.0f} minutes.
"""


def _escape(text: str) -> str:
    """Escapes text so that Markdown shows it unchanged."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!&" else c for c in text.replace("\n", " "))
