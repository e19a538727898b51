"""``python -m tests.demo.screenshot [FOLDER]``: the app's first screen and the race.

With ``--all``, also every tab on a desk and on a phone, light and dark, to look at.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from PIL import Image
from tqdm import tqdm

from engine import InputError
from engine.cli.command import as_command
from tests.demo.browsing import DESK, PHONE, TABS, WORK_MS, tab
from tests.demo.serving import browser_path, chromium, serve_app

SETTLE_MS = 1500  # until overlays and transitions have faded
COLOURS = 192


@contextmanager
def opened(browser: Any, url: str, name: str, size: tuple[int, int] = DESK, theme: str = "light") -> Iterator[Any]:
    """Opens the page at a tab, once times are refined."""
    viewport = {"width": size[0], "height": size[1]}
    with browser.new_context(viewport=viewport, reduced_motion="reduce", device_scale_factor=1) as context:
        page = context.new_page()
        page.goto(f"{url}?{urlencode({'__theme': theme})}")
        page.locator(".answer[data-state=done]").wait_for(timeout=WORK_MS)  # opening the page runs its text already
        tab(page, name)
        page.mouse.move(0, 0)
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(SETTLE_MS)
        yield page


def shoot(page: Any, file: Path, *, whole: bool) -> None:
    """Saves the page, or what is visible without scrolling, with a palette: the repository keeps every version."""
    picture = Image.open(BytesIO(page.screenshot(full_page=whole))).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


def save_race(page: Any, file: Path) -> None:
    """Saves the race as its button does."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as picture").click()
    download.value.save_as(file)


@as_command
def main(argv: list[str] | None) -> int:
    """Runs the command; exit status 2 if there is no browser."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo.screenshot", description=__doc__)
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path("docs"), help="where to write the pictures (default: docs)"
    )
    parser.add_argument("--all", action="store_true", help="also every tab, on a desk and on a phone, light and dark")
    parser.add_argument("--model", help="model folder or hub id (default: the shipped weights)")
    arguments = parser.parse_args(argv)
    executable, folder = browser_path(), arguments.folder
    if executable is None:
        raise InputError("expected Chromium on the path or in $CHROMIUM, got none; install it")
    folder.mkdir(parents=True, exist_ok=True)
    every = list(product(TABS, (DESK, PHONE), ("light", "dark"))) if arguments.all else []
    with serve_app(arguments.model) as (url, _), chromium(executable) as browser:
        with opened(browser, url, "Watch") as page:
            shoot(page, folder / "first.png", whole=False)
            save_race(page, folder / "race.svg")
        for name, size, theme in tqdm(every, disable=None):
            with opened(browser, url, name, size, theme) as page:
                shoot(page, folder / f"{name.lower().replace(' ', '-')}-{size[0]}-{theme}.png", whole=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
