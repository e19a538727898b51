"""The tabs Frontier, Batch and Take away in a real browser, used as a person would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from demo.examples import EXAMPLES
from engine.formats import read_documents

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=\"document.title='stolen'\"> ${1+1} {{7*7}} nausea"


def tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def test_batch_tags_a_file_and_shows_its_texts_as_text(open_page: Any, tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    gold = [{"start": HOSTILE.index("nausea"), "end": len(HOSTILE), "type": "Disease"}]
    records = [{"id": "<b>a</b>", "text": HOSTILE, "entities": gold}, {"id": "b"}]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    page = open_page()
    title = page.title()
    tab(page, "Batch")
    page.locator("input[type=file]").last.set_input_files(path)
    page.get_by_role("button", name="Tag the file").click()
    page.get_by_text("1 of 1 documents tagged").wait_for(timeout=60_000)
    page.get_by_text("some.jsonl:2").wait_for()
    page.get_by_text("<b>a</b>").locator("visible=true").first.wait_for()
    with page.expect_download() as download:
        page.locator("a[href*='tagged-dense.jsonl']").first.click()
    (document,) = read_documents(download.value.path())
    assert document.text == HOSTILE
    assert page.title() == title


def test_frontier_shows_plots_with_captions(open_page: Any) -> None:
    page = open_page()
    tab(page, "Frontier")
    page.locator(".plot").first.wait_for(timeout=60_000)
    assert "corpus bc5cdr" in page.locator(".plot figcaption").first.inner_text()
    width = page.locator(".plot img").first.evaluate("image => image.naturalWidth")
    assert width > 100


def test_a_link_reopens_settings_and_example(open_page: Any, app_url: str) -> None:
    page = open_page()
    text = EXAMPLES["Animal study"]
    page.get_by_label("Text", exact=True).fill(text)
    page.get_by_label("fast").check()
    tab(page, "Take away")
    page.get_by_role("link", name="Link to this page").wait_for()
    page.wait_for_function("document.querySelector('a[href*=strategies]').href.includes('point=fast')")
    page.wait_for_function("document.querySelector('a[href*=strategies]').href.includes('Animal')")
    link = page.get_by_role("link", name="Link to this page").get_attribute("href")
    page.goto(urljoin(app_url, link))
    page.wait_for_function("document.querySelector('textarea')?.value?.startsWith('Curcumin')")
    assert page.get_by_label("fast").is_checked()
    for name, part in (("Compare", ".tokens"), ("Layer by layer", ".layers .words"), ("Why", ".why .words")):
        tab(page, name)
        page.locator(part, has_text="malondialdehyde").first.wait_for()
