"""The panel of settings: strategies, operating point, settings of controllers, and recovery."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from demo.common.limits import MAX_STRATEGIES, QUIET
from demo.common.markup import term
from demo.settings import TRIGGERS, in_page_order, page_settings, points, summarise
from engine import Engine
from engine.pruning.strategy import default_point

HELP = (
    f'<p class="note">These settings of the selected strategies override the {term("operating point")}. They decide '
    f"which words exit at a {term('gate')}, and the trigger decides when {term('recovery')} brings words back.</p>"
)
NO_POINTS = "Changes nothing here: no selected strategy has operating points."
NO_RECOVERY = "Changes nothing here: no selected strategy brings words back."
NO_SETTINGS = '<p class="note">No selected strategy has settings to move here.</p>'


@dataclass(frozen=True)
class SettingsPanel:
    """The components of the panel.

    ``strategies``: names of the strategies to compare.
    ``settings``: operating point, trigger and controllers' settings, in the order in which
    `demo.settings.chosen_strategy` takes them.
    ``shown``: the strategy whose words the tabs show one by one.
    ``changes``: events after which any of these may have changed.
    """

    strategies: gr.CheckboxGroup
    settings: Sequence[Any]
    shown: gr.Radio
    changes: Sequence[Any]


def build_settings(engine: Engine) -> SettingsPanel:
    """Builds the panel, which opens with the default strategy beside dense."""
    opening, stored = in_page_order(engine, [engine.default_strategy]), points(engine)
    chosen_point = default_point(stored) if stored else None
    of_point, of_trigger, of_note, *of_sliders = _states(engine, opening)
    with gr.Accordion("Settings", elem_classes="settings"):
        point = gr.Radio(
            stored,
            value=chosen_point,
            label="Operating point",
            elem_classes="compact",
            visible=bool(stored),
            **of_point,
        )
        shown = gr.Radio(
            opening,
            value=engine.default_strategy,
            label="Strategy shown",
            elem_classes=["compact", "strategy-shown"],
        )
        with gr.Accordion("More strategies", open=False):
            strategies = gr.CheckboxGroup(
                [(f"{name}: {summarise(engine.strategy(name))}", name) for name in engine.runnable],
                value=opening,
                label=f"Strategies to compare, at most {MAX_STRATEGIES}",
                elem_classes="strategies",
            )
        with gr.Accordion("Pruning and recovery", open=False, visible=engine.has_gates):
            gr.HTML(HELP)
            no_sliders = gr.HTML(NO_SETTINGS, **of_note)
            moved = [
                gr.Slider(
                    *setting.range[:2],
                    value=value,
                    step=setting.range[2],
                    label=setting.label,
                    info=f"{setting.declared.description[:1].upper()}{setting.declared.description[1:]}.",
                    interactive=True,
                    **state,
                )
                for (setting, value), state in zip(page_settings(engine, chosen_point).items(), of_sliders, strict=True)
            ]
            trigger = gr.Dropdown(
                [("the operating point's default", ""), *((name.replace("_", " "), name) for name in TRIGGERS)],
                value="",
                label="Recovery trigger: when words come back",
                **of_trigger,
            )

    def on_strategies(chosen: Any, shown: Any) -> list[Any]:
        choice = shown_choices(chosen, shown)
        if choice == gr.skip() or not set(chosen) <= set(engine.runnable):
            return [gr.skip()] * (4 + len(moved))
        return [choice, *(gr.update(**state) for state in _states(engine, chosen))]

    settings: list[Any] = [point, trigger, *moved]
    pointed = point.input(lambda point: list(page_settings(engine, point).values()), point, moved, **QUIET)
    # Before it answers, the page may hold a strategy that is no longer a choice: not checked here, and others wait.
    applied = [shown, point, trigger, no_sliders, *moved]
    narrowed = strategies.change(on_strategies, [strategies, shown], applied, preprocess=False, **QUIET)
    changes = [pointed.then, narrowed.then, *(part.change for part in settings)]
    return SettingsPanel(strategies, settings, shown, changes)


def _states(engine: Engine, names: Sequence[str]) -> list[dict[str, Any]]:
    """Properties of operating point, trigger, the note that there are no sliders, and sliders, for these strategies."""
    strategies = [engine.strategy(name) for name in names]
    kinds = {strategy.kind for strategy in strategies}
    used = [setting.kind in kinds for setting in page_settings(engine)]
    has_points = any(strategy.point for strategy in strategies)
    recovers = any(strategy.recovery for strategy in strategies)
    return [
        {"interactive": has_points, "info": "" if has_points else NO_POINTS},
        {"interactive": recovers, "info": "" if recovers else NO_RECOVERY},
        *({"visible": visible} for visible in (not any(used), *used)),
    ]


def shown_choices(names: Any, shown: Any) -> Any:
    """An update that offers the compared strategies as those that can be shown, and keeps the choice if it can.

    Nothing changes if ``names`` are not names.
    """
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return gr.skip()
    return gr.update(choices=names, value=shown if shown in names else names[-1])
