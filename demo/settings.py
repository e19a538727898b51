"""What the page lets a user choose: strategies, operating points, knobs; and the strategies that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine import Engine, Strategy
from engine.controllers import RuleController

MAX_CHARACTERS = 100_000
POINTS = ("exact", "balanced", "fast")
RECOVERING = "entropy+recovery"
CHOSEN = ("dense", "rule", "entropy")


@dataclass(frozen=True)
class Knob:
    """A setting of one strategy that has a slider."""

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
    learned = ["mlp"] if engine.network is not None else []
    truncated = f"truncate-{engine.encoder.num_layers // 2}"
    return ["dense", "rule", "entropy", *learned, RECOVERING, "hf", "random", truncated]


def points(engine: Engine) -> list[str]:
    """The operating points that all strategies with points have."""
    stored = [set(of) for of in engine.points.values()]
    return [point for point in POINTS if stored and all(point in of for of in stored)]


def knobs(engine: Engine) -> list[Knob]:
    """The knobs of the strategies that this model can run."""
    return [knob for knob in KNOBS if knob.strategy in choices(engine)]


def chosen_strategy(
    engine: Engine, name: str, point: str | None, trigger: str | None, values: Sequence[float]
) -> Strategy:
    """The strategy ``name`` as the page's settings have it.

    Args:
        engine: runs it.
        name: one of `choices`.
        point: operating point of the strategies that have some.
        trigger: of recovery.
        values: of the sliders, in the order of `knobs`.
    """
    settings: dict[str, Any] = {
        knob.name: value for knob, value in zip(knobs(engine), values, strict=True) if knob.strategy == name
    }
    if name == RECOVERING:
        settings["trigger"] = trigger
    return engine.strategy(name, point, **settings)


def text_problem(text: str) -> str | None:
    """Why a text cannot be tagged here, if so."""
    if not text.strip():
        return "There is no text yet: enter one, or choose an example."
    if len(text) > MAX_CHARACTERS:
        return f"The text has {len(text):,} characters, the limit is {MAX_CHARACTERS:,}: shorten it."
    return None
