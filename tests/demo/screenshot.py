"""``python -m tests.demo.screenshot [FOLDER]``: the app's first screen and an animation of what it plays.

With ``--all``, also every tab on a desk and on a phone, light and dark, to look at.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from PIL import Image
from tqdm import tqdm

from engine import InputError
from engine.command import as_command
from tests.demo.browsing import DESK, PHONE, TABS, WORK_MS, tab
from tests.demo.serving import browser_path, chromium, serve_app

MARGIN = 4  # pixels beside and below a part of the page
SETTLE_MS = 1500  # until overlays and transitions have faded
PLAYED = "layers.gif"
FRAME_MS, LAST_FRAME_MS = 1000, 2500
MAX_BYTES = 300_000  # size of the animation
COLOURS = 192


@dataclass(frozen=True)
class Shot:
    """A picture of a tab: the whole page or, with ``screen``, what is visible without scrolling."""

    name: str
    tab: str = "Watch"
    size: tuple[int, int] = DESK
    theme: str = "light"
    screen: bool = False


FIRST = Shot("first", screen=True)  # what other sites show of a link to the app
EVERYTHING = tuple(
    Shot(f"{name.lower().replace(' ', '-')}-{size[0]}-{theme}", name, size, theme)
    for name, size, theme in product(TABS, (DESK, PHONE), ("light", "dark"))
)


def shoot(browser: Any, url: str, shot: Shot, folder: Path) -> None:
    """Takes one picture."""
    with opened(browser, url, shot) as page:
        page.mouse.move(0, 0)
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(SETTLE_MS)
        save_small(page.screenshot(full_page=not shot.screen), folder / f"{shot.name}.png")


@contextmanager
def opened(browser: Any, url: str, shot: Shot) -> Iterator[Any]:
    """Opens the page for a picture, waits until times are refined, and selects the tab."""
    width, height = shot.size
    with browser.new_context(
        viewport={"width": width, "height": height}, reduced_motion="reduce", device_scale_factor=1
    ) as context:
        page = context.new_page()
        page.goto(f"{url}?{urlencode({'__theme': shot.theme})}")
        page.locator(".answer[data-state=done]").wait_for(timeout=WORK_MS)  # opening the page runs its text already
        tab(page, shot.tab)
        yield page


def animate(browser: Any, url: str, file: Path) -> None:
    """Writes what Play shows as a GIF, a frame for each layer.

    Raises:
        RuntimeError: it is larger than ``MAX_BYTES``.
    """
    with opened(browser, url, FIRST) as page:
        layers = int(page.locator(".layers").get_attribute("data-layers"))
        clip = _with_margin(page.locator(".layers").bounding_box(), page.viewport_size["width"])
        frames = []
        for layer in range(layers + 1):
            page.locator(".layers input").fill(str(layer))
            frames.append(Image.open(BytesIO(page.screenshot(full_page=True, clip=clip))).convert("RGB"))
    # One palette for all, so that what does not change is not stored again.
    palette = frames[-1].quantize(COLOURS // 2, Image.Quantize.MAXCOVERAGE)
    frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    times = [*[FRAME_MS] * layers, LAST_FRAME_MS]
    frames[0].save(file, save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=True)
    if (size := file.stat().st_size) > MAX_BYTES:
        raise RuntimeError(f"expected at most {MAX_BYTES:,} bytes, got {size:,} in {file}; make the view smaller")


def save_small(png: bytes, file: Path) -> None:
    """Writes a picture with a palette, at a third of the size: the repository keeps every version."""
    picture = Image.open(BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(file, optimize=True)


def _with_margin(box: dict[str, float], width: int) -> dict[str, float]:
    """A box with a margin but above it, where there is text; clipped to the page width."""
    x, right = max(0, box["x"] - MARGIN), min(width, box["x"] + box["width"] + MARGIN)
    return {"x": x, "y": box["y"], "width": right - x, "height": box["height"] + MARGIN}


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
    executable = browser_path()
    if executable is None:
        raise InputError("expected Chromium on the path or in $CHROMIUM, got none; install it")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with serve_app(arguments.model) as (url, _), chromium(executable) as browser:
        for shot in tqdm([FIRST, *(EVERYTHING if arguments.all else ())], disable=None):
            shoot(browser, url, shot, arguments.folder)
        animate(browser, url, arguments.folder / PLAYED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
