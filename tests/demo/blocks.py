"""Finds components and listeners of the app that a test looks at."""

from __future__ import annotations

from typing import Any

import gradio as gr


def components(demo: gr.Blocks, kind: type, **properties: Any) -> list[Any]:
    """The components of a kind that have these properties, e.g. a label."""
    of_kind = (block for block in demo.blocks.values() if isinstance(block, kind))
    return [one for one in of_kind if all(getattr(one, name, None) == value for name, value in properties.items())]


def listeners(demo: gr.Blocks, name: str) -> list[Any]:
    """The listeners whose function has this name."""
    return [listener for listener in demo.fns.values() if listener.name == name]
