"""Several models in one app: a page for each, and a choice to switch between them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import gradio as gr

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
