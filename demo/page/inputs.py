"""The text and the settings above the tabs, which all tabs use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from demo.examples import EXAMPLES
from demo.html.escape import alert
from demo.limits import MAX_CHARACTERS
from demo.page.links import read_link
from demo.settings import (
    SELECTED,
    TRIGGERS,
    Slider,
    default_values,
    points,
    sliders,
    strategies_with,
    strategies_with_recovery,
)
from demo.uploads import Problems, read_upload
from engine import Engine, InputError

MAX_BYTES = 1_000_000  # of a dropped file
# For handlers that answer at once and are not part of the HTTP API.
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
POINTS_HELP = (
    "Operating points are settings that calibration chose for almost no loss of F1 (exact), a small one (balanced) or "
    "a larger one (fast). The sliders change them."
)


@dataclass(frozen=True)
class Inputs:
    """The components above the tabs.

    ``text``: the text.
    ``strategies``: names of the strategies to compare.
    ``settings``: operating point, trigger and sliders, the last arguments of `demo.settings.chosen_strategy`.
    ``changed``: events after which the tabs show the text again.
    ``opened``: event after the page was opened and its link read.
    ``visible_tab``: label of the tab that is selected.
    """

    text: gr.Textbox
    strategies: gr.CheckboxGroup
    settings: Sequence[Any]
    changed: Sequence[Any]
    opened: Any
    visible_tab: gr.State


def build_inputs(engine: Engine, page: gr.Blocks) -> Inputs:
    """Builds the text, the examples, the strategies with their settings, and the button."""
    with gr.Row(equal_height=True):
        text = gr.Textbox(
            next(iter(EXAMPLES.values())), label="Text", lines=6, max_lines=12, max_length=MAX_CHARACTERS, scale=4
        )
        file = gr.File(label="or a .txt or PubTator file", height=170, min_width=200)
    problem = gr.HTML(visible=False)
    examples = gr.Examples(
        [[example] for example in EXAMPLES.values()],
        text,
        label="Examples (invented)",
        example_labels=list(EXAMPLES),
        api_visibility="private",
    )
    strategies, settings = _build_settings(engine)
    button = gr.Button("Compare", variant="primary")

    def on_open(request: gr.Request) -> list[Any]:
        return read_link(engine, dict(request.query_params))

    upload = file.upload(dropped_text, file, [text, problem, file], **QUIET)
    changed = [button.click, examples.load_input_event.then, upload.then]
    opened = page.load(on_open, None, [text, strategies, *settings], **QUIET)
    return Inputs(text, strategies, settings, changed, opened.then, gr.State(""))


def _build_settings(engine: Engine) -> tuple[gr.CheckboxGroup, list[Any]]:
    """The choice of strategies; operating point, trigger and sliders."""
    names, stored = list(engine.runnable), points(engine)
    with gr.Row():
        strategies = gr.CheckboxGroup(
            names, value=[name for name in names if name in SELECTED], label="Strategies to compare", scale=3
        )
        point = gr.Radio(
            stored,
            value="balanced" if stored else None,
            label="Operating point",
            visible=bool(stored),
            scale=2,
        )
    with gr.Accordion("Settings: pruning and recovery", open=False, visible=engine.model.has_gates):
        if stored:
            gr.Markdown(POINTS_HELP)
        with gr.Row():
            components = [
                _build_slider(engine, slider, value)
                for slider, value in zip(sliders(engine), default_values(engine, None), strict=True)
            ]
            trigger = gr.Dropdown(
                [("default of the operating point", ""), *TRIGGERS],
                value="",
                label="Trigger of recovery",
                info=f"For {_listed(strategies_with_recovery(engine))}: when words come back.",
                interactive=True,
            )

    def on_point(point: str) -> list[float]:
        return default_values(engine, point)

    point.input(on_point, point, components, **QUIET)
    return strategies, [point, trigger, *components]


def _build_slider(engine: Engine, slider: Slider, value: float) -> gr.Slider:
    knob = slider.knob
    return gr.Slider(
        knob.low,
        knob.high,
        value=value,
        step=1 if knob.kind == "whole" else 0.01,
        label=f"{slider.kind}: {knob.label}",
        info=f"For {_listed(strategies_with(engine, slider))}: {knob.description}.",
        interactive=True,
    )


def _listed(names: Sequence[str]) -> str:
    """Names with commas, and ``and`` before the last."""
    *first, last = names or ("none",)
    return f"{', '.join(first)} and {last}" if first else last


def dropped_text(path: str | None) -> list[Any]:
    """Updates of text, line below it and file: the text of the file's first document, and what to know about it."""
    if path is None:
        return [gr.skip()] * 3
    problems = Problems()
    documents = read_upload(Path(path), MAX_BYTES, problems)
    try:
        first = next(documents, None)
        more = next(documents, None) is not None
    except InputError as error:
        return [gr.skip(), gr.update(value=alert(str(error)), visible=True), None]
    lines = problems.listed[:1]
    if first is None:
        lines = lines or ["The file contains no documents."]
    elif more:
        lines.append("This is the first document of the file. The tab Batch tags all of them.")
    below = gr.update(value="".join(map(alert, lines)), visible=bool(lines))
    return [gr.skip() if first is None else first.text, below, None]
