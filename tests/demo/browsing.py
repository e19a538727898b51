"""What a person does on the page, and what accessibility asks of it, for the tests in a browser."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

PHONE, LAPTOP, DESK = (390, 844), (1280, 800), (1600, 900)
TABS = ("Watch", "Compare", "Your files", "Use in code", "Why", "Evidence")
TEXTS = {"Compare": ".found", "Watch": ".race .wide", "Why": ".why .words"}  # where tabs show the text
DRAWN = {"Evidence": ".evidence", "Use in code": ".cm-content"}  # drawn when the tab is selected
WORK_MS = 120_000
SHORT = "Naloxone reverses the hypotension caused by clonidine."
HOSTILE = "<img src=x onerror=\"document.title='stolen'\"> ${1+1} {{7*7}} `x` nausea <script>alert(1)</script>"


def tab(page: Any, name: str) -> None:
    """Opens a tab and waits until it is drawn."""
    page.get_by_role("tab", name=name).click()
    if name in DRAWN:
        page.locator(DRAWN[name]).last.wait_for(state="attached", timeout=WORK_MS)


def assert_fits(page: Any, name: str) -> None:
    """All columns of a table are in sight."""
    region = page.get_by_role("tabpanel").get_by_role("region", name=name)
    assert region.evaluate("region => region.scrollWidth <= region.clientWidth"), name


def enter(page: Any, text: str) -> None:
    page.get_by_label("Text", exact=True).fill(text)


def run(page: Any) -> None:
    page.get_by_role("button", name="Run", exact=True).click()


def wait_until(page: Any, *states: str) -> None:
    """Waits for one of these states of the answer."""
    shown = "states => states.includes(document.querySelector('.answer')?.dataset.state)"
    page.wait_for_function(shown, arg=states, timeout=WORK_MS)


def save_race(page: Any, file: Path) -> None:
    """Saves the race as its button does."""
    page.locator(".race[data-timed]").wait_for(timeout=WORK_MS)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as picture").click()
    download.value.save_as(file)


def tag_files(page: Any, paths: Sequence[Path], said: str) -> None:
    """Tags files in Your files and waits until the page says this."""
    tab(page, "Your files")
    page.get_by_role("tabpanel").locator("input[type=file]").first.set_input_files(paths)
    page.get_by_role("button", name="Tag the files").click()
    page.get_by_text(said).first.wait_for(timeout=WORK_MS)


def assert_harmless(page: Any) -> None:
    """Nothing that a text, file or link holds became markup: it would set the title and add an image."""
    assert page.title() != "stolen"
    assert page.locator("img[src=x]").count() == 0


def serious_violations(page: Any, **settings: Any) -> list[tuple[str, str, str]]:
    """What axe calls serious or critical: rule, element, explanation."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    return [
        (violation["id"], node["html"][:200], node["failureSummary"])
        for violation in axe.run(page, **settings).response["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
