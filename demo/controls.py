"""What a visitor sets on a page: its text, columns, settings and step of the lesson."""

from abc import ABCMeta
from collections.abc import Mapping
from typing import Any

import gradio as gr

from demo.links import PageState, examples, lesson, opening
from demo.settings import MAX_COLUMNS, TRIGGERS, PageSetting, explained, offered, page_settings, plain_name, points
from engine import Engine
from engine.pruning.strategy_names import StrategyName

OWN = "Own text"


# Passes on what is typed into it, also out of its range, for `Controls.read` to correct. Made without Gradio's
# metaclass, which would write a .pyi file beside this one.
Slider = ABCMeta.__new__(type(gr.Slider), "Slider", (gr.Slider,), {"preprocess": lambda self, payload: payload})


def slider(setting: PageSetting, value: float, visible: bool) -> gr.Slider:
    low, high, step = setting.range
    about: dict[str, Any] = {"label": setting.label, "info": setting.info, "visible": visible, "buttons": ["reset"]}
    return Slider(low, high, value=value, step=step, **about)


class Controls:
    """Builds them, for the page as it opens; ``shown``, the strategy for files and code, is rendered elsewhere."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.names, self.steps = engine, offered(engine), lesson(engine)
        self.examples = {OWN: "", **examples(engine)}
        first, stored = opening(engine), points(engine)
        named = [(plain_name(name), name) for name in self.names]
        with gr.Tabs(elem_classes="controls") as self.tabs:
            with gr.Tab("Text"):
                self.text = gr.Textbox(first.text, label="Text", container=False, lines=3, max_lines=4)
            with gr.Tab("Columns", visible=len(self.names) > 1):
                boxes = [(f"{plain}: {explained(name)}", name) for plain, name in named]
                label = f"Side by side, up to {MAX_COLUMNS}"
                self.columns = gr.CheckboxGroup(boxes, value=list(first.columns), label=label, elem_classes="boxes")
            with gr.Tab("Settings", visible=engine.has_gates):
                self.point = gr.Radio(stored, value=first.point or None, label="Preset", visible=bool(stored))
                triggers = [("preset", ""), *((name.replace("_", " "), name) for name in TRIGGERS)]
                self.trigger = gr.Dropdown(triggers, value="", label="Words come back at", visible=False)
                with gr.Row():
                    self.sliders = {
                        setting: slider(setting, value, setting.kind in first.columns)
                        for setting, value in page_settings(engine, first.point or None).items()
                    }
            with gr.Tab("Lesson", visible=bool(self.steps), id="lesson", elem_classes="lesson") as self.lesson:
                self.step = gr.State(0)
                self.title = gr.Markdown()
                with gr.Row(elem_classes="bar"):
                    self.back, self.next = gr.Button("‹ Back"), gr.Button("Next ›")
        with gr.Row(elem_classes="bar"):
            self.play = gr.Button("▶ Play", variant="primary", elem_classes="play")
            self.tag = gr.Button("Tag", elem_classes="tag")
            self.example = gr.Dropdown(list(self.examples), value=self._title(first), label="Example", container=False)
        self.shown = gr.Dropdown(named, value=first.shown, label="Strategy", render=False)

    @property
    def inputs(self) -> set[Any]:
        """The components whose values `read` takes."""
        texts = {self.text, self.example, self.columns}
        return texts | {self.point, self.trigger, self.shown, *self.sliders.values()}

    @property
    def outputs(self) -> set[Any]:
        """The components that `show` and `show_step` set."""
        return self.inputs | {self.tabs, self.step, self.title, self.back, self.next}

    def read(self, values: Mapping[Any, Any]) -> PageState:
        """The page with these values of its components; of too many columns without the latest."""
        kept, point = values[self.columns][:MAX_COLUMNS], values[self.point] or ""
        moved = {setting: setting.clamp(values[slider]) for setting, slider in self.sliders.items()}
        return PageState(
            text=values[self.text],
            columns=tuple(name for name in self.names if name in kept),
            point=point,
            trigger=values[self.trigger] or "",
            shown=values[self.shown],
            values={
                setting.name: moved[setting] for setting, at in self._preset(point).items() if moved[setting] != at
            },
        )

    def corrected(self, values: Mapping[Any, Any]) -> str:
        """What was typed out of a setting's range, in words."""
        wrong = [setting for setting, slider in self.sliders.items() if setting.clamp(values[slider]) != values[slider]]
        return " ".join("{} goes from {:g} to {:g}.".format(setting.label, *setting.range) for setting in wrong)

    def show(self, page: PageState, values: Mapping[Any, Any] | None = None) -> dict[Any, Any]:
        """Updates by component that bring these values to a page; ``values``: None if they are not known."""
        parsed = [StrategyName.parse(name) for name in page.columns]
        kinds = {name.kind for name in parsed}
        state: dict[Any, Any] = {
            self.text: page.text,
            self.example: self._title(page),
            self.columns: list(page.columns),
            self.point: page.point or None,
            self.trigger: page.trigger,
            self.shown: page.shown,
            **{self.sliders[at]: page.values.get(at.name, value) for at, value in self._preset(page.point).items()},
        }
        visible: dict[Any, bool] = {self.trigger: any(name.recovers for name in parsed)}
        visible |= {slider: setting.kind in kinds for setting, slider in self.sliders.items()}
        updates: dict[Any, Any] = {part: {"visible": shown} for part, shown in visible.items()}
        for part, value in state.items():
            if values is None or values[part] != value:
                updates.setdefault(part, {})["value"] = value
        return {part: gr.update(**update) for part, update in updates.items()}

    def show_step(self, number: int) -> dict[Any, Any]:
        """Updates by component for a step of the lesson."""
        return {
            self.tabs: gr.update(selected="lesson"),
            self.step: number,
            self.title: f"**{number} of {len(self.steps)}.** {self.steps[number - 1][0]}",
            self.back: gr.update(interactive=number > 1),
            self.next: gr.update(interactive=number < len(self.steps)),
        }

    def _preset(self, point: str) -> dict[PageSetting, float]:
        return page_settings(self.engine, point or None)

    def _title(self, page: PageState) -> str:
        return next((title for title, text in self.examples.items() if text == page.text), OWN)
