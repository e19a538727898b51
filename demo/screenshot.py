"""``python -m demo.screenshot OUT.png``: the app in a headless Chromium, comparing strategies on an example."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

APP = Path(__file__).resolve().parent.parent / "app.py"
WIDTH, HEIGHT = 1400, 900
START_S = 120
COMPARE_S = 120
BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until_served(url: str, app: subprocess.Popen[bytes]) -> None:
    """Returns when the app answers.

    Raises:
        RuntimeError: the app ended, or does not answer in time.
    """
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and app.poll() is None:
        try:
            urlopen(url).close()
            return
        except URLError:
            time.sleep(0.2)
    raise RuntimeError(f"expected the app at {url}, got no answer; start it with python app.py to see why")


def shoot(url: str, out: Path, browser_path: str) -> None:
    """Compares the example that the page starts with, and saves the whole page."""
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=browser_path, args=BROWSER_FLAGS) as browser,
    ):
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(f"{url}?__theme=light")
        page.get_by_role("button", name="Compare").click()
        page.locator(".conditions").wait_for(timeout=COMPARE_S * 1000)
        page.mouse.move(0, 0)
        page.wait_for_timeout(1000)  # until the progress overlays have faded
        page.screenshot(path=out, full_page=True)


def main() -> int:
    """Exit status 2: no browser."""
    parser = argparse.ArgumentParser(prog="python -m demo.screenshot", description=__doc__)
    parser.add_argument("out", type=Path, help="the PNG file to write")
    parser.add_argument("--model", help="model folder or hub id (default: the shipped weights)")
    arguments = parser.parse_args()
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if browser is None:
        print("expected Chromium on the path or in $CHROMIUM, got none; install it", file=sys.stderr)
        return 2
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    command = [sys.executable, str(APP), *(["--model", arguments.model] if arguments.model else [])]
    server = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "GRADIO_SHARE": "False"}
    app = subprocess.Popen(command, env=os.environ | server)
    try:
        wait_until_served(url, app)
        shoot(url, arguments.out, browser)
    finally:
        app.terminate()
        app.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
