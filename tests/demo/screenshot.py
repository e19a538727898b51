"""``python -m tests.demo.screenshot [FOLDER]``: pictures of the app in headless Chromium, and an animation."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from PIL import Image
from tqdm import tqdm

from demo.common.links import EXAMPLES
from engine import InputError
from engine.command import as_command
from tests.demo.browsing import tab
from tests.demo.serving import browser_path, chromium, serve_app

HEIGHT = 900
MARGIN = 4  # pixels beside and below a part of the page
WORK_MS = 120_000
SETTLE_MS = 1500  # until overlays and transitions have faded

Act = Callable[[Any], object]


def after_layer(layer: int) -> Act:
    """Moves the slider in Watch."""
    return lambda page: page.locator(".layers input").fill(str(layer))


def show_recovery(page: Any) -> None:
    """Selects the strategy with recovery, which the link includes, in Watch."""
    page.get_by_label("entropy+recovery", exact=True).check()
    page.locator(".layers .words .word[data-state=recovered]").first.wait_for(timeout=WORK_MS)


def tag_examples(page: Any) -> None:
    """Uploads the examples to Your files and tags them."""
    lines = "".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in EXAMPLES.items())
    file = {"name": "examples.jsonl", "mimeType": "application/jsonl", "buffer": lines.encode()}
    page.get_by_role("tabpanel").locator("input[type=file]").first.set_input_files(file)
    page.get_by_role("button", name="Tag the files").click()
    page.locator("a[href*='tagged.zip']").first.wait_for(timeout=WORK_MS)


@dataclass(frozen=True)
class Shot:
    """A picture.

    ``part``: selector within the tab; if empty, the whole page, or with ``screen`` what is visible without scrolling.
    ``act``: what to do first. ``link``: the query of the page.
    """

    name: str
    tab: str
    part: str = ""
    screen: bool = False
    act: Act | None = None
    theme: str = "light"
    width: int = 1400
    height: int = HEIGHT
    motion: str = "reduce"  # else the first view plays
    link: Mapping[str, str] = field(default_factory=dict)


RECOVERING = {"example": "Case report", "point": "fast", "strategies": "dense,entropy,entropy+recovery"}
PLAYED = "layers.gif"
FRAME_MS, LAST_FRAME_MS = 1000, 2500
MAX_BYTES = 300_000  # size of the animation
COLOURS = 192
SHOTS = (
    Shot("first", "Watch", screen=True, width=1440),
    Shot("first-390", "Watch", screen=True, width=390, height=844),
    Shot("compare", "Compare"),
    Shot("compare-dark", "Compare", theme="dark"),
    Shot("layers", "Watch", ".layers", act=after_layer(3)),
    Shot("layers-dark", "Watch", ".layers", act=after_layer(3), theme="dark"),
    Shot("layers-320", "Watch", ".layers", act=after_layer(3), width=320),
    Shot("layers-reduced-motion", "Watch", ".layers", act=after_layer(4), width=800),
    Shot("layers-recovered", "Watch", ".layers", act=show_recovery, link=RECOVERING),
    Shot("why", "Why", ".why"),
    Shot("why-dark-320", "Why", theme="dark", width=320),
    Shot("reports", "Evidence"),
    Shot("batch", "Your files", act=tag_examples),
    Shot("export", "Use in code"),
)


def shoot(browser: Any, url: str, shot: Shot, folder: Path) -> None:
    """Takes one picture."""
    with opened(browser, url, shot) as page:
        if shot.act:
            shot.act(page)
        page.mouse.move(0, 0)
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(SETTLE_MS)
        clip = _with_margin(page.locator(shot.part).bounding_box(), shot.width) if shot.part else None
        save_small(page.screenshot(full_page=not shot.screen, clip=clip), folder / f"{shot.name}.png")


@contextmanager
def opened(browser: Any, url: str, shot: Shot) -> Iterator[Any]:
    """Opens the page for a picture, waits until times are refined, and selects the tab."""
    with browser.new_context(
        viewport={"width": shot.width, "height": shot.height}, reduced_motion=shot.motion, device_scale_factor=1
    ) as context:
        page = context.new_page()
        page.goto(f"{url}?{urlencode({'__theme': shot.theme, **shot.link})}")
        page.locator(".answer[data-state=done]").wait_for(timeout=WORK_MS)  # opening the page runs its text already
        tab(page, shot.tab)
        yield page


def animate(browser: Any, url: str, file: Path) -> None:
    """Writes what Play shows as a GIF, a frame for each layer.

    Raises:
        RuntimeError: it is larger than ``MAX_BYTES``.
    """
    with opened(browser, url, Shot("", "Watch")) as page:
        layers = int(page.locator(".layers").get_attribute("data-layers"))
        clip = _with_margin(page.locator(".layers").bounding_box(), page.viewport_size["width"])
        frames = []
        for layer in range(layers + 1):
            after_layer(layer)(page)
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
    parser.add_argument("--model", help="model folder or hub id (default: the shipped weights)")
    arguments = parser.parse_args(argv)
    executable = browser_path()
    if executable is None:
        raise InputError("expected Chromium on the path or in $CHROMIUM, got none; install it")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with serve_app(arguments.model) as (url, _), chromium(executable) as browser:
        for shot in tqdm(SHOTS, disable=None):
            shoot(browser, url, shot, arguments.folder)
        animate(browser, url, arguments.folder / PLAYED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
