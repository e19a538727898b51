"""``python -m tests.demo.screenshot [FOLDER]``: the race on an example, which README shows.

With ``--all``, also the page on a desk, a laptop and a phone, light and dark, to look at.
"""

import argparse
import sys
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from demo.launch import SHEET
from engine import InputError
from engine.cli.command import as_command
from tests.demo.browsing import DESK, LAPTOP, PHONE, WORK_MS, tab
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


RACE = """(sheet) => {
  const view = document.querySelector(".view"), of = (part) => getComputedStyle(part), width = 1100;
  const columns = view.querySelector(".columns").cloneNode(true), rules = view.querySelector("style").textContent;
  for (const part of columns.querySelectorAll("*")) {
    ["role", "tabindex", "aria-label", "aria-selected"].forEach((name) => part.removeAttribute(name));
  }
  const colours = [1, 2, 3, 4, 5, 6].flatMap((step) => [`--ink-${step}`, `--type-${step - 1}`])
    .map((name) => `${name}: ${of(view).getPropertyValue(name)}`).join("; ");
  const race = document.createElement("div");
  race.className = "view playing";
  race.style = `${colours}; color: ${of(view).color}; background: ${of(document.body).backgroundColor};`
    + `font: 15px system-ui, sans-serif; padding: 8px; width: ${width}px`;
  const style = document.createElement("style");
  style.textContent = sheet + rules.replaceAll("both", "infinite");
  race.append(style, columns);
  document.body.append(race);
  const size = `${width + 16} ${race.offsetHeight}`, [w, h] = size.split(" ");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size}" width="${w}" height="${h}">`
    + `<foreignObject width="100%" height="100%">${new XMLSerializer().serializeToString(race)}</foreignObject></svg>`;
}"""


def save_race(page: Any, file: Path) -> None:
    """Saves the columns as an SVG that replays the race for ever."""
    page.locator(".view .column").nth(EXAMPLE["strategies"].count(",")).wait_for(timeout=WORK_MS)
    file.write_text(page.evaluate(RACE, SHEET.read_text(encoding="utf-8")), encoding="utf-8")


VIEWS = {
    "first": lambda page: None,
    "play": lambda page: (page.get_by_role("button", name="Play").click(), page.wait_for_timeout(4000)),
    "why": lambda page: page.locator(".view .w").nth(9).click(),
    "columns": lambda page: tab(page, "Columns"),
    "settings": lambda page: tab(page, "Settings"),
    "lesson": lambda page: [tab(page, "Lesson"), *(page.get_by_role("button", name="Next").click() for _ in "12")],
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
