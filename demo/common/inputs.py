"""The text and settings beside the tabs, shared by all tabs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from demo.common.blocks import QUIET
from demo.common.examples import EXAMPLES
from demo.common.limits import MAX_CHARACTERS, MAX_FILE_BYTES, MAX_STRATEGIES
from demo.common.links import gone, read_link
from demo.common.markup import alert, printable, term
from demo.common.reports import own_opening, own_report
from demo.common.runs import Runs, build_runs, request_runs
from demo.common.uploads import Problems, read_upload
from demo.settings import (
    SELECTED,
    TRIGGERS,
    Slider,
    default_values,
    does,
    has_points,
    is_used,
    points,
    recovers,
    sliders,
)
from engine import Engine, InputError
from engine.pruning.strategy_names import BALANCED, OLD_NAMES, default_point, parse

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
HELP = (
    f'<p class="note">These settings of the selected strategies override the {term("operating point")}. They decide '
    f"which words exit at a {term('gate')}, and the trigger decides when {term('recovery')} brings words back.</p>"
)
NO_POINTS = "Changes nothing here: no selected strategy has operating points."
NO_RECOVERY = "Changes nothing here: no selected strategy brings words back."
NO_SLIDERS = '<p class="note">No selected strategy has settings to move here.</p>'


@dataclass(frozen=True)
class Inputs:
    """The components that all tabs share.

    ``text``: the text.
    ``strategies``: names of the strategies to compare.
    ``settings``: operating point, trigger and sliders, the last arguments of `demo.settings.chosen_strategy`.
    ``shown``: the strategy whose words the tabs show one by one.
    ``beside``: name of a second model to compare with, or empty.
    ``others``: the models that can be chosen there.
    ``runs``: requests to run the text, and the answer, which the page places above the tabs.
    ``changed``: events after which the tabs redraw.
    ``visible_tab``: label of the selected tab.
    ``api``: whether the HTTP API serves this page's model.
    """

    text: gr.Textbox
    strategies: gr.CheckboxGroup
    settings: Sequence[Any]
    shown: gr.Radio
    beside: gr.Dropdown
    others: Mapping[str, Engine]
    runs: Runs
    changed: Sequence[Any]
    visible_tab: gr.State
    api: bool


def build_inputs(engine: Engine, others: Mapping[str, Engine], page: gr.Blocks, first_tab: str, *, api: bool) -> Inputs:
    """Builds the text, the buttons, the examples and the settings; every change of them requests a run.

    Args:
        engine: the engine that the settings are for.
        others: further models to compare it with, by name.
        page: reads its link when it opens.
        first_tab: label of the tab that is open at first.
        api: whether the HTTP API serves this page's model.
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
    chosen = _build_settings(engine, others)

    def on_open(carried: str, request: gr.Request) -> list[Any]:
        link_text, names, *settings = read_link(engine, dict(request.query_params))
        remark = gone(dict(request.query_params))
        shown = gr.update(value=alert(remark), visible=True) if remark else gr.skip()
        return [shown, carried or link_text, shown_choices(names, chosen.shown.value), names, *settings]

    upload = file.upload(dropped_text, file, [text, problem], **QUIET)
    for other in (examples.load_input_event.then, run.click):
        other(lambda: gr.update(visible=False), None, problem, **QUIET)
    carried = gr.Textbox(visible="hidden")
    # In two steps: the values that the page sends as it opens include the strategy shown, which is checked against the
    # first choices.
    taken = page.load(lambda text: text, carried, carried, js=TAKE_TEXT, **QUIET)
    opened = taken.then(on_open, carried, [problem, text, chosen.shown, chosen.strategies, *chosen.values], **QUIET)
    page.load(None, None, None, js=FOLD)
    runs = build_runs()
    values = [text, chosen.strategies, chosen.beside, *chosen.values]
    changes = [examples.load_input_event.then, upload.then, opened.then, *chosen.changes]
    request_runs(runs, values, changes, run.click, cancel)
    return Inputs(
        text,
        chosen.strategies,
        chosen.values,
        chosen.shown,
        chosen.beside,
        others,
        runs,
        [runs.request.change],
        gr.State(first_tab),
        api,
    )


def shown_choices(names: Any, shown: Any) -> Any:
    """Offers the compared strategies, if any, as those that can be shown; keeps the choice if it can.

    Args:
        names: the strategies that are compared; nothing changes if they are not names.
        shown: the current choice.
    """
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return gr.skip()
    return gr.update(choices=names, value=shown if shown in names else names[-1])


@dataclass(frozen=True)
class _Settings:
    """The setting components and the events that change them."""

    strategies: gr.CheckboxGroup
    shown: gr.Radio
    beside: gr.Dropdown
    values: Sequence[Any]
    changes: Sequence[Any]


def _build_settings(engine: Engine, others: Mapping[str, Engine]) -> _Settings:
    names, stored = engine.runnable, points(engine)
    selected, chosen_point = _opening_choice(engine)
    with gr.Accordion("Settings", elem_classes="settings"):
        point = gr.Radio(
            stored,
            value=chosen_point,
            label="Operating point",
            info=_unless(has_points(engine, selected), NO_POINTS),
            elem_classes="compact",
            visible=bool(stored),
            interactive=True,
        )
        shown = gr.Radio(
            selected,
            value=selected[-1],
            label="Strategy shown word by word",
            elem_classes=["compact", "strategy-shown"],
        )
        with gr.Accordion("More strategies", open=False):
            strategies = gr.CheckboxGroup(
                [(f"{name}: {does(engine.strategy(name))}", name) for name in names],
                value=selected,
                label=f"Strategies to compare, at most {MAX_STRATEGIES}",
                elem_classes="strategies",
            )
            beside = gr.Dropdown(
                [("none", ""), *others],
                value="",
                label="Compare with a second model",
                visible=bool(others),
            )
        with gr.Accordion("Pruning and recovery", open=False, visible=engine.model.has_gates):
            gr.HTML(HELP)
            none = gr.HTML(NO_SLIDERS, visible=False)
            components = [
                _build_slider(engine, slider, value, selected)
                for slider, value in zip(sliders(engine), default_values(engine, chosen_point), strict=True)
            ]
            trigger = gr.Dropdown(
                [("the operating point's default", ""), *TRIGGERS],
                value="",
                label="Recovery trigger: when words come back",
                info=_unless(recovers(engine, selected), NO_RECOVERY),
                interactive=recovers(engine, selected),
            )

    def on_point(point: str) -> list[float]:
        return default_values(engine, point)

    def on_strategies(chosen: Any, shown: Any) -> list[Any]:
        """What applies to the strategies that are compared; nothing changes if they are not names of strategies."""
        choice = shown_choices(chosen, shown)
        if choice == gr.skip() or not set(chosen) <= set(names):
            return [gr.skip()] * (4 + len(components))
        used = [is_used(engine, slider, chosen) for slider in sliders(engine)]
        pointed, recovering = has_points(engine, chosen), recovers(engine, chosen)
        return [
            choice,
            gr.update(interactive=pointed, info=_unless(pointed, NO_POINTS)),
            gr.update(interactive=recovering, info=_unless(recovering, NO_RECOVERY)),
            gr.update(visible=not any(used)),
            *(gr.update(visible=visible) for visible in used),
        ]

    values: list[Any] = [point, trigger, *components]
    pointed = point.input(on_point, point, components, **QUIET)
    # Before it answers, the page may hold a strategy that is no longer a choice: not checked here, and others wait.
    applied = [shown, point, trigger, none, *components]
    narrowed = strategies.change(on_strategies, [strategies, shown], applied, preprocess=False, **QUIET)
    changes = [pointed.then, narrowed.then, beside.change, *(part.change for part in values)]
    return _Settings(strategies, shown, beside, values, changes)


def _opening_choice(engine: Engine) -> tuple[list[str], str | None]:
    """The strategies and the operating point when the page opens: what the report recommends, beside dense."""
    names, stored = engine.runnable, points(engine)
    default = default_point(stored) if stored else None
    report = own_report(engine)
    row = own_opening(report, engine).recommended if report else None
    if row is None:
        return [name for name in names if name in SELECTED], default
    parts = parse(row["strategy"])
    point = OLD_NAMES.get(parts.point, parts.point) or BALANCED
    return ["dense", parts.stored], point if point in stored else default


def _unless(true: bool, message: str) -> str:
    return "" if true else message


def _build_slider(engine: Engine, slider: Slider, value: float, selected: Sequence[str]) -> gr.Slider:
    low, high, step = slider.range
    return gr.Slider(
        low,
        high,
        value=value,
        step=step,
        label=slider.label,
        info=f"{slider.setting.description[:1].upper()}{slider.setting.description[1:]}.",
        interactive=True,
        visible=is_used(engine, slider, selected),
    )


def dropped_text(path: str | None) -> list[Any]:
    """Updates of the text, from a file's first document, and of the line below, with what to know about it."""
    if path is None:
        return [gr.skip()] * 2
    problems = Problems()
    documents = read_upload(Path(path), MAX_FILE_BYTES, problems)
    try:
        first = next(documents, None)
        more = next(documents, None) is not None
    except InputError as error:
        return [gr.skip(), gr.update(value=alert(str(error)), visible=True)]
    lines = problems.listed[:1]
    if first is None:
        lines = lines or ["The file contains no documents."]
    elif more:
        lines.append("This is the first document in the file. The Batch tab tags all of them.")
    below = gr.update(value="".join(map(alert, lines)), visible=bool(lines))
    return [gr.skip() if first is None else printable(first.text), below]
