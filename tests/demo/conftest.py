"""Serves the tiny model's demo; opens the shipped app in a Chromium that reaches no other host."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from demo.app import build_demo
from demo.launch import LAUNCH
from demo.settings import Selection
from engine import Engine, Result
from tests.demo.browsing import WORK_MS
from tests.demo.serving import serve_app

LAPTOP = (1280, 800)


@pytest.fixture(scope="session")
def app_url() -> Iterator[str]:
    with serve_app() as url:
        yield url


@pytest.fixture
def open_page(browser: Any, app_url: str) -> Iterator[Callable[..., Any]]:
    """Opens the app and waits for the coloured text; no page may reach another host or log an error.

    ``query``: of the link that is followed. ``at``: the address of the page, that of the first by default.
    """
    contexts: list[Any] = []
    foreign: list[str] = []
    errors: list[str] = []

    def guard(route: Any) -> None:
        if route.request.url.startswith((app_url, "data:", "blob:", "file:")):
            route.continue_()
        else:
            foreign.append(route.request.url)
            route.abort()

    def open_page(size: Any = LAPTOP, theme: str = "light", query: str = "", at: str = "", **settings: Any) -> Any:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, accept_downloads=True, **settings)
        contexts.append(context)
        context.route("**/*", guard)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{app_url}{at}?{query}&__theme={theme}")
        page.locator(".view .w").first.wait_for(timeout=WORK_MS)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert foreign == []
    assert errors == []


@pytest.fixture(scope="session")
def demo(engine: Engine) -> gr.Blocks:
    """The tiny model's app, which takes a second to build."""
    return build_demo(engine)


@contextmanager
def serving(engine: Engine) -> Iterator[gr.Blocks]:
    """Serves the app with a model."""
    demo = build_demo(engine)
    demo.launch(prevent_thread_lock=True, quiet=True, **LAUNCH)
    try:
        yield demo
    finally:
        demo.close(verbose=False)


@pytest.fixture(scope="session")
def url(engine: Engine) -> Iterator[str]:
    """The address of the tiny model's app, with a slash at the end."""
    with serving(engine) as app:
        yield str(app.local_url)


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    """Sends requests; to make a client takes longer than most answers."""
    with httpx.Client(timeout=60) as client:
        yield client


def as_stored(result: Result) -> Selection:
    """A strategy chosen on the page whose settings are those of its operating point."""
    return Selection(result.strategy, result.strategy)


def json_lines(path: Path, records: Iterable[dict[str, Any]]) -> Path:
    """Writes a file of documents."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def components(demo: gr.Blocks, kind: type, **properties: Any) -> list[Any]:
    """The components of a kind that have these properties, e.g. a label."""
    of_kind = (block for block in demo.blocks.values() if isinstance(block, kind))
    return [
        component
        for component in of_kind
        if all(getattr(component, name, None) == value for name, value in properties.items())
    ]


def listeners(demo: gr.Blocks, name: str) -> list[Any]:
    """The listeners whose function has this name."""
    return [listener for listener in demo.fns.values() if listener.name == name]
