"""The Blocks that the demo is built in: every job waits in one queue, and nothing of what users send is logged."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.limits import DELETE_CACHE

MISFIT = "expected values that fit this function, got others; if they hold a file, upload it again"


class Page(gr.Blocks):
    """Gradio's Blocks without reports, and with uploads and downloads that are deleted again."""

    def __init__(self, title: str) -> None:
        super().__init__(title=title, analytics_enabled=False, delete_cache=DELETE_CACHE)

    async def preprocess_data(self, *args: Any, **settings: Any) -> Any:
        """As in Gradio; but a request that does not fit is told so briefly, instead of being logged with its text."""
        try:
            return await super().preprocess_data(*args, **settings)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception:  # noqa: BLE001 - whatever the values of a request can bring about
            raise gr.Error(MISFIT, print_exception=False) from None
