"""Links that reopen the app with its settings and an example; what they hold is checked, and is no text of a user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from demo.examples import EXAMPLES
from demo.limits import MAX_STRATEGIES
from demo.settings import choices, knobs, own_values, points
from engine import Engine
from engine.pruning.recovery import TRIGGERS


def make_link(
    engine: Engine, text: str, names: Sequence[str], point: str | None, trigger: str | None, values: Sequence[float]
) -> str:
    """The query of a link, with ``?``; the text is named if it is an example, and left out otherwise."""
    example = next((name for name, known in EXAMPLES.items() if known == text), None)
    query = {"example": example, "strategies": ",".join(names), "point": point, "trigger": trigger}
    query |= {f"{knob.strategy}.{knob.name}": f"{value:g}" for knob, value in zip(knobs(engine), values, strict=True)}
    return "?" + urlencode({name: value for name, value in query.items() if value})


def read_link(engine: Engine, query: Mapping[str, str]) -> list[Any]:
    """Updates of text, strategies, point, trigger and sliders; whatever does not fit is passed over."""
    names = [name for name in query.get("strategies", "").split(",") if name in choices(engine)][:MAX_STRATEGIES]
    point = query.get("point") if query.get("point") in points(engine) else None
    updates: list[Any] = [
        EXAMPLES.get(query.get("example", ""), gr.skip()),
        names or gr.skip(),
        point or gr.skip(),
        query["trigger"] if query.get("trigger") in ("any", *TRIGGERS) else gr.skip(),
    ]
    for knob, own in zip(knobs(engine), own_values(engine, point), strict=True):
        value = _number(query.get(f"{knob.strategy}.{knob.name}"))
        fits = value is not None and knob.low <= value <= knob.high
        updates.append(value if fits else own if point else gr.skip())
    return updates


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
