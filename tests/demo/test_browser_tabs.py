"""The tabs Frontier, Batch and Take away in a real browser, used as a person would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest

from demo.examples import EXAMPLES
from engine.data.formats import read_documents

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
    assert page.locator("img[src=x]").count() == 0


def test_batch_can_be_cancelled_and_the_app_goes_on(open_page: Any, tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    lines = (json.dumps({"id": str(number), "text": EXAMPLES["Long text"]}) + "\n" for number in range(400))
    path.write_text("".join(lines))
    page = open_page()
    tab(page, "Batch")
    page.locator("input[type=file]").last.set_input_files(path)
    page.get_by_role("button", name="Tag the file").click()
    page.get_by_text("of 400 documents tagged").wait_for(timeout=60_000)
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_text("Cancelled. The tables show the documents tagged until then.").wait_for()
    assert page.locator("a[href*='tagged-dense.jsonl']").count() == 0
    tab(page, "Compare")
    page.get_by_label("Text", exact=True).fill("Naloxone.")
    page.get_by_role("button", name="Run", exact=True).click()
    page.locator(".found", has_text="Naloxone").first.wait_for(timeout=60_000)
    tab(page, "Batch")
    page.get_by_text("Cancelled. The tables show the documents tagged until then.").wait_for()


def test_frontier_shows_plots_with_captions(open_page: Any) -> None:
    page = open_page()
    tab(page, "Frontier")
    page.locator(".plot").first.wait_for(timeout=60_000)
    assert "corpus bc5cdr" in page.locator(".plot figcaption").first.inner_text()
    width = page.locator(".plot img").first.evaluate("image => image.naturalWidth")
    assert width > 100


def test_a_trace_can_be_downloaded_and_holds_a_hostile_text_as_text(open_page: Any) -> None:
    page = open_page()
    title = page.title()
    page.get_by_label("Text", exact=True).fill(HOSTILE)
    tab(page, "Take away")
    link = page.get_by_role("link", name="Link to this page").get_attribute("href")
    assert "example" not in link
    assert "nausea" not in link
    page.get_by_role("button", name="Create the trace").click()
    page.locator("a[href*='trace.json']").first.wait_for(timeout=60_000)
    with page.expect_download() as download:
        page.locator("a[href*='trace.json']").first.click()
    record = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert record["text"] == HOSTILE
    assert [result["strategy"]["name"] for result in record["results"]] == ["dense", "entropy"]
    assert page.title() == title
    assert page.locator("img[src=x]").count() == 0


def test_a_hostile_link_opens_the_page_as_it_is(open_page: Any, app_url: str) -> None:
    page = open_page()
    title = page.title()
    names = ("example", "strategies", "point", "trigger", "rule.lambda_")
    page.goto(f"{app_url}?{urlencode(dict.fromkeys(names, HOSTILE))}")
    tab(page, "Compare")
    page.locator(".card").first.wait_for(timeout=60_000)
    assert page.locator(".card h3").all_inner_texts() == ["dense", "entropy"]
    for name, part in (("Frontier", ".plot"), ("Take away", "a[href*=strategies]")):
        tab(page, name)
        page.locator(part).first.wait_for(timeout=60_000)
    assert page.title() == title
    assert page.locator("img[src=x]").count() == 0


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
    for name, part in (("Compare", ".found"), ("Layer by layer", ".layers .words"), ("Why", ".why .words")):
        tab(page, name)
        page.locator(part, has_text="malondialdehyde").first.wait_for()
