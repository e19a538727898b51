"""Serves the tiny model's demo; opens the shipped app in a Chromium that reaches no other host."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from demo.app import build_demo
from demo.common.reports import REPORTS, Report
from demo.server import LAUNCH
from demo.settings import page_settings
from engine import Engine
from tests.demo.browsing import tab, wait_until
from tests.demo.serving import serve_app

WIDE = (1200, 900)
DIGEST = "0123456789abcdef" * 4  # of weights


@pytest.fixture(scope="session")
def app_url() -> Iterator[str]:
    with serve_app() as (url, _):
        yield url


@pytest.fixture
def open_page(browser: Any, app_url: str) -> Iterator[Callable[..., Any]]:
    """Opens the app at a tab once it has answered; ``timed``: once it has measured times, too.

    ``query``: of the link that is followed, by default that of an abstract, on which there is no bet. ``page_at``: the
    address of the page, that of the first by default.
    Afterwards, no page may have contacted another host or logged an error.
    """
    contexts: list[Any] = []
    foreign: list[str] = []
    errors: list[str] = []

    def guard(route: Any) -> None:
        url = route.request.url
        if url.startswith((app_url, "data:", "blob:", "file:")):
            route.continue_()
        else:
            foreign.append(url)
            route.abort()

    def open_page(
        size: Any = WIDE,
        theme: str = "light",
        at: str = "",
        timed: bool = False,
        query: str = "example=Case+report",
        page_at: str = "",
        **settings: Any,
    ) -> Any:
        settings = {"viewport": {"width": size[0], "height": size[1]}, "reduced_motion": "reduce"} | settings
        context = browser.new_context(accept_downloads=True, **settings)
        contexts.append(context)
        context.route("**/*", guard)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{app_url}{page_at}?{query}&__theme={theme}")
        wait_until(page, "done", *([] if timed else ["timing"]))
        if at:
            tab(page, at)
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


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """A report called ``one`` on the weights of ``DIGEST``, beside a folder without a finished run."""
    for name in ("one", "unfinished"):
        (tmp_path / name).mkdir()
        for table in ("results", "intervals", "errors", "times", "subgroups", "cost"):
            shutil.copy(REPORTS / "bc5cdr-test" / f"{table}.csv", tmp_path / name)
    about = {"model": "m", "weights": f"SHA-256 {DIGEST[:16]}…", "machine": "Linux"}
    (tmp_path / "one" / "results.json").write_text(json.dumps({"about": about, "notes": []}))
    return Report(tmp_path / "one")


def page_values(engine: Engine, **changed: float) -> list[float]:
    """The values of controllers' settings on the page, changed by name, e.g. ``rule_lambda_``."""
    values = {setting.name.replace(".", "_"): value for setting, value in page_settings(engine).items()}
    assert set(changed) <= set(values)
    return list((values | changed).values())


def json_lines(path: Path, records: Iterable[dict[str, Any]]) -> Path:
    """Writes a file of documents."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def components(demo: gr.Blocks, kind: type, **properties: Any) -> list[Any]:
    """The components of a kind that have these properties, e.g. a label."""
    of_kind = (block for block in demo.blocks.values() if isinstance(block, kind))
    return [one for one in of_kind if all(getattr(one, name, None) == value for name, value in properties.items())]


def listeners(demo: gr.Blocks, name: str) -> list[Any]:
    """The listeners whose function has this name."""
    return [listener for listener in demo.fns.values() if listener.name == name]
