"""The text and settings beside the tabs, and how tabs follow them: drawn only while they are visible."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from demo.common.bet import Bet
from demo.common.differences import Compared
from demo.common.limits import EVERY_CHANGE, MAX_CHARACTERS, QUIET
from demo.common.links import examples, make_link, read_link
from demo.common.requests import build_requests
from demo.common.runs import Run
from demo.common.settings_panel import SettingsPanel, build_settings
from engine import Engine

SCRIPT = Path(__file__).with_name("links.js")
# On a phone the settings are folded so the result fits on the first screen.
FOLD = """() => {
  if (matchMedia("(max-width: 640px)").matches) document.querySelector(".settings > button.open")?.click();
}"""
LINK = """(query) => document.dispatchEvent(new CustomEvent("link", { detail: query }))"""
LINK_SAID = """<p class="note"><span class="said" role="status"></span>
<button type="button" hidden>Copy it with the text</button></p>"""
BET = """(_, ...values) => [document.body.dataset.bet ?? "", ...values]"""
# A text in the link, or else the one that a visitor left behind, unless the link names an example or holds a bet.
KEPT = """() => {
  const [, text] = location.hash.match(/^#text=(.*)$/s) ?? [];
  if (text === undefined) {
    return /[?&](example|bet)=/.test(location.search) ? "" : sessionStorage.getItem("text") ?? "";
  }
  history.replaceState(null, "", location.pathname + location.search);
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}"""


Draw = Callable[[Run, Compared], list[Any]]


@dataclass(frozen=True)
class View:
    """What a tab shows of the run.

    ``draw``: makes the values of the ``outputs``; it gets the run and the strategy shown.
    ``timed``: whether the tab shows times, so that it is drawn again once they are measured.
    """

    label: str
    draw: Draw
    outputs: Sequence[Any]
    timed: bool = False

    def on_change(self, visible: str, before: object, run: Run | None, name: str) -> list[Any]:
        """A mark of what the tab shows, and the outputs, if it is visible and that is not what it showed ``before``."""
        if visible != self.label or run is None or (mark := (run.number, run.timed and self.timed, name)) == before:
            return [gr.skip()] * (1 + len(self.outputs))
        return [mark, *self.draw(run, run.shown(name))]


@dataclass(frozen=True)
class Inputs:
    """What all tabs share.

    ``answer``: the card above them, which the page renders. ``run``: the session's latest `demo.common.runs.Run`.
    ``visible_tab``: the label of the selected one.
    """

    panel: SettingsPanel
    answer: gr.HTML
    run: gr.State
    visible_tab: gr.State

    def show(self, tab: gr.Tab, draw: Draw, outputs: Sequence[Any], *, timed: bool = False) -> None:
        """Draws a tab when it is selected or, while it is visible, when the run or the strategy shown changes."""
        view, drawn = View(str(tab.label), draw, outputs, timed), gr.State()
        values = [self.visible_tab, drawn, self.run, self.panel.shown]
        selected = tab.select(lambda: tab.label, None, self.visible_tab, **QUIET)
        selected.then(view.on_change, values, [drawn, *outputs], **QUIET)
        for change in (self.run.change, self.panel.shown.change):
            change(view.on_change, values, [drawn, *outputs], **EVERY_CHANGE)


def build_inputs(engine: Engine, page: gr.Blocks, bet: Bet, first_tab: str) -> Inputs:
    """Builds the text, the buttons, the examples and the settings; every change of them requests a run.

    ``bet``: on the sentence that the text is at first. ``first_tab``: label of the tab that is open at first.
    """
    offered = examples(engine)
    first, *_ = offered.values()
    text = gr.Textbox(
        bet.sentence or first, label="Text", lines=3, max_lines=9, max_length=MAX_CHARACTERS, elem_classes="text-input"
    )
    with gr.Row(elem_classes="buttons"):
        run = gr.Button("Run", variant="primary", elem_classes="run", min_width=70)
        copy = gr.Button("Copy link", elem_classes="copy-link", min_width=90)
        cancel = gr.Button("Cancel", elem_classes="cancel", min_width=70)
    gr.HTML(LINK_SAID, elem_classes="link-said", js_on_load=SCRIPT.read_text(encoding="utf-8"))
    shown = gr.Examples(
        [[example] for example in offered.values()],
        text,
        label="Examples (invented; ✗ where it goes wrong)" if "✗" in "".join(offered) else "Examples (invented)",
        example_labels=list(offered),
        examples_per_page=len(offered),
        api_visibility="private",
        elem_id="examples",
    )
    panel = build_settings(engine)
    choice = [panel.strategies, *panel.settings]

    def on_open(kept: str, request: gr.Request) -> list[Any]:
        query = dict(request.query_params)
        example, *settings = read_link(engine, query)
        opening = kept[:MAX_CHARACTERS] or example
        return [opening, *settings, *bet.open(opening, query)]

    kept = gr.Textbox(visible="hidden")
    opened = page.load(on_open, kept, [text, panel.shown, *choice, bet.friend, bet.shown], js=KEPT, **QUIET)
    page.load(None, None, None, js=FOLD)
    link = gr.Textbox(visible="hidden")
    word = gr.Textbox(visible="hidden")

    def on_copy(word: str, text: str, *values: Any) -> str:
        return make_link(engine, text, *values) + bet.in_link(word, text)

    linked = copy.click(on_copy, [word, text, panel.shown, *choice], link, js=BET, **QUIET)
    linked.then(None, link, None, js=LINK, api_visibility="private")
    changes = [shown.load_input_event.then, opened.then, *panel.changes]
    answer, latest_run = build_requests(engine, [text, *choice], panel.shown, changes, run, cancel)
    latest_run.change(bet.draw, [latest_run, bet.friend, bet.shown], bet.shown, **EVERY_CHANGE)
    return Inputs(panel, answer, latest_run, gr.State(first_tab))
