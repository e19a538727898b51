"""What a person does on the page, and what accessibility asks of it, for the tests in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PHONE, DESK = (390, 844), (1440, 900)
TEXTS = {"Compare": ".found", "Layer by layer": ".layers .words", "Why": ".why .words"}  # where tabs show the text
DRAWN = {"Reports": ".marks button", "Export": "a[href*=strategies]"}  # drawn when the tab is selected


def tab(page: Any, name: str) -> None:
    """Opens a tab and waits until it is drawn."""
    page.get_by_role("tab", name=name).click()
    if name in DRAWN:
        page.locator(DRAWN[name]).last.wait_for(timeout=60_000)


def enter(page: Any, text: str) -> None:
    page.get_by_label("Text", exact=True).fill(text)


def run(page: Any) -> None:
    page.get_by_role("button", name="Run", exact=True).click()


def wait_until(page: Any, *states: str) -> None:
    """Waits for one of these states of the answer."""
    shown = "states => states.includes(document.querySelector('.answer').dataset.state)"
    page.wait_for_function(shown, arg=states, timeout=60_000)


def tag_file(page: Any, path: Path, said: str) -> None:
    """Tags a file in Batch and waits until the page says this."""
    tab(page, "Batch")
    page.locator("input[type=file]").last.set_input_files(path)
    page.get_by_role("button", name="Tag the file").click()
    page.get_by_text(said).wait_for(timeout=60_000)


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
