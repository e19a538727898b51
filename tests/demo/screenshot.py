"""``python -m tests.demo.screenshot [FOLDER]``: the race on an example, which README shows.

With ``--all``, also the page on a desk, a laptop and a phone, light and dark, to look at.
"""

import argparse
import sys
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from engine import InputError
from engine.cli.command import as_command
from tests.demo.browsing import DESK, LAPTOP, PHONE, WORK_MS, panel, tab
from tests.demo.serving import browser_path, chromium, serve_app

EXAMPLE = {"example": "Animal study", "strategies": "dense,truncate-3,entropy"}
SETTLE_MS = 1500  # until overlays and transitions have faded


def opened(browser: Any, url: str, size: tuple[int, int], theme: str, **query: str) -> Any:
    """The page once its text is drawn."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(f"{url}?{urlencode(query | {'__theme': theme})}")
    page.locator(".view .w").first.wait_for(timeout=WORK_MS)
    page.wait_for_timeout(SETTLE_MS)
    return page


def save_race(page: Any, file: Path) -> None:
    """Saves the race as its button does."""
    page.locator(".view .column").nth(EXAMPLE["strategies"].count(",")).wait_for(timeout=WORK_MS)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as picture").click()
    download.value.save_as(file)


VIEWS = {
    "first": lambda page: None,
    "play": lambda page: (page.get_by_role("button", name="Play").click(), page.wait_for_timeout(4000)),
    "why": lambda page: page.locator(".view .w").nth(9).click(),
    "settings": lambda page: panel(page, "Settings"),
    "lesson": lambda page: (panel(page, "Lesson"), page.get_by_label("4. Recovery").check()),
    "files": lambda page: (tab(page, "Your files"), page.get_by_role("button", name="Use the sample").click()),
    "evidence": lambda page: tab(page, "Evidence"),
}


@as_command
def main(argv: list[str] | None) -> int:
    """Runs the command; exit status 2 if there is no browser."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo.screenshot", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("docs"), help="for the pictures (default: docs)")
    parser.add_argument("--all", action="store_true", help="also the page, in three sizes, light and dark")
    arguments = parser.parse_args(argv)
    executable, folder = browser_path(), arguments.folder
    if executable is None:
        raise InputError("There is no Chromium on the path or in $CHROMIUM; install it.")
    folder.mkdir(parents=True, exist_ok=True)
    sizes = (DESK, LAPTOP, PHONE) if arguments.all else ()
    with serve_app() as url, chromium(executable) as browser:
        save_race(opened(browser, url, DESK, "light", **EXAMPLE), folder / "race.svg")
        for size, theme, name in product(sizes, ("light", "dark"), VIEWS):
            page = opened(browser, url, size, theme)
            VIEWS[name](page)
            page.wait_for_timeout(SETTLE_MS)
            page.screenshot(path=folder / f"{name}-{size[0]}-{theme}.png", full_page=True)
            page.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
