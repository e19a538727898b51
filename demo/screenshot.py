"""``python -m demo.screenshot [FOLDER]``: pictures of the app in a headless Chromium, for the documentation."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from demo.examples import EXAMPLES

APP = Path(__file__).resolve().parents[1] / "app.py"
HEIGHT = 900
MARGIN = 16  # around a part of the page
START_S = 120
WORK_MS = 120_000
SETTLE_MS = 1500  # until overlays and transitions have faded
BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


Act = Callable[[Any], object]


def nothing(page: Any) -> None:
    """Shows the tab as it is."""


def after_layer(layer: int) -> Act:
    """Moves the slider of Layer by layer."""
    return lambda page: page.locator(".layers input").fill(str(layer))


def let_words_come_back(page: Any) -> None:
    """Shows recovery in Layer by layer."""
    page.get_by_role("tabpanel").get_by_label("entropy+recovery", exact=True).check()
    page.locator(".layers .word[data-state=back]").first.wait_for(timeout=WORK_MS)


def tag_examples(page: Any) -> None:
    """Uploads the examples to Batch and tags them."""
    lines = "".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in EXAMPLES.items())
    file = {"name": "examples.jsonl", "mimeType": "application/jsonl", "buffer": lines.encode()}
    page.get_by_role("tabpanel").locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Tag the file").click()
    page.locator("a[href*='tagged-dense.jsonl']").first.wait_for(timeout=WORK_MS)


def wait_for(part: str) -> Act:
    """Waits until a part of the tab is there."""
    return lambda page: page.locator(part).first.wait_for(timeout=WORK_MS)


@dataclass(frozen=True)
class Shot:
    """A picture: of a tab's part, or of the whole page where ``part`` is empty; ``link``: what the page opens with."""

    name: str
    tab: str
    part: str = ""
    act: Act = nothing
    theme: str = "light"
    width: int = 1200
    motion: str = "no-preference"
    link: Mapping[str, str] = field(default_factory=dict)


RECOVERING = {"example": "Symbols and scripts", "point": "fast"}
SHOTS = (
    Shot("compare", "Compare", width=1400),
    Shot("compare-dark", "Compare", theme="dark", width=1400),
    Shot("layers", "Layer by layer", ".layers", after_layer(2)),
    Shot("layers-dark", "Layer by layer", ".layers", after_layer(2), theme="dark"),
    Shot("layers-320", "Layer by layer", ".layers", after_layer(2), width=320),
    Shot("layers-reduced-motion", "Layer by layer", ".layers", after_layer(3), width=800, motion="reduce"),
    Shot("layers-recovered", "Layer by layer", ".layers", let_words_come_back, link=RECOVERING),
    Shot("why", "Why", ".why"),
    Shot("why-dark-320", "Why", theme="dark", width=320),
    Shot("frontier", "Frontier", act=wait_for(".plot img")),
    Shot("batch", "Batch", act=tag_examples),
    Shot("takeaway", "Take away", act=wait_for("a[href*=strategies]")),
)


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


@contextmanager
def served(*arguments: str) -> Iterator[tuple[str, int]]:
    """Address and process id of an app with these arguments, which runs until the block ends."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    server = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "GRADIO_SHARE": "False"}
    app = subprocess.Popen([sys.executable, str(APP), *arguments], env=os.environ | server)
    try:
        wait_until_served(url, app)
        yield url, app.pid
    finally:
        app.terminate()
        app.wait()


def browser_path() -> str | None:
    """Chromium from ``$CHROMIUM`` or the path."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


@contextmanager
def chromium(executable: str) -> Iterator[Any]:
    """A headless browser of Playwright."""
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=executable, args=BROWSER_FLAGS) as browser,
    ):
        yield browser


def margin(box: dict[str, float], width: int) -> dict[str, float]:
    """A box with a margin, within a page of this width."""
    x, right = max(0, box["x"] - MARGIN), min(width, box["x"] + box["width"] + MARGIN)
    return {"x": x, "y": box["y"] - MARGIN, "width": right - x, "height": box["height"] + 2 * MARGIN}


def shoot(browser: Any, url: str, shot: Shot, folder: Path) -> None:
    """Takes one picture."""
    with browser.new_context(
        viewport={"width": shot.width, "height": HEIGHT}, reduced_motion=shot.motion, device_scale_factor=1
    ) as context:
        page = context.new_page()
        page.goto(f"{url}?{urlencode({'__theme': shot.theme, **shot.link})}")
        page.locator(".card").first.wait_for(timeout=WORK_MS)  # opening the page compares
        page.get_by_role("tab", name=shot.tab).click()
        shot.act(page)
        page.mouse.move(0, 0)
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(SETTLE_MS)
        path = folder / f"{shot.name}.png"
        clip = margin(page.locator(shot.part).bounding_box(), shot.width) if shot.part else None
        page.screenshot(path=path, full_page=True, clip=clip)


def main() -> int:
    """Exit status 2: no browser."""
    parser = argparse.ArgumentParser(prog="python -m demo.screenshot", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("docs"), help="for the PNG files (default: docs)")
    parser.add_argument("--model", help="model folder or hub id (default: the shipped weights)")
    arguments = parser.parse_args()
    executable = browser_path()
    if executable is None:
        print("expected Chromium on the path or in $CHROMIUM, got none; install it", file=sys.stderr)
        return 2
    arguments.folder.mkdir(parents=True, exist_ok=True)
    model = ["--model", arguments.model] if arguments.model else []
    with served(*model) as (url, _), chromium(executable) as browser:
        for shot in SHOTS:
            shoot(browser, url, shot, arguments.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
