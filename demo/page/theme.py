"""The look of the demo: system fonts only, restrained, light and dark, down to 320 px wide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from demo.limits import MAX_FILE_BYTES
from demo.refusals import HANDLERS

# A style sheet lies beside the module whose markup it styles.
CSS = "\n".join(sheet.read_text(encoding="utf-8") for sheet in sorted(Path(__file__).parents[1].rglob("*.css")))

LAUNCH: dict[str, Any] = {
    "theme": gr.themes.Default(
        primary_hue="teal",
        neutral_hue="slate",
        font=("system-ui", "sans-serif"),
        font_mono=("ui-monospace", "monospace"),
    ).set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_800",
    ),
    "css": CSS,
    "app_kwargs": {"exception_handlers": HANDLERS},
    # A thread keeps some memory once it has worked, and one pass runs at a time: a few threads are enough.
    "max_threads": 8,
    "footer_links": ["api", "gradio", "settings"],
    "run_history": False,
    "enable_monitoring": False,
    "max_file_size": MAX_FILE_BYTES,
}
