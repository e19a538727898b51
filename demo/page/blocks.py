"""The demo's `gr.Blocks`: it reports and logs nothing that users send, and deletes their files."""

from __future__ import annotations

from typing import Any

import gradio as gr

from demo.limits import DELETE_CACHE

# For handlers that answer at once and are not part of the HTTP API.
QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
# For handlers that share a change event. By default, Gradio repeats an event that comes while a listener is busy, and
# repeats it for all listeners of the component: two that overlap would loop for ever.
EVERY_CHANGE: dict[str, Any] = {"trigger_mode": "multiple", **QUIET}
MISFIT = "expected values that fit this function, got others; if one of them is a file, upload it again"


class Page(gr.Blocks):
    """Gradio's Blocks without analytics; deletes uploads and downloads after a while."""

    def __init__(self, title: str) -> None:
        super().__init__(title=title, analytics_enabled=False, delete_cache=DELETE_CACHE)

    async def preprocess_data(self, *args: Any, **settings: Any) -> Any:
        """Like Gradio's, but answers a malformed request briefly and does not log its text."""
        try:
            return await super().preprocess_data(*args, **settings)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception:  # noqa: BLE001 - the values of a request can cause anything
            raise gr.Error(MISFIT, print_exception=False) from None

    async def process_api(
        self, block_fn: Any, inputs: list[Any], state: Any = None, *args: Any, **settings: Any
    ) -> Any:
        """Like Gradio's, but no session keeps the text of an HTTP API call or its answer.

        For a call without a session, Gradio makes one named after the call. This drops it after the call: Gradio keeps
        a limited number of sessions and forgets the least recent, which belong to visitors who are reading.
        """
        if block_fn.api_visibility != "public":
            return await super().process_api(block_fn, inputs, state, *args, **settings)
        try:
            return await super().process_api(block_fn, inputs, None, *args, **settings)
        finally:
            session = settings.get("session_hash")
            if session is not None and session == settings.get("event_id"):
                self.state_holder.session_data.pop(session, None)
                self.state_holder.time_last_used.pop(session, None)
