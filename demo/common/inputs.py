"""The text and settings beside the tabs, shared by all tabs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from demo.common.events import QUIET
from demo.common.limits import MAX_CHARACTERS
from demo.common.links import EXAMPLES, read_link
from demo.common.markup import alert, printable
from demo.common.requests import Requests, build_requests
from demo.common.settings_panel import SettingsPanel, build_settings, shown_choices
from demo.common.uploads import Problems, read_upload
from engine import Engine, InputError

# On a phone the settings are folded so the result fits on the first screen.
FOLD = """() => {
  if (matchMedia("(max-width: 640px)").matches) document.querySelector(".settings > button.open")?.click();
}"""
# Text that was entered on another model's page, see `demo.common.links`.
TAKE_TEXT = """() => {
  const text = sessionStorage.getItem("text") ?? "";
  sessionStorage.removeItem("text");
  return [text];
}"""


@dataclass(frozen=True)
class Inputs:
    """What all tabs share.

    ``others``: further models to compare with, by name.
    ``visible_tab``: label of the selected tab.
    ``api``: whether the HTTP API serves this page's model.
    """

    text: gr.Textbox
    panel: SettingsPanel
    requests: Requests
    others: Mapping[str, Engine]
    visible_tab: gr.State
    api: bool

    @property
    def choice(self) -> list[Any]:
        """The components for strategies, operating point, trigger and controllers' settings."""
        return [self.panel.strategies, *self.panel.settings]


def build_inputs(engine: Engine, others: Mapping[str, Engine], page: gr.Blocks, first_tab: str, *, api: bool) -> Inputs:
    """Builds the text, the buttons, the examples and the settings; every change of them requests a run.

    ``first_tab``: label of the tab that is open at first; for the others see `Inputs`.
    """
    text = gr.Textbox(
        next(iter(EXAMPLES.values())),
        label="Text",
        lines=3,
        max_lines=9,
        max_length=MAX_CHARACTERS,
        elem_classes="text-input",
    )
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Run", variant="primary", elem_classes="run", min_width=90)
        cancel = gr.Button("Cancel", elem_classes="cancel", min_width=90)
        file = gr.UploadButton("Open a file", min_width=110)
    problem = gr.HTML(visible=False)
    examples = gr.Examples(
        [[example] for example in EXAMPLES.values()],
        text,
        label="Examples (invented)",
        example_labels=list(EXAMPLES),
        api_visibility="private",
        elem_id="examples",
    )
    panel = build_settings(engine, others)

    def on_open(carried: str, request: gr.Request) -> list[Any]:
        link_text, names, *settings = read_link(engine, dict(request.query_params))
        return [carried or link_text, shown_choices(names, panel.shown.value), names, *settings]

    upload = file.upload(text_of_file, file, [text, problem], **QUIET)
    for other in (examples.load_input_event.then, run.click):
        other(lambda: gr.update(visible=False), None, problem, **QUIET)
    carried = gr.Textbox(visible="hidden")
    # In two steps: the values that the page sends as it opens include the strategy shown, which is checked against the
    # first choices.
    taken = page.load(lambda text: text, carried, carried, js=TAKE_TEXT, **QUIET)
    updated = [text, panel.shown, panel.strategies, *panel.settings]
    opened = taken.then(on_open, carried, updated, **QUIET)
    page.load(None, None, None, js=FOLD)
    values = [text, panel.strategies, panel.second_model, *panel.settings]
    changes = [examples.load_input_event.then, upload.then, opened.then, *panel.changes]
    requests = build_requests(values, changes, run, cancel)
    return Inputs(text, panel, requests, others, gr.State(first_tab), api)


def text_of_file(path: str | None) -> list[Any]:
    """Updates of the text, from a file's first document, and of the remark below it."""
    if path is None:
        return [gr.skip()] * 2
    problems = Problems()
    documents = read_upload(Path(path), problems)
    try:
        first, second = next(documents, None), next(documents, None)
    except InputError as error:
        return [gr.skip(), gr.update(value=alert(str(error)), visible=True)]
    remarks = problems.listed[:1]
    if first is None:
        remarks = remarks or ["The file contains no documents."]
    elif second is not None:
        remarks.append("This is the first document in the file. The Batch tab tags all of them.")
    below = gr.update(value="".join(map(alert, remarks)), visible=bool(remarks))
    return [gr.skip() if first is None else printable(first.text), below]
