"""How the demo looks: system fonts only, restrained, light and dark, down to 320 px."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from demo.limits import MAX_FILE_BYTES

STATIC = Path(__file__).parents[1] / "static"
# One style sheet for each tab, read in alphabetical order; base.css holds what all of them use.
CSS = "\n".join(sheet.read_text(encoding="utf-8") for sheet in sorted(STATIC.glob("*.css")))


def script(*names: str) -> str:
    """JavaScript files, one after another, for ``js_on_load`` of a `gr.HTML`."""
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in names)


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
    # Each thread that ever worked keeps some memory; one job runs at a time, so a few are enough.
    "max_threads": 4,
    "footer_links": ["api", "gradio", "settings"],
    "run_history": False,
    "enable_monitoring": False,
    "max_file_size": MAX_FILE_BYTES,
}
