"""The tabs in page order. A tab is a module here with a LABEL and a ``build`` function."""

from __future__ import annotations

from typing import Protocol

import gradio as gr

from demo.common.inputs import Inputs
from demo.tabs import batch, compare, export, layers, reports, why
from engine import Engine


class TabModule(Protocol):
    """What the page needs from a tab."""

    LABEL: str

    def build(self, engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
        """Builds the tab's components."""


TABS: tuple[TabModule, ...] = (layers, compare, why, reports, batch, export)
