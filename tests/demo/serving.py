"""Runs the app in its own process, calls its API, and drives a headless browser: for commands and tests."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx

from engine import InputError

APP = Path(__file__).resolve().parents[2] / "app.py"
START_S = 300  # importing takes minutes on a busy machine


@contextmanager
def serve_app() -> Iterator[str]:
    """Serves the app with the shipped weights until the block ends.

    Yields:
        Its address.

    Raises:
        InputError: the app ended (it has said why) or does not answer in time.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    server = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "GRADIO_SHARE": "False"}
    app = subprocess.Popen([sys.executable, str(APP)], env=os.environ | server)
    try:
        _wait_until_served(url, app)
        yield url
    finally:
        app.terminate()
        app.wait()


def _wait_until_served(url: str, app: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and app.poll() is None:
        try:
            urlopen(url).close()
            return
        except OSError:  # refused until the app listens
            time.sleep(0.2)
    raise InputError(f"The app at {url} does not answer. Start it with python app.py to see why.")


def browser_path() -> str | None:
    """The path of Chromium, from ``$CHROMIUM`` or ``$PATH``."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


@contextmanager
def chromium(executable: str) -> Iterator[Any]:
    """A headless browser, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    flags = ["--disable-gpu", "--disable-quic"]
    with sync_playwright() as driver, driver.chromium.launch(executable_path=executable, args=flags) as browser:
        yield browser


def ask(client: httpx.Client, url: str, **arguments: Any) -> Any:
    """Calls ``/tag`` by plain HTTP and returns the answer.

    `gradio_client` shares one stream of answers among all calls of a session. A call that starts before the client has
    noticed that the server closed the previous stream ends in a ``CancelledError``; here each call has its own.

    Raises:
        httpx.HTTPStatusError: the request is refused.
        RuntimeError: the answer is an error.
    """
    place = f"{url}gradio_api/call/v2/tag"
    event = client.post(place, json=arguments).raise_for_status().json()["event_id"]
    answer = client.get(f"{place}/{event}").raise_for_status().text
    kind, data = answer.strip().rpartition("event: ")[2].split("\n", 1)
    if kind != "complete":
        raise RuntimeError(f"/tag answers {kind}: {data[:200]}")
    return json.loads(data.removeprefix("data: "))[0]
