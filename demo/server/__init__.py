"""The web server of the demo, and its look: system fonts, light and dark, widths down to 320 px."""

from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from demo.common.limits import MAX_THREADS, MAX_UPLOAD_BYTES
from demo.server.files import document_routes
from demo.server.page import HANDLERS, guard_calls

# Each style sheet is beside the module whose markup it styles.
CSS = "\n".join(sheet.read_text(encoding="utf-8") for sheet in sorted(Path(__file__).parents[1].rglob("*.css")))

COLOURS = {  # in the light and in the dark theme
    "button_primary_background_fill": ("primary_700", "primary_700"),
    "button_primary_background_fill_hover": ("primary_800", "primary_800"),
    "body_text_color_subdued": ("neutral_600", "neutral_300"),
    "block_label_text_color": ("neutral_700", "neutral_200"),
    "block_title_text_color": ("neutral_700", "neutral_200"),
    "block_info_text_color": ("neutral_600", "neutral_300"),
    "checkbox_border_color": ("neutral_500", "neutral_300"),
    "link_text_color": ("primary_700", "primary_300"),
}
THEME = gr.themes.Default(
    primary_hue="teal", neutral_hue="slate", font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace")
)

LAUNCH: dict[str, Any] = {
    "theme": THEME.set(
        **{name: f"*{light}" for name, (light, _) in COLOURS.items()},
        **{f"{name}_dark": f"*{dark}" for name, (_, dark) in COLOURS.items()},
    ),
    "css": CSS,
    "app_kwargs": {
        "routes": document_routes(),
        "middleware": [Middleware(guard_calls)],
        "exception_handlers": HANDLERS,
    },
    # With server-side rendering, Node would answer requests for documents with 404.
    "ssr_mode": False,
    "max_threads": MAX_THREADS,
    # Gradio keeps the state of each session, including calls by plain HTTP; it forgets the least recent.
    "state_session_capacity": 250,
    "footer_links": ["api", "gradio", "settings"],
    "run_history": False,
    "enable_monitoring": False,
    "max_file_size": MAX_UPLOAD_BYTES,
}
