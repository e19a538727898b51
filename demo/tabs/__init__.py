"""The tabs, in the order of the page. A tab is a module here that has a LABEL and builds itself."""

from __future__ import annotations

from typing import Protocol

import gradio as gr

from demo.page.inputs import Inputs
from demo.tabs import batch, compare, export, frontier, layers, why
from engine import Engine


class TabModule(Protocol):
    """What the page needs of a tab."""

    LABEL: str

    def build(self, engine: Engine, inputs: Inputs, tab: gr.Tab) -> None:
        """Builds the components of the tab."""


TABS: tuple[TabModule, ...] = (layers, compare, why, frontier, batch, export)
