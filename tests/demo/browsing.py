"""What a person does on the page, and what accessibility asks of it, for the tests in a browser."""

from pathlib import Path
from typing import Any

import pytest

PHONE, LAPTOP, DESK = (390, 844), (1280, 800), (1600, 900)
WORK_MS = 120_000
SHORT = "Naloxone reverses the hypotension caused by clonidine."
HOSTILE = "<img src=x onerror=\"document.title='stolen'\"> ${1+1} {{7*7}} `x` nausea <script>alert(1)</script>"


def tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def enter(page: Any, text: str) -> None:
    """Tags one's own text."""
    tab(page, "Text")
    page.get_by_label("Text", exact=True).fill(text)
    page.get_by_role("button", name="Tag", exact=True).click()
    page.locator(".view .words", has_text=text[:12]).first.wait_for(timeout=WORK_MS)


def column(page: Any, title: str) -> Any:
    """The column whose title begins so, once it is there."""
    found = page.locator(f'.view .column[aria-label^="{title}"]')
    found.wait_for(timeout=WORK_MS)
    return found


def tag_files(page: Any, paths: list[Path]) -> None:
    """Tags files in Your files and waits for the result."""
    tab(page, "Your files")
    page.get_by_role("tabpanel").locator("input[type=file]").first.set_input_files(paths)
    page.get_by_label("Result").wait_for(timeout=WORK_MS)


def assert_harmless(page: Any) -> None:
    """Nothing that a text, file or link holds became markup: it would set the title and add an image."""
    assert page.title() != "stolen"
    assert page.locator("img[src=x]").count() == 0


def assert_fits(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no sideways scroll"


def serious_violations(page: Any) -> list[tuple[str, str, str]]:
    """What axe calls serious or critical: rule, element, explanation."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    return [
        (violation["id"], node["html"][:200], node["failureSummary"])
        for violation in axe.run(page).response["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
