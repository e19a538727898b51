"""The table of measured operating points, and the model cards of what ``accelerate`` and ``cascade`` made."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from engine.base import Engine
from engine.cli.markdown import markdown_table
from engine.machine import processor, threads
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.training.options import AccelerateConfig, CascadeConfig
from engine.training.points import BATCH_SIZES, TOLERANCE, Choice, fastest
from engine.training.trials import Reference

CARD = "README.md"
INHERITED = ("license", "license_name", "license_link", "language")  # of the metadata of what a model was made from


@dataclass(frozen=True)
class Facts:
    """What a card says of a model that ``accelerate`` made."""

    config: AccelerateConfig
    made_by: str  # the command or call
    folder: Path  # of what was trained, whose card may name licence and language
    types: tuple[str, ...]
    texts: int  # that were learned from
    engine: Engine  # of the new model
    reference: Reference  # the checkpoint on held-out texts
    device: str
    busy: float  # share of the processors that other processes used while times were taken


def points_table(
    choices: Iterable[Choice], sizes: Iterable[int] = BATCH_SIZES, more: Mapping[str, Sequence[str]] | None = None
) -> str:
    """The Markdown table of operating points; ``sizes``: batch sizes of speed-ups; ``more``: further columns."""
    head = ["operating point (may lose, pp)", "agreement ± standard error, %", "lost against `dense`, pp; at most"]
    head += ["token-layers kept", "theoretical speed-up", *(f"measured, batch {size}" for size in sizes), *(more or {})]
    cells = zip(choices, *(more or {}).values(), strict=True)
    return markdown_table(head, ([*_cells(choice, sizes), *others] for choice, *others in cells))


def advice(chosen: Mapping[str, Sequence[Choice]]) -> str:
    """What to do where strategies lack operating points: a sentence after a space, empty if they have all."""
    lacking = [
        f"{name}:{point}"
        for name, choices in chosen.items()
        for point in OPERATING_POINTS
        if point not in {choice.name for choice in choices if choice.stored}
    ]
    remedy = "give more texts, train longer or raise --max-f1-drop"
    return f" Not reached: {', '.join(lacking)}; {remedy}." if lacking else ""


def _cells(choice: Choice, sizes: Iterable[int]) -> list[str]:
    trial, name, lost = choice.trial, f"`{choice.name}`", "–"
    if choice.limit is not None:
        name, lost = f"`{choice.name}` ({choice.limit:g})", f"{trial.loss:.2f}; {trial.loss_bound:.2f}"
        if not choice.stored:
            name += ": no faster than `dense`, not stored" if choice.reached else ": not reached; the closest"
    return [
        name,
        f"{100 * trial.f1:.2f} ± {100 * trial.f1_error:.2f}",
        lost,
        f"{trial.cost.token_layers_kept:.0%}",
        f"{trial.cost.theoretical_speedup:.2f}×",
        *(f"{trial.speedups[size]:.2f}×" if size in trial.speedups else "–" for size in sizes),
    ]


def front_matter(folder: Path, *base: str) -> str:
    """The metadata of a card, with licence and language from the card in ``folder``, and the hub ids in ``base``."""
    known: dict[str, Any] = {}
    with suppress(Exception):  # a damaged card says nothing, nor does a missing one
        known = ModelCard.load(folder / CARD).data.to_dict()
    on_hub = [name for name in base if re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) and not Path(name).is_dir()]
    data = ModelCardData(
        **{name: known[name] for name in INHERITED if name in known},
        base_model=on_hub or None,
        library_name="transformers",
        pipeline_tag="token-classification",
        tags=["token-pruning", "early-exit", "named-entity-recognition"],
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _use(strategy: str, plain: str) -> str:
    """How to load a folder; ``plain``: what transformers runs of it."""
    return f"""## Use

```python
from engine import load_engine

engine = load_engine("FOLDER")
engine.tag("…", "{strategy}").entities
```

`engine` comes with bioner-token-pruning. The folder also loads as a plain checkpoint with
`transformers.AutoModelForTokenClassification`, which computes {plain}.
"""


def card(choices: Sequence[Choice], facts: Facts) -> str:
    """Returns the model card, Markdown, from what was chosen and the facts."""
    student, checkpoint = facts.config.student, facts.config.checkpoint
    engine, windows, entities = facts.engine, facts.reference.windows, facts.reference.entities
    held_out = len(facts.reference.documents)
    title = f"A student of {_escape(checkpoint)}" if student else _escape(checkpoint)
    return f"""{front_matter(facts.folder, student or checkpoint)}
# {title}, with gates

This model tags {", ".join(map(_escape, facts.types))}. It has {engine.sizes.layers} layers and a label head after each,
so that words can exit early.{f" It began as {_escape(student)}." if student else ""}

## Measured

{points_table(choices)}

*Agreement* is F1 of the entities that a strategy finds against those of the checkpoint, on {held_out}
texts that were not learned from ({windows} windows, {entities} entities), with its standard error by
text. `dense` computes every word to the end. An operating point is the fastest setting that was found whose loss
against `dense` is at most its limit (95 %, one-sided); of those within {TOLERANCE:.0%} of its MACs, the one that loses
least. Settings ran in {engine.dtype}, the checkpoint in float32. Times are end-to-end on {facts.device},
against `dense` in the same run, while other processes used {facts.busy:.0%} of the processors.

{_use(fastest(choices), "every word to the end")}
## How it was made

```
{facts.made_by}
```

The model learned the checkpoint's own output on {facts.texts} texts, in {facts.config.epochs} passes over them; no gold
was learned from.
"""


def cascade_card(table: str, config: CascadeConfig, engine: Engine, strategy: str, texts: int, made_by: str) -> str:
    """Returns the model card of a cascade, Markdown, from its table.

    ``strategy``: of the small model. ``texts``: number of those it was measured on. ``made_by``: the command.
    """
    large, small, types = _escape(config.large), _escape(config.small), ", ".join(map(_escape, engine.labels.types))
    return f"""{front_matter(engine.folder.path, config.large, config.small)}
# {large}, after a small model

This cascade tags {types}. {small} reads every text, and {large}, which is unchanged,
only the windows in which the small model is unsure.

## Measured

{table}

LARGE is {large}, alone as `dense`; SMALL is {small}, alone as `small`, under `{strategy}`. *Agreement* is
F1 of the entities against those of LARGE on {texts} held-out texts. Speed-up is end to end, as a multiple of
LARGE's full pass. Both ran in {engine.dtype} on {processor()}, {threads()} threads.

{_use("cascade:balanced", "every word with LARGE")}
## How it was made

```
{made_by}
```
"""


def _escape(text: str) -> str:
    """Escapes text so that Markdown shows it unchanged."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!&" else c for c in text.replace("\n", " "))
