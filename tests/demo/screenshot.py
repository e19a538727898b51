"""``python -m tests.demo.screenshot [FOLDER]``: the race on an example, which README shows.

With ``--all``, also every tab on a desk, a laptop and a phone, light and dark, to look at.
"""

import argparse
import sys
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from engine import InputError
from engine.cli.command import as_command
from tests.demo.browsing import DESK, LAPTOP, PHONE, TABS, WORK_MS, save_race, tab
from tests.demo.serving import browser_path, chromium, serve_app

EXAMPLE = "Animal study"
SETTLE_MS = 1500  # until overlays and transitions have faded


def opened(browser: Any, url: str, size: tuple[int, int], theme: str) -> Any:
    """The page once its text has been timed."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce")
    page.goto(f"{url}?{urlencode({'example': EXAMPLE, '__theme': theme})}")
    page.locator(".answer[data-state=done]").wait_for(timeout=WORK_MS)
    return page


@as_command
def main(argv: list[str] | None) -> int:
    """Runs the command; exit status 2 if there is no browser."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo.screenshot", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("docs"), help="for the pictures (default: docs)")
    parser.add_argument("--all", action="store_true", help="also every tab, in three sizes, light and dark")
    arguments = parser.parse_args(argv)
    executable, folder = browser_path(), arguments.folder
    if executable is None:
        raise InputError("expected Chromium on the path or in $CHROMIUM, got none; install it")
    folder.mkdir(parents=True, exist_ok=True)
    sizes = (DESK, LAPTOP, PHONE) if arguments.all else ()
    with serve_app() as (url, _), chromium(executable) as browser:
        save_race(opened(browser, url, DESK, "light"), folder / "race.svg")
        for size, theme in product(sizes, ("light", "dark")):
            page = opened(browser, url, size, theme)
            for name in TABS:
                tab(page, name)
                page.mouse.move(0, 0)
                page.wait_for_timeout(SETTLE_MS)
                file = f"{name.lower().replace(' ', '-')}-{size[0]}-{theme}.png"
                page.screenshot(path=folder / file, full_page=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
