"""What the page lets a user choose: strategies, operating points, knobs; and the strategies that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine import Engine, Strategy
from engine.pruning.controllers import RuleController
from engine.pruning.recovery import TRIGGERS
from engine.pruning.strategy import RECOVERY

MAX_CHARACTERS = 100_000
POINTS = ("exact", "balanced", "fast")
CHOSEN = ("dense", "rule", "entropy")
REPLAYED = "entropy"  # by random
TRIGGER_CHOICES = [("as the point has it", ""), *((name, name) for name in ("any", *TRIGGERS))]


@dataclass(frozen=True)
class Knob:
    """A setting that has a slider; ``strategy``: whose it is, see `base`."""

    strategy: str
    name: str
    label: str
    low: float
    high: float
    info: str


KNOBS = (
    Knob("rule", "lambda_", "λ", *RuleController.LAMBDA_RANGE, "a larger λ prunes more"),
    Knob("rule", "min_keep_ratio", "minimum keep", 0, 1, "share of the words that stay to the end at least"),
    Knob("entropy", "min_keep_ratio", "minimum keep", 0, 1, "share of the words that stay to the end at least"),
)


def choices(engine: Engine) -> list[str]:
    """The strategies that this model can run: without gates, only ``dense`` and ``hf``."""
    if not engine.model.has_gates:
        return ["dense", "hf"]
    pruning = ["rule", "entropy", *(["mlp"] if engine.network is not None else [])]
    truncated = f"truncate-{engine.encoder.num_layers // 2}"
    return ["dense", *pruning, *(name + RECOVERY for name in pruning), "hf", "random", truncated]


def points(engine: Engine) -> list[str]:
    """The operating points that all strategies with points have."""
    stored = [set(of) for of in engine.points.values()]
    return [point for point in POINTS if stored and all(point in of for of in stored)]


def base(name: str) -> str:
    """The strategy whose settings ``name`` runs with: its own without recovery, of ``random`` those that it replays."""
    return REPLAYED if name == "random" else name.removesuffix(RECOVERY)


def knobs(engine: Engine) -> list[Knob]:
    """The knobs of the strategies that this model can run."""
    return [knob for knob in KNOBS if knob.strategy in choices(engine)]


def own_values(engine: Engine, point: str | None) -> list[float]:
    """What an operating point has for each of `knobs`."""
    return [engine.strategy(knob.strategy, point).knobs()[knob.name] for knob in knobs(engine)]


def chosen_strategy(
    engine: Engine, name: str, point: str | None, trigger: str | None, values: Sequence[float]
) -> Strategy:
    """The strategy ``name`` as the page's settings have it.

    Args:
        engine: runs it.
        name: one of `choices`.
        point: operating point of the strategies that have some.
        trigger: of recovery; empty: that of the point.
        values: of the sliders, in the order of `knobs`; those that are the point's own change nothing.
    """
    settings: dict[str, Any] = {
        knob.name: value
        for knob, value, own in zip(knobs(engine), values, own_values(engine, point), strict=True)
        if knob.strategy == base(name) and value != own
    }
    if name.endswith(RECOVERY):
        settings["trigger"] = trigger or None
    return engine.strategy(name, point, **settings)


def text_problem(text: str) -> str | None:
    """Why a text cannot be tagged here, if so."""
    if not text.strip():
        return "There is no text yet: enter one, or choose an example."
    if len(text) > MAX_CHARACTERS:
        return f"The text has {len(text):,} characters, the limit is {MAX_CHARACTERS:,}: shorten it."
    return None
