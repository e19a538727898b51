"""Shows one strategy's result as markup with a script; the tabs Layer by layer and Why share this."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from demo.html import words
from demo.html.escape import alert, note
from demo.limits import MODEL_WORK, check_padded, check_text
from demo.page.inputs import Inputs
from demo.page.redraw import redraw_when_visible
from demo.page.turns import fingerprint
from demo.settings import chosen_strategy, name_with_settings
from engine import Engine, InputError, Result

DRAWING: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", **MODEL_WORK}


def build_result_view(
    engine: Engine, inputs: Inputs, tab: gr.Tab, render: Callable[[Result], str], script: Path
) -> None:
    """Builds the view of the shown strategy's result; it opens with the page's first text.

    Args:
        engine: runs the strategy.
        inputs: the text and settings that the view follows.
        tab: the tab under construction.
        render: makes the markup.
        script: the view's JavaScript, which runs after that of `demo.html.words`.
    """

    def on_view(text: str, name: str, point: str | None, *others: Any) -> list[str]:
        try:
            strategy = chosen_strategy(engine, name, point, *others)
            check_padded(check_text(text), [strategy])
            shown = note(name_with_settings(engine, strategy, point))
            return [shown + render(engine.tag(text, strategy))]
        except InputError as error:
            return [alert(str(error))]

    shown = [inputs.text, inputs.shown, *inputs.settings]
    first = [component.value for component in shown]
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in (words.SCRIPT, script))
    view = gr.HTML(*on_view(*first), js_on_load=scripts)
    changes = [*inputs.changed, inputs.shown.change]
    redraw_when_visible(inputs, tab, shown, changes, on_view, [view], drawn=fingerprint(first), **DRAWING)
