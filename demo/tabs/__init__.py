"""The tabs in page order. A tab is a module here with a LABEL and a ``build`` function."""

from __future__ import annotations

from typing import Protocol

import gradio as gr

from demo.common.inputs import Inputs
from demo.common.turns import SharedEngine
from demo.tabs import code, compare, evidence, watch, why, your_files


class TabModule(Protocol):
    """What the page needs from a tab."""

    LABEL: str

    def build(self, engine: SharedEngine, inputs: Inputs, tab: gr.Tab) -> None:
        """Builds the tab's components."""


TABS: tuple[TabModule, ...] = (watch, compare, your_files, code, why, evidence)
