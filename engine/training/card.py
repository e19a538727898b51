"""What ``engine.training.accelerate`` ends with: operating points as measured, their table, and the model card."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
import transformers
from tqdm import tqdm

from engine.checkpoint import Weights, load_huggingface, optional_file
from engine.data.corpora import Corpus
from engine.latency import PASSES, Latency, busy_share, speedup, time_variants
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.runs import Log
from engine.tagger import Engine
from engine.text.scoring import f1_difference_error, perfect
from engine.training.sweep import Sweep
from engine.training.trials import SLACK, Trial, f1_of

STRATEGY = "entropy"  # whose operating points these are
LARGEST_BATCH, BATCHES, TIMED = 32, 5, 160  # texts in a call; fewest calls that are timed; most texts
NOISE = 1.05  # a measured speed-up above so many times the theoretical one is noise
BUSY = 0.1  # share of the processors that others may use
CONFIG, MODEL = "config.json", "model.safetensors"
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spm.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)


@dataclass(frozen=True)
class Row:
    """A setting as it was measured.

    ``name``: ``dense``, or of the operating point.
    ``max_drop``: pp of agreement that the operating point may lose.
    ``agreement``, ``error``: with the checkpoint's dense output, and its standard error, %.
    ``loss``, ``loss_error``: pp of agreement lost against the model's own dense pass, and their standard error.
    ``token_layers_kept``: share of the dense ones.
    ``theoretical_speedup``: dense ÷ own MACs.
    ``reached``: whether any setting loses so little; if not, this is the closest one, which is not stored.
    ``speedups``: batch size → dense ÷ own time here, where enough batches were timed without noise.
    ``f1``: exact-span micro F1 on a corpus, 0–1, if one was given.
    """

    name: str
    strategy: Strategy
    max_drop: float
    agreement: float
    error: float
    loss: float
    loss_error: float
    token_layers_kept: float
    theoretical_speedup: float
    reached: bool = True
    speedups: Mapping[int, float] = field(default_factory=dict)
    f1: float | None = None


def measured(
    engine: Engine, dense: Trial, sweep: Sweep, texts: Sequence[str], corpus: Corpus | None, file: Path
) -> tuple[list[Row], float]:
    """Dense and each operating point found, or for others the closest setting; and how busy the machine was, 0–1.

    Args:
        engine: with which settings were tried.
        dense: its dense pass on the reference.
        sweep: for operating points; the dense pass loses nothing there.
        texts: to time, of which at most `TIMED` are used.
        corpus: with gold, for F1.
        file: keeps times and F1, so that no start measures them again.
    """
    reference, chosen, closest = sweep.reference, sweep.chosen(STRATEGY), sweep.closest(STRATEGY)
    log = Log(file)
    known = {Strategy.from_json(record["strategy"]): record for record in log}
    settings = [dense.strategy, *(replace(one.strategy, point="") for one in chosen.values())]
    fresh, busy = [one for one in dict.fromkeys(settings) if one not in known], 0.0
    if fresh:
        texts, busy = texts[:TIMED], busy_share()
        sizes = [size for size in (1, min(LARGEST_BATCH, len(texts) // BATCHES)) if 0 < size * BATCHES <= len(texts)]
        timed = {size: speedups(engine, fresh, texts, size) for size in dict.fromkeys(sizes)}
        for number, one in enumerate(fresh):
            f1 = f1_of(engine, corpus, one) if corpus else None
            ratios = {str(size): of[number] for size, of in timed.items()}
            log.append({"strategy": one.to_json(), "speedups": ratios, "f1": f1})
        known = {Strategy.from_json(record["strategy"]): record for record in log}

    def row(name: str, one: Trial, max_drop: float, *, reached: bool = True) -> Row:
        record = known[replace(one.strategy, point="")] if reached else {"speedups": {}, "f1": None}
        credible = NOISE * one.theoretical_speedup
        return Row(
            name,
            one.strategy,
            max_drop,
            agreement=100 * one.f1,
            error=100 * f1_difference_error(one.counts, perfect(one.counts)),
            loss=one.loss(reference),
            loss_error=one.loss_error(reference),
            token_layers_kept=one.cost.token_layers_kept,
            theoretical_speedup=one.theoretical_speedup,
            reached=reached,
            speedups={int(size): ratio for size, ratio in record["speedups"].items() if ratio <= credible},
            f1=record["f1"],
        )

    rows = [replace(row("dense", dense, 0.0), loss=0.0, loss_error=0.0)]
    for point, max_drop in zip(OPERATING_POINTS, sweep.limits, strict=True):
        if found := chosen.get(point) or closest:
            rows.append(row(point, found, max_drop, reached=point in chosen))
    return rows, busy


def speedups(engine: Engine, strategies: Sequence[Strategy], texts: Sequence[str], batch_size: int) -> list[float]:
    """Dense end-to-end time ÷ that of each strategy.

    They are timed as reports time variants; see `engine.latency.time_variants`.

    Args:
        engine: what runs them.
        strategies: to time.
        texts: what they tag.
        batch_size: texts per call.
    """
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
    """What the card says besides the table.

    ``checkpoint``, ``types``, ``layers``, ``frozen``: of the model.
    ``gold``, ``texts``, ``passes``: corpora and number of texts that were learned from, and how often.
    ``held_out``, ``windows``, ``entities``: number of texts that operating points were chosen on, of their windows, and
    of what the checkpoint finds in them; ``spare``: of texts held out that time did not allow for.
    ``minutes``: for everything, or for the last start if the run was ``resumed``.
    ``device``, ``dtype``: on and in which settings ran; ``busy``: share of the processors, 0–1, that others used before
    timing; ``cut``: whether time was over before all settings were tried.
    ``corpus``, ``checkpoint_f1``: gold that F1 was counted on, and the checkpoint's own F1.
    """

    checkpoint: str
    types: tuple[str, ...]
    layers: int
    frozen: bool
    gold: str
    texts: int
    passes: float
    held_out: int
    spare: int
    windows: int
    entities: int
    minutes: float = 0.0
    resumed: bool = False
    device: str = ""
    dtype: str = ""
    busy: float = 0.0
    cut: bool = False
    corpus: str = ""
    checkpoint_f1: float | None = None


def table(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    sizes = sorted({size for row in rows for size in row.speedups})
    with_f1 = any(row.f1 is not None for row in rows)
    head = ["operating point (may lose)", "agreement ± standard error, %", "lost against `dense`, pp"]
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
    learned = "Encoder and gate heads were trained while words exited."
    if facts.frozen:
        learned = "Only the gate heads were fitted; all other files are the checkpoint's."
    gold = busy = ""
    if facts.busy > BUSY:
        busy = f" Other processes used {facts.busy:.0%} of the processors before timing."
    if facts.checkpoint_f1 is not None:
        gold = f" F1 is that on {_plain(facts.corpus)}; the checkpoint itself has {facts.checkpoint_f1:.4f}."
    source = f", together with gold of {_plain(facts.gold)}" if facts.gold else "; no gold was learned from"
    point = [row.name for row in rows if row.reached][-1]
    strategy = point if point == "dense" else f"{STRATEGY}:{point}"
    # The hub refuses a card whose base model it does not have.
    base = "" if Path(facts.checkpoint).is_dir() else f"base_model: {json.dumps(facts.checkpoint)}\n"
    return f"""---
{base}pipeline_tag: token-classification
tags: [token-pruning, early-exit]
---

# {_plain(facts.checkpoint)}, with gates

A token-classification checkpoint with a label head after each of its {facts.layers} layers, so that words can exit
early. It finds {_plain(", ".join(facts.types))}. {learned}

## Operating points

{table(rows)}
Agreement is F1 of the entities found against those that the checkpoint finds without pruning, on {facts.held_out}
texts that were not learned from ({facts.windows} windows, in which the checkpoint finds {facts.entities} entities);
standard errors are by text. `dense` is this model with every word computed to the end. Of the settings whose loss
against it plus one standard error is within what an operating point may lose, and whose theoretical speed-up is within
{SLACK:.0%} of the highest among them, the operating point is the one where that sum is smallest. Settings ran in
{facts.dtype}, the checkpoint in float32. Times are end-to-end on {facts.device}, against `dense` in the same run, on at
most {TIMED} of these texts: a small sample. A dash: fewer than {BATCHES} batches, or more than {NOISE:g} times the
theoretical speed-up, which would be noise.{busy}{gold}

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

The checkpoint's own output on {facts.texts} texts was learned, in {facts.passes:.2g} passes over them{source};
{"the last start" if facts.resumed else "all"} took {facts.minutes:.0f} minutes.
"""


def copy_checkpoint(weights: Weights, folder: Path, *, rename: bool) -> None:
    """Copies what loading a checkpoint needs, byte for byte.

    Weights in another format than ``model.safetensors`` are converted.

    Args:
        weights: of the checkpoint.
        folder: to copy to.
        rename: write the model's labels into the configuration, as the checkpoint's own names are meaningless.
    """
    found = {name: optional_file(weights.source, name) for name in (CONFIG, MODEL, *TOKENIZER)}
    if not found[MODEL]:  # even if the folder has one: an earlier start may have been stopped while converting
        load_huggingface(weights.source).save_pretrained(folder)  # the configuration, too, which is replaced below
    for name, file in found.items():
        if file:
            shutil.copyfile(file, folder / name)
    if rename:
        names = weights.model.labels.names
        by_logit = [names[index] for index in np.argsort(weights.label_order)]
        config = json.loads((folder / CONFIG).read_text())
        config["id2label"] = {str(index): name for index, name in enumerate(by_logit)}
        config["label2id"] = {name: index for index, name in enumerate(by_logit)}
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")


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
