"""Links that reopen the page with its settings and an example; their values are checked.

A user's text is never part of the query, which the server sees; ``links.js`` can add it as the fragment.
"""

from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from demo.common.limits import MAX_STRATEGIES
from demo.common.settings_panel import shown_choices
from demo.settings import TRIGGERS, page_settings, points
from engine import Engine
from engine.models.shipped import DEFAULT, short_name


def _read(name: str) -> list[list[str]]:
    """The lines of each paragraph of a file beside this module: a title, a text, and sometimes a remark."""
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return [paragraph.split("\n") for paragraph in text.strip().split("\n\n")]


FAILURES = _read("failures.txt")  # in which the default strategy errs, as tests check
OTHERS: dict[str, str] = dict(_read("examples.txt"))
EXAMPLES: dict[str, str] = OTHERS | {title: text for title, text, _ in FAILURES}
REMARKS: dict[str, str] = {text: remark for _, text, remark in FAILURES}


def examples(engine: Engine) -> dict[str, str]:
    """The examples that a page offers, title → text: failures only with the weights that err in them."""
    return EXAMPLES if short_name(engine.source) == DEFAULT else OTHERS


def remarks(engine: Engine) -> dict[str, str]:
    """Remarks on examples, by text: only with the weights that err in them."""
    return REMARKS if short_name(engine.source) == DEFAULT else {}


def make_link(
    engine: Engine, text: str, shown: str, names: Sequence[str], point: str | None, trigger: str | None, *values: float
) -> str:
    """A link's query with its ``?``; it names the example if the text is one, and never contains a text.

    Of the controllers' settings, it has those that differ from the operating point's.
    """
    example = next((name for name, known in EXAMPLES.items() if known == text), None)
    query = {"example": example, "strategies": ",".join(names), "shown": shown, "point": point, "trigger": trigger}
    query |= {
        setting.name: f"{value:g}"
        for (setting, default), value in zip(page_settings(engine, point).items(), values, strict=True)
        if value != default
    }
    return "?" + urlencode({name: value for name, value in query.items() if value})


def read_link(engine: Engine, query: Mapping[str, str]) -> list[Any]:
    """Updates of text, strategy shown, strategies, operating point, trigger and controllers' settings.

    Invalid values change nothing. With an operating point, a missing trigger or setting takes its value there.
    """
    asked = dict.fromkeys(query.get("strategies", "").split(","))
    names = [name for name in asked if name in engine.runnable][:MAX_STRATEGIES]
    point = query["point"] if query.get("point") in points(engine) else None
    updates: list[Any] = [
        EXAMPLES.get(query.get("example", ""), gr.skip()),
        shown_choices(names, query.get("shown", engine.default_strategy)),
        names or gr.skip(),
        point or gr.skip(),
        query["trigger"] if query.get("trigger") in TRIGGERS else "" if point else gr.skip(),
    ]
    for setting, default in page_settings(engine, point).items():
        try:
            value = float(query.get(setting.name, "nan"))
        except ValueError:
            value = nan
        low, high, _ = setting.range
        updates.append(value if low <= value <= high else default if point else gr.skip())
    return updates
