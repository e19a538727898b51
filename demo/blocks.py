"""The page: a text, the strategies to compare and their knobs, and one panel for each strategy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
import torch

from demo import presenters
from demo.examples import EXAMPLES
from demo.measuring import measure
from engine import Engine
from engine.controllers import RuleController
from engine.recovery import TRIGGERS

MAX_CHARACTERS = 100_000
POINTS = ("exact", "balanced", "fast")
RECOVERING = "entropy+recovery"
TITLE = "Token pruning for biomedical NER, while it runs"
INTRODUCTION = """
Each panel tags the same text with the same model, but spends a different amount of computing on it. Most words are
plainly neither a chemical nor a disease after a few layers of the encoder; a pruning strategy lets such words leave
there. <span class="left">Greyed, dotted words</span> left early (point at
them to see after which layer), words in plain type went through all layers, words that *came back* had
left and were computed again, and coloured words are what was found.
`dense` computes everything and is the reference: the lines above each text say how long the strategy took, how much
it computed, and where its result differs.
"""
FOOTER = '<p class="footer">Research use, not for clinical decisions.</p>'


@dataclass(frozen=True)
class Knob:
    """A setting of one strategy that has a slider."""

    strategy: str
    name: str
    label: str
    low: float
    high: float
    info: str


KNOBS = (
    Knob("rule", "lambda_", "λ", *RuleController.LAMBDA_RANGE, "a larger λ prunes more"),
    Knob("rule", "min_keep_ratio", "minimum keep", 0, 1, "share of the words that stay to the end at least"),
    Knob("entropy", "min_keep_ratio", "minimum keep", 0, 1, "share of the words that stay to the end at least"),
)


def choices(engine: Engine) -> list[str]:
    """The strategies that this model can run: without gates, only ``dense`` and ``hf``."""
    if not engine.model.has_gates:
        return ["dense", "hf"]
    learned = ["mlp"] if engine.network is not None else []
    truncated = f"truncate-{engine.encoder.num_layers // 2}"
    return ["dense", "rule", "entropy", *learned, "entropy+recovery", "hf", "random", truncated]


def points(engine: Engine) -> list[str]:
    """The operating points that all strategies with points have."""
    stored = [set(of) for of in engine.points.values()]
    return [point for point in POINTS if stored and all(point in of for of in stored)]


def knobs(engine: Engine) -> list[Knob]:
    """The knobs of the strategies that this model can run."""
    return [knob for knob in KNOBS if knob.strategy in choices(engine)]


def problem(text: str, names: list[str]) -> str | None:
    """Why there is nothing to compare, if so."""
    if not text.strip():
        return "There is no text yet: enter one, or choose an example."
    if len(text) > MAX_CHARACTERS:
        return f"The text has {len(text):,} characters, the limit is {MAX_CHARACTERS:,}: shorten it."
    if not names:
        return "No strategy is chosen: choose at least one."
    return None


def compare(
    engine: Engine, text: str, names: list[str], point: str | None, trigger: str | None, *values: float
) -> list[Any]:
    """Updates of the line above the panels and, for every choice, of its panel, card and text.

    Args:
        engine: runs the strategies.
        text: of the user.
        names: the strategies to show; ``dense`` runs in any case.
        point: operating point of the strategies that have some.
        trigger: of recovery.
        values: of the sliders, in the order of `knobs`.
    """
    hidden = [gr.update(visible=False), None, None]
    every = choices(engine)
    if message := problem(text, names):
        return [presenters.notice(message), *hidden * len(every)]
    settings: dict[str, dict[str, Any]] = {name: {} for name in every if name in names or name == "dense"}
    for knob, value in zip(knobs(engine), values, strict=True):
        if knob.strategy in settings:
            settings[knob.strategy][knob.name] = value
    if RECOVERING in settings:
        settings[RECOVERING]["trigger"] = trigger
    strategies = [engine.strategy(name, point, **changed) for name, changed in settings.items()]
    measured = dict(zip(settings, measure(engine, text, strategies), strict=True))
    dense = measured["dense"]
    above = presenters.conditions(str(engine.device), engine.dtype, torch.get_num_threads(), dense.runs)
    updates: list[Any] = [above]
    for name in every:
        if name in names:
            shown = measured[name]
            updates += [gr.update(visible=True), presenters.card(shown, dense), presenters.segments(shown.result)]
        else:
            updates += hidden
    return updates


def build_demo(engine: Engine) -> gr.Blocks:
    """The demo for an engine; launch it with ``demo.theme.LAUNCH``."""
    names = choices(engine)
    chosen = [name for name in names if name in ("dense", "rule", "entropy")]
    colours = presenters.colours(engine.labels.types, engine.encoder.num_layers)

    def on_compare(text: str, names: list[str], *settings: Any) -> list[Any]:
        return compare(engine, text, names, *settings)

    def on_choice(names: list[str]) -> list[Any]:
        enabled = [*(knob.strategy in names for knob in knobs(engine)), RECOVERING in names]
        return [gr.update(interactive=on) for on in enabled]

    def on_point(point: str) -> list[Any]:
        return [engine.strategy(knob.strategy, point).knobs()[knob.name] for knob in knobs(engine)]

    with gr.Blocks(title=TITLE, analytics_enabled=False) as demo:
        gr.Markdown(f"# {TITLE}\n{INTRODUCTION}")
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
        outputs: list[Any] = [gr.HTML()]
        with gr.Row(elem_classes="panels"):
            for _ in names:
                with gr.Column(visible=False, min_width=320) as panel:
                    card = gr.HTML()
                    tokens = gr.HighlightedText(color_map=colours, show_label=False, elem_classes="tokens")
                outputs += [panel, card, tokens]
        gr.HTML(FOOTER)
        quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        strategies.change(on_choice, strategies, [*sliders, trigger], **quiet)
        point.input(on_point, point, sliders, **quiet)
        for event in (button.click, examples.load_input_event.then):
            event(
                on_compare,
                [text, strategies, point, trigger, *sliders],
                outputs,
                api_visibility="private",
                concurrency_id="engine",  # one comparison at a time, or they would disturb each other's times
            )
    return demo
