"""Addresses: of each model's page, and of links that reopen the app with model, settings and an example.

Links never contain a user's text, and are checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from demo.common.blocks import QUIET
from demo.common.examples import EXAMPLES
from demo.common.limits import MAX_STRATEGIES
from demo.settings import GONE, TRIGGERS, default_values, points, sliders
from engine import Engine, InputError

# A link names its model; this opens that model's page.
FOLLOW = """() => {
  const paths = %s, wanted = new URLSearchParams(location.search).get("model");
  if (Object.hasOwn(paths, wanted ?? "") && wanted !== %s) location.replace(`./${paths[wanted]}${location.search}`);
}"""


def model_name(engine: Engine) -> str:
    """An engine's display name: its folder or hub id, and its dtype."""
    source = Path(engine.source)
    return f"{(source.resolve() if source.is_dir() else source).name}, {engine.dtype}"


def by_name(engines: Sequence[Engine]) -> dict[str, Engine]:
    """The engines by name.

    Raises:
        InputError: two have the same name, or their names give the same address.
    """
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
    """The address of a model's page; the first model's is empty."""
    return "" if name == next(iter(models)) else _address(name)


def _address(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII)


def build_choice(name: str, models: Mapping[str, Engine], page: gr.Blocks) -> gr.Dropdown:
    """Builds the model choice on a model's page; links that name another model redirect to its page."""
    paths = json.dumps({each: path_of(each, models) for each in models})
    choice = gr.Dropdown(list(models), value=name, label="Model", visible=len(models) > 1, interactive=True)
    page.load(None, None, None, js=FOLLOW % (paths, json.dumps(name)))
    return choice


# Keeps the theme, and the text, which no address may contain.
LEAVE = """(path, query) => {
  sessionStorage.setItem("text", document.querySelector(".text-input textarea")?.value ?? "");
  const to = new URL(`./${path}${query}`, document.baseURI);
  const theme = new URLSearchParams(location.search).get("__theme");
  if (theme) to.searchParams.set("__theme", theme);
  location.href = to;
}"""


def make_link(
    engine: Engine, text: str, names: Sequence[str], point: str | None, trigger: str | None, *values: float
) -> str:
    """A link's query with its ``?``; a text that is not an example is left out."""
    example = next((name for name, known in EXAMPLES.items() if known == text), None)
    about = {"example": example, "model": model_name(engine)}
    return _link(about | _settings(engine, names, point, trigger, *values))


def _settings(
    engine: Engine, names: Sequence[str], point: str | None, trigger: str | None, *values: float
) -> dict[str, str | None]:
    """The settings in a link: sliders appear only if they differ from the operating point."""
    moved = {
        slider.name: f"{value:g}"
        for slider, value, default in zip(sliders(engine), values, default_values(engine, point), strict=True)
        if value != default
    }
    return {"strategies": ",".join(names), "point": point, "trigger": trigger} | moved


def _link(query: Mapping[str, str | None]) -> str:
    return "?" + urlencode({name: value for name, value in query.items() if value})


def read_link(engine: Engine, query: Mapping[str, str]) -> list[Any]:
    """Updates of text, strategies, point, trigger and sliders; invalid values are ignored.

    If a point is given, a trigger or slider that is not takes the point's value.
    """
    asked = dict.fromkeys(query.get("strategies", "").split(","))
    names = [name for name in asked if name in engine.runnable][:MAX_STRATEGIES]
    point = query.get("point") if query.get("point") in points(engine) else None
    updates: list[Any] = [
        EXAMPLES.get(query.get("example", ""), gr.skip()),
        names or gr.skip(),
        point or gr.skip(),
        query["trigger"] if query.get("trigger") in TRIGGERS else "" if point else gr.skip(),
    ]
    for slider, default in zip(sliders(engine), default_values(engine, point), strict=True):
        value = _number(query.get(slider.name))
        low, high, _ = slider.range
        fits = value is not None and low <= value <= high
        updates.append(value if fits else default if point else gr.skip())
    return updates


def gone(query: Mapping[str, str]) -> str:
    """What to say of a link to strategies that the app no longer offers; empty if it names none."""
    named = query.get("strategies", "").split(",")
    names = [name for name in GONE if any(one.partition("@")[0] == name for one in named)]
    if not names:
        return ""
    return (
        f"The link names {' and '.join(names)}, which this app no longer offers; python -m eval.report still measures "
        f"{'it' if len(names) == 1 else 'them'}."
    )


def leave_on_choice(engine: Engine, choice: gr.Dropdown, values: Sequence[Any], models: Mapping[str, Engine]) -> None:
    """Makes choosing another model open its page, with the text and settings of this one.

    Args:
        engine: this page's engine.
        choice: the model choice.
        values: the components of `_settings`.
        models: all models, by name.
    """

    def on_choice(name: str, *settings: Any) -> list[str]:
        return [path_of(name, models), _link(_settings(engine, *settings))]

    place = [gr.Textbox(visible="hidden"), gr.Textbox(visible="hidden")]
    choice.input(on_choice, [choice, *values], place, **QUIET).then(
        None, place, None, js=LEAVE, api_visibility="private"
    )


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
