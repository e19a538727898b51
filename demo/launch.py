"""How the app is served: its look, its limits, and that it logs no texts."""

import logging
import traceback
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.route_utils import FnIndexInferError
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 2 * 2**20
MAX_BODY_BYTES = 2**20  # of a call, uploads apart
KEEP_FILES_S = 600
SHEET, STYLE = (Path(__file__).with_name(name) for name in ("view.css", "style.css"))
CSS = "".join(sheet.read_text(encoding="utf-8") for sheet in (SHEET, STYLE))
COLOURS = {  # in the light and in the dark theme
    "button_primary_background_fill": ("primary_700", "primary_700"),
    "button_primary_background_fill_hover": ("primary_800", "primary_800"),
    "body_text_color_subdued": ("neutral_600", "neutral_300"),
    "block_label_text_color": ("neutral_700", "neutral_200"),
    "block_title_text_color": ("neutral_700", "neutral_200"),
    "block_info_text_color": ("neutral_600", "neutral_300"),
    "checkbox_border_color": ("neutral_500", "neutral_300"),
    "checkbox_background_color_selected": ("primary_700", "primary_700"),
    "checkbox_border_color_selected": ("primary_700", "primary_700"),
    "slider_color": ("primary_700", "primary_700"),
    "link_text_color": ("primary_700", "primary_300"),
}
THEME = gr.themes.Default(
    primary_hue="teal", neutral_hue="slate", font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace")
)
# Work on texts and on files waits apart; calls of the engine run one at a time, see `demo.run.tag_batch`.
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
QUEUE: dict[str, Any] = {"max_size": 32, "default_concurrency_limit": 4, "api_open": False}


class Page(gr.Blocks):
    """Gradio's Blocks that never log a visitor's input and keep no state of API calls."""

    async def process_api(
        self, block_fn: Any, inputs: list[Any], state: Any = None, *args: Any, **settings: Any
    ) -> Any:
        kept = None if block_fn.api_visibility == "public" else state
        try:
            return await super().process_api(block_fn, inputs, kept, *args, **settings)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:  # noqa: BLE001 - the values of a request can cause any error, which may quote them
            last = traceback.extract_tb(error.__traceback__)[-1]
            logger.error("%s: %s in %s, line %s", block_fn.name, type(error).__name__, last.filename, last.lineno)
            raise gr.Error(
                "These values do not fit the function; docs/api.md lists them.", print_exception=False
            ) from None


async def refuse_call(request: Request, error: Exception) -> Response:
    """Answers a call of the HTTP API with a wrong name or wrong arguments; raises any other error again."""
    if "/call/" not in request.url.path:
        raise error
    if isinstance(error, TypeError):
        return JSONResponse({"detail": str(error).partition(". ")[0]}, 422)
    return JSONResponse({"detail": "There is no such function; the API is /tag."}, 404)


def limit_bodies(app: ASGIApp) -> ASGIApp:
    """Middleware that refuses calls that are too large before they are read."""

    async def pass_on(scope: Scope, receive: Receive, send: Send) -> None:
        answer: Any = app
        if scope["type"] == "http" and scope["method"] == "POST" and not scope["path"].endswith("/upload"):
            size = Request(scope).headers.get("content-length", "")
            if not size.isdecimal():
                answer = JSONResponse({"detail": "The request has no Content-Length; send it."}, 411)
            elif int(size) > MAX_BODY_BYTES:
                text = f"A call holds at most {MAX_BODY_BYTES / 2**20:.0f} MB; this one has {int(size) / 2**20:.2f} MB."
                answer = JSONResponse({"detail": text}, 413)
        await answer(scope, receive, send)

    return pass_on


LAUNCH: dict[str, Any] = {
    "theme": THEME.set(
        **{name: f"*{light}" for name, (light, _) in COLOURS.items()},
        **{f"{name}_dark": f"*{dark}" for name, (_, dark) in COLOURS.items()},
    ),
    "css": CSS,
    "app_kwargs": {
        "middleware": [Middleware(limit_bodies)],
        # A missing or unknown argument is a TypeError, an unknown name one of the others.
        "exception_handlers": dict.fromkeys((TypeError, KeyError, FnIndexInferError), refuse_call),
    },
    "ssr_mode": False,  # a Space would need Node
    "state_session_capacity": 250,
    "footer_links": ["api", "gradio", "settings"],
    "run_history": False,
    "enable_monitoring": False,
    "max_file_size": 2**26,  # what is above our own limit is refused with advice
}
