"""Addresses: of each model's page, and of links that reopen the app with model, settings and an example.

Links never contain a user's text, and their values are checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from demo.common.events import QUIET
from demo.common.limits import MAX_STRATEGIES
from demo.settings import TRIGGERS, default_values, page_settings, points
from engine import Engine, InputError

_EXAMPLES = Path(__file__).with_name("examples.txt").read_text(encoding="utf-8")  # titles above texts
EXAMPLES: dict[str, str] = dict(example.split("\n") for example in _EXAMPLES.strip().split("\n\n"))
# A link names its model; this opens that model's page.
FOLLOW = """() => {
  const paths = %s, wanted = new URLSearchParams(location.search).get("model");
  if (Object.hasOwn(paths, wanted ?? "") && wanted !== %s) location.replace(`./${paths[wanted]}${location.search}`);
}"""
# Keeps the theme, and the text, which no address may contain.
LEAVE = """(path, query) => {
  sessionStorage.setItem("text", document.querySelector(".text-input textarea")?.value ?? "");
  const to = new URL(`./${path}${query}`, document.baseURI);
  const theme = new URLSearchParams(location.search).get("__theme");
  if (theme) to.searchParams.set("__theme", theme);
  location.href = to;
}"""


def model_name(engine: Engine) -> str:
    """An engine's display name: its folder or hub id, and its dtype."""
    source = Path(engine.source)
    return f"{(source.resolve() if source.is_dir() else source).name}, {engine.dtype}"


def by_name(engines: Sequence[Engine]) -> dict[str, Engine]:
    """The engines by display name; two with the same name, or names with the same address, are refused."""
    names: dict[str, str] = {}  # by address
    for name in map(model_name, engines):
        if other := names.get(_address(name)):
            raise InputError(
                f"expected models with different names or dtypes, got {other!r} and {name!r}, "
                f"both with the address {_address(name)}; rename a folder"
            )
        names[_address(name)] = name
    return dict(zip(names.values(), engines, strict=True))


def path_of(name: str, models: Mapping[str, Engine]) -> str:
    """The address of a model's page, which is empty for the first model."""
    return "" if name == next(iter(models)) else _address(name)


def _address(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII)


def build_model_choice(name: str, models: Mapping[str, Engine], page: gr.Blocks) -> gr.Dropdown:
    """Builds the model choice of a model's page; a link that names another model leads to that model's page."""
    paths = json.dumps({each: path_of(each, models) for each in models})
    choice = gr.Dropdown(list(models), value=name, label="Model", visible=len(models) > 1, interactive=True)
    page.load(None, None, None, js=FOLLOW % (paths, json.dumps(name)))
    return choice


def leave_on_choice(engine: Engine, choice: gr.Dropdown, values: Sequence[Any], models: Mapping[str, Engine]) -> None:
    """Opens another model's page when it is chosen, with the text and settings of this page, the ``values``."""

    def on_choice(name: str, *settings: Any) -> list[str]:
        return [path_of(name, models), _query(_settings(engine, *settings))]

    place = [gr.Textbox(visible="hidden"), gr.Textbox(visible="hidden")]
    chosen = choice.input(on_choice, [choice, *values], place, **QUIET)
    chosen.then(None, place, None, js=LEAVE, api_visibility="private")


def make_link(
    engine: Engine, text: str, names: Sequence[str], point: str | None, trigger: str | None, *values: float
) -> str:
    """A link's query with its ``?``; it names the example if the text is one, and never contains a text."""
    example = next((name for name, known in EXAMPLES.items() if known == text), None)
    about = {"example": example, "model": model_name(engine)}
    return _query(about | _settings(engine, names, point, trigger, *values))


def _settings(
    engine: Engine, names: Sequence[str], point: str | None, trigger: str | None, *values: float
) -> dict[str, str | None]:
    """The settings in a link; of the controllers' settings, those that differ from the operating point's."""
    moved = {
        setting.name: f"{value:g}"
        for setting, value, default in zip(page_settings(engine), values, default_values(engine, point), strict=True)
        if value != default
    }
    return {"strategies": ",".join(names), "point": point, "trigger": trigger} | moved


def _query(values: Mapping[str, str | None]) -> str:
    return "?" + urlencode({name: value for name, value in values.items() if value})


def read_link(engine: Engine, query: Mapping[str, str]) -> list[Any]:
    """Updates of text, strategies, operating point, trigger and controllers' settings; ignores invalid values.

    With an operating point, a missing trigger or setting takes the operating point's value.
    """
    asked = dict.fromkeys(query.get("strategies", "").split(","))
    names = [name for name in asked if name in engine.runnable][:MAX_STRATEGIES]
    point = query["point"] if query.get("point") in points(engine) else None
    updates: list[Any] = [
        EXAMPLES.get(query.get("example", ""), gr.skip()),
        names or gr.skip(),
        point or gr.skip(),
        query["trigger"] if query.get("trigger") in TRIGGERS else "" if point else gr.skip(),
    ]
    for setting, default in zip(page_settings(engine), default_values(engine, point), strict=True):
        value = _number(query.get(setting.name, ""))
        low, high, _ = setting.range
        fits = value is not None and low <= value <= high
        updates.append(value if fits else default if point else gr.skip())
    return updates


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
