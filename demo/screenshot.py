"""``python -m demo.screenshot [FOLDER]``: pictures of the app in a headless Chromium, for the documentation."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from PIL import Image
from tqdm import tqdm

from demo.examples import EXAMPLES
from demo.serving import browser_path, chromium, serve_app

HEIGHT = 900
MARGIN = 16  # around a part of the page
WORK_MS = 120_000
SETTLE_MS = 1500  # until overlays and transitions have faded

Act = Callable[[Any], object]


def show_as_it_is(page: Any) -> None:
    """Changes nothing."""


def after_layer(layer: int) -> Act:
    """Moves the slider of Layer by layer."""
    return lambda page: page.locator(".layers input").fill(str(layer))


def show_recovery(page: Any) -> None:
    """Chooses a strategy with recovery in Layer by layer."""
    page.get_by_role("tabpanel").get_by_label("entropy+recovery", exact=True).check()
    page.locator(".layers .word[data-state=recovered]").first.wait_for(timeout=WORK_MS)


def tag_examples(page: Any) -> None:
    """Uploads the examples to Batch and tags them."""
    lines = "".join(json.dumps({"id": name, "text": text}) + "\n" for name, text in EXAMPLES.items())
    file = {"name": "examples.jsonl", "mimeType": "application/jsonl", "buffer": lines.encode()}
    page.get_by_role("tabpanel").locator("input[type=file]").set_input_files(file)
    page.get_by_role("button", name="Tag the file").click()
    page.locator("a[href*='tagged-dense.jsonl']").first.wait_for(timeout=WORK_MS)


def wait_for(part: str) -> Act:
    """Waits for a part of the tab to appear."""
    return lambda page: page.locator(part).first.wait_for(timeout=WORK_MS)


@dataclass(frozen=True)
class Shot:
    """A picture.

    ``part``: of the tab; the whole page if empty. ``act``: what is done before. ``link``: the query of the page.
    """

    name: str
    tab: str
    part: str = ""
    act: Act = show_as_it_is
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
    Shot("layers-recovered", "Layer by layer", ".layers", show_recovery, link=RECOVERING),
    Shot("why", "Why", ".why"),
    Shot("why-dark-320", "Why", theme="dark", width=320),
    Shot("frontier", "Frontier", act=wait_for(".marks button")),
    Shot("batch", "Batch", act=tag_examples),
    Shot("takeaway", "Take away", act=wait_for("a[href*=strategies]")),
)


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
        clip = _with_margin(page.locator(shot.part).bounding_box(), shot.width) if shot.part else None
        save_small(page.screenshot(full_page=True, clip=clip), folder / f"{shot.name}.png")


def save_small(png: bytes, file: Path) -> None:
    """Writes a picture with a palette, a third of the size: the repository keeps every version."""
    picture = Image.open(BytesIO(png)).convert("RGB")
    picture.quantize(192, dither=Image.Dither.NONE).save(file, optimize=True)


def _with_margin(box: dict[str, float], width: int) -> dict[str, float]:
    """A box with a margin, within a page of this width."""
    x, right = max(0, box["x"] - MARGIN), min(width, box["x"] + box["width"] + MARGIN)
    return {"x": x, "y": box["y"] - MARGIN, "width": right - x, "height": box["height"] + 2 * MARGIN}


def main(argv: list[str] | None = None) -> int:
    """Exit status 2: no browser."""
    parser = argparse.ArgumentParser(prog="python -m demo.screenshot", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("docs"), help="for the PNG files (default: docs)")
    parser.add_argument("--model", help="model folder or hub id (default: the shipped weights)")
    arguments = parser.parse_args(argv)
    executable = browser_path()
    if executable is None:
        print("expected Chromium on the path or in $CHROMIUM, got none; install it", file=sys.stderr)
        return 2
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with serve_app(arguments.model) as (url, _), chromium(executable) as browser:
        for shot in tqdm(SHOTS, disable=None):
            shoot(browser, url, shot, arguments.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
