"""Options of listeners."""

from typing import Any

# For handlers that are not part of the HTTP API; QUIET ones answer at once.
HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
QUIET: dict[str, Any] = {"queue": False, **HIDDEN}
# For handlers that share a change event. By default, Gradio repeats an event that comes while a listener is busy, and
# repeats it for all listeners of the component: two that overlap would loop for ever.
EVERY_CHANGE: dict[str, Any] = {"trigger_mode": "multiple", **QUIET}
