"""The text and the settings above the tabs, which all tabs use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from demo.examples import EXAMPLES
from demo.settings import CHOSEN, MAX_CHARACTERS, RECOVERING, choices, knobs, points
from engine import Engine
from engine.recovery import TRIGGERS

# For handlers that answer at once and are no part of the HTTP API.
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class Inputs:
    """The components above the tabs.

    ``text``, ``strategies`` (names), ``settings`` (operating point, trigger, sliders: the arguments of
    `demo.settings.chosen_strategy` after the name); ``changed``: events after which the tabs show the text anew.
    """

    text: gr.Textbox
    strategies: gr.CheckboxGroup
    settings: Sequence[Any]
    changed: Sequence[Any]


def build_inputs(engine: Engine) -> Inputs:
    """Builds the text, the examples, the strategies with their settings, and the button."""
    names = choices(engine)
    chosen = [name for name in names if name in CHOSEN]
    text = gr.Textbox(next(iter(EXAMPLES.values())), label="Text", lines=6, max_lines=12, max_length=MAX_CHARACTERS)
    examples = gr.Examples(
        [[example] for example in EXAMPLES.values()],
        text,
        label="Examples (invented)",
        example_labels=list(EXAMPLES),
        api_visibility="private",
    )
    strategies = gr.CheckboxGroup(names, value=chosen, label="Strategies to compare")
    with gr.Row(visible=engine.model.has_gates):
        point = gr.Radio(
            points(engine),
            value="balanced" if points(engine) else None,
            label="Operating point",
            info="Settings chosen for little F1 lost (exact), some (balanced), more (fast).",
            visible=bool(points(engine)),
        )
        trigger = gr.Dropdown(
            ["any", *TRIGGERS],
            value="any",
            label="Trigger of recovery",
            info=f"Used by {RECOVERING} only; when words come back.",
            interactive=RECOVERING in chosen,
        )
    with gr.Row():
        sliders = [
            gr.Slider(
                knob.low,
                knob.high,
                value=engine.strategy(knob.strategy).knobs()[knob.name],
                step=0.01,
                label=f"{knob.strategy}: {knob.label}",
                info=f"Used by {knob.strategy} only; {knob.info}.",
                interactive=True,
            )
            for knob in knobs(engine)
        ]
    button = gr.Button("Compare", variant="primary")

    def on_choice(names: list[str]) -> list[Any]:
        enabled = [*(knob.strategy in names for knob in knobs(engine)), RECOVERING in names]
        return [gr.update(interactive=on) for on in enabled]

    def on_point(point: str) -> list[Any]:
        return [engine.strategy(knob.strategy, point).knobs()[knob.name] for knob in knobs(engine)]

    strategies.change(on_choice, strategies, [*sliders, trigger], **QUIET)
    point.input(on_point, point, sliders, **QUIET)
    return Inputs(text, strategies, [point, trigger, *sliders], [button.click, examples.load_input_event.then])
