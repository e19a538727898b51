"""The text and the settings above the tabs, which all tabs use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from demo.examples import EXAMPLES
from demo.html.escape import notice
from demo.page.links import read_link
from demo.settings import CHOSEN, MAX_CHARACTERS, TRIGGER_CHOICES, base, choices, knobs, own_values, points
from demo.uploads import Problems, read_upload
from engine import Engine, InputError
from engine.pruning.strategy import RECOVERY

MAX_BYTES = 1_000_000
# For handlers that answer at once and are no part of the HTTP API.
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class Inputs:
    """The components above the tabs.

    ``text``, ``strategies`` (names), ``settings`` (operating point, trigger, sliders: the arguments of
    `demo.settings.chosen_strategy` after the name); ``changed``: events after which the tabs show the text anew;
    ``opened``: the page was opened, and its link has been read; ``seen``: the label of the tab that is chosen.
    """

    text: gr.Textbox
    strategies: gr.CheckboxGroup
    settings: Sequence[Any]
    changed: Sequence[Any]
    opened: Any
    seen: gr.State


def dropped_text(path: str | None) -> list[Any]:
    """Updates of text, line below it and file: the text of the first document, and what to know about it."""
    if path is None:
        return [gr.skip()] * 3
    problems = Problems()
    documents = read_upload(Path(path), MAX_BYTES, problems)
    try:
        first = next(documents, None)
        more = next(documents, None) is not None
    except InputError as error:
        return [gr.skip(), gr.update(value=notice(str(error)), visible=True), None]
    lines = problems.listed[:1]
    if first is None:
        lines = lines or ["The file holds no document."]
    elif more:
        lines.append("This is the first document of the file; the tab Batch tags all of them.")
    above = gr.update(value="".join(map(notice, lines)), visible=bool(lines))
    return [gr.skip() if first is None else first.text, above, None]


def build_inputs(engine: Engine, page: gr.Blocks) -> Inputs:
    """Builds the text, the examples, the strategies with their settings, and the button."""
    names = choices(engine)
    chosen = [name for name in names if name in CHOSEN]
    with gr.Row(equal_height=True):
        text = gr.Textbox(
            next(iter(EXAMPLES.values())), label="Text", lines=6, max_lines=12, max_length=MAX_CHARACTERS, scale=4
        )
        file = gr.File(label="or a .txt or PubTator file", height=170, min_width=200)
    dropped = gr.HTML(visible=False)
    examples = gr.Examples(
        [[example] for example in EXAMPLES.values()],
        text,
        label="Examples (invented)",
        example_labels=list(EXAMPLES),
        api_visibility="private",
    )
    with gr.Row():
        strategies = gr.CheckboxGroup(names, value=chosen, label="Strategies to compare", scale=3)
        point = gr.Radio(
            points(engine),
            value="balanced" if points(engine) else None,
            label="Operating point",
            visible=bool(points(engine)),
            scale=2,
        )
    with gr.Accordion("Settings: λ, minimum keep, recovery", open=False, visible=engine.model.has_gates):
        if points(engine):
            gr.Markdown(
                "Operating points are settings chosen for little F1 lost (exact), some (balanced), more (fast)."
            )
        with gr.Row():
            sliders = [
                gr.Slider(
                    knob.low,
                    knob.high,
                    value=own,
                    step=0.01,
                    label=f"{knob.strategy}: {knob.label}",
                    info=f"Of {', '.join(name for name in names if base(name) == knob.strategy)}: {knob.info}.",
                    interactive=True,
                )
                for knob, own in zip(knobs(engine), own_values(engine, None), strict=True)
            ]
            trigger = gr.Dropdown(
                TRIGGER_CHOICES,
                value="",
                label="Trigger of recovery",
                info=f"Of {', '.join(name for name in names if name.endswith(RECOVERY))}: when words come back.",
                interactive=True,
            )
    button = gr.Button("Compare", variant="primary")

    def on_point(point: str) -> list[float]:
        return own_values(engine, point)

    upload = file.upload(dropped_text, file, [text, dropped, file], **QUIET)
    point.input(on_point, point, sliders, **QUIET)
    changed = [button.click, examples.load_input_event.then, upload.then]

    def on_open(request: gr.Request) -> list[Any]:
        return read_link(engine, dict(request.query_params))

    opened = page.load(on_open, None, [text, strategies, point, trigger, *sliders], **QUIET)
    return Inputs(text, strategies, [point, trigger, *sliders], changed, opened.then, gr.State(""))
