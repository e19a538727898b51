"""Links that reopen the app with its model, settings and an example. They never hold a user's text, and are checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from demo.examples import EXAMPLES
from demo.limits import MAX_STRATEGIES
from demo.page.models import model_name
from demo.settings import TRIGGERS, default_values, points, sliders
from engine import Engine


def make_link(
    engine: Engine, text: str, names: Sequence[str], point: str | None, trigger: str | None, *values: float
) -> str:
    """The query of a link, with its ``?``; a text that is not an example is left out."""
    example = next((name for name, known in EXAMPLES.items() if known == text), None)
    query = {"example": example, "strategies": ",".join(names), "point": point, "trigger": trigger}
    query["model"] = model_name(engine)
    query |= {slider.name: f"{value:g}" for slider, value in zip(sliders(engine), values, strict=True)}
    return "?" + urlencode({name: value for name, value in query.items() if value})


def read_link(engine: Engine, query: Mapping[str, str]) -> list[Any]:
    """Updates of text, strategies, point, trigger and sliders; values that do not fit are ignored."""
    names = [name for name in query.get("strategies", "").split(",") if name in engine.runnable][:MAX_STRATEGIES]
    point = query.get("point") if query.get("point") in points(engine) else None
    updates: list[Any] = [
        EXAMPLES.get(query.get("example", ""), gr.skip()),
        names or gr.skip(),
        point or gr.skip(),
        query["trigger"] if query.get("trigger") in TRIGGERS else gr.skip(),
    ]
    for slider, default in zip(sliders(engine), default_values(engine, point), strict=True):
        value = _number(query.get(slider.name))
        fits = value is not None and slider.knob.low <= value <= slider.knob.high
        updates.append(value if fits else default if point else gr.skip())
    return updates


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
