"""The tabs Batch and Export, and links, in a real browser, used as a person would use them."""

import json
from pathlib import Path
from urllib.parse import urlencode, urljoin
from zipfile import ZipFile

import pytest

from demo.common.limits import MAX_DOCUMENTS
from demo.common.links import EXAMPLES
from engine.data.formats import read_documents
from tests.demo.browsing import TEXTS, assert_harmless, enter, run, tab, tag_file
from tests.demo.conftest import json_lines

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=\"document.title='stolen'\"> ${1+1} {{7*7}} nausea"


def download_of(page, name):
    """The file that a link on the page downloads, once there is a link."""
    link = page.locator(f"a[href*='{name}']").first
    link.wait_for(timeout=60_000)
    with page.expect_download() as download:
        link.click()
    return Path(download.value.path())


def test_batch_tags_a_file_and_shows_its_texts_as_text(open_page, tmp_path):
    gold = [{"start": HOSTILE.index("nausea"), "end": len(HOSTILE), "type": "Disease"}]
    records = [{"id": "<b>a</b>", "text": HOSTILE, "entities": gold}, {"id": "b"}]
    page = open_page()
    tag_file(page, json_lines(tmp_path / "some.jsonl", records), "1 of 1 documents tagged")
    page.get_by_text("some.jsonl:2").wait_for()
    page.get_by_text("<b>a</b>").locator("visible=true").first.wait_for()
    with ZipFile(download_of(page, "tagged.zip")) as archive:
        archive.extractall(tmp_path)
    (document,) = read_documents(tmp_path / "dense" / "tagged.jsonl")
    assert document.text == HOSTILE
    assert_harmless(page)


def test_batch_can_be_cancelled_and_the_app_goes_on(open_page, tmp_path):
    text = EXAMPLES["Long text"][500:800]  # tagged faster than the page can draw what is found
    path = json_lines(tmp_path / "many.jsonl", ({"id": str(number), "text": text} for number in range(MAX_DOCUMENTS)))
    page = open_page()
    tag_file(page, path, f"of {MAX_DOCUMENTS} documents tagged")
    page.get_by_role("button", name="Cancel tagging").click()
    cancelled = page.get_by_text("Cancelled. The tables show the documents tagged by then.")
    cancelled.wait_for()
    page.wait_for_timeout(2_000)
    cancelled.wait_for()
    assert page.get_by_role("tabpanel").get_by_text("Error", exact=True).count() == 0
    assert page.locator("a[href*='tagged.zip']").count() == 0
    tab(page, "Compare")
    enter(page, "Naloxone.")
    run(page)
    page.locator(".found", has_text="Naloxone").first.wait_for(timeout=60_000)
    tab(page, "Batch")
    cancelled.wait_for()
    page.get_by_role("button", name="Tag the file").click()
    page.get_by_text(f"of {MAX_DOCUMENTS} documents tagged").wait_for(timeout=60_000)
    page.get_by_role("button", name="Cancel tagging").click()
    cancelled.wait_for()


def test_export_holds_the_text_as_code_as_a_table_and_as_json(open_page, app_url):
    page = open_page()
    enter(page, HOSTILE)
    tab(page, "Export")
    link = page.get_by_role("link", name="Link to this page").get_attribute("href")
    assert "example" not in link
    assert "nausea" not in link
    code = page.get_by_role("tabpanel").locator(".cm-content")
    page.wait_for_function("document.body.innerText.includes('nausea\"}')")  # in the command lines
    python, command, http = (code.nth(place).inner_text() for place in (1, 2, 3))
    assert f"text = {HOSTILE!r}" in python
    assert "python -m engine.tag text.jsonl --format=jsonl --strategy=entropy" in command
    assert f"api={app_url}gradio_api/call/v2/tag" in http
    page.get_by_role("button", name="List the entities").click()
    record = json.loads(download_of(page, "results.json").read_text(encoding="utf-8"))
    assert record["text"] == HOSTILE
    assert [result["strategy"]["name"] for result in record["results"]] == ["dense", "entropy"]
    mentions = [entity["text"] for result in record["results"] for entity in result["entities"]]
    page.get_by_role("tabpanel").get_by_text(mentions[0], exact=True).locator("visible=true").first.wait_for()
    assert_harmless(page)


@pytest.mark.parametrize("width", [390, 1280])
def test_code_is_not_cut_off(open_page, width):
    page = open_page(width=width, at="Export")
    code = page.get_by_role("tabpanel").locator(".cm-scroller")
    page.wait_for_function("document.body.innerText.includes('engine.tag text.jsonl')")
    assert code.count() == 4
    assert all(code.evaluate_all("all => all.map(part => part.scrollWidth <= part.clientWidth)"))
    assert all(code.evaluate_all("all => all.map(part => part.clientHeight <= 400)"))  # Gradio makes some far too high
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_hostile_link_opens_the_page_as_it_is(open_page, app_url):
    page = open_page()
    names = ("example", "strategies", "point", "trigger", "rule.lambda_")
    tab(page, "Compare")
    page.locator(".card .spread", has_text=" runs").first.wait_for()  # leaving the page cuts nothing off
    page.goto(f"{app_url}?{urlencode(dict.fromkeys(names, HOSTILE))}")
    tab(page, "Compare")
    page.locator(".card").first.wait_for(timeout=60_000)
    assert page.locator(".card h3").all_inner_texts() == ["dense", "entropy:careful"]
    for name in ("Reports", "Export"):
        tab(page, name)
    assert_harmless(page)


def test_a_link_reopens_settings_and_example(open_page, app_url):
    page = open_page()
    text = EXAMPLES["Animal study"]
    enter(page, text)
    page.get_by_label("fast").check()
    tab(page, "Export")
    page.get_by_role("link", name="Link to this page").wait_for()
    page.wait_for_function("document.querySelector('a[href*=strategies]').href.includes('point=fast')")
    page.wait_for_function("document.querySelector('a[href*=strategies]').href.includes('Animal')")
    link = page.get_by_role("link", name="Link to this page").get_attribute("href")
    # Leaving a page that is still receiving answers logs an error.
    page.locator(".answer[data-state=done]", has_text="entropy:fast").wait_for()
    page.goto(urljoin(app_url, link))
    page.wait_for_function("document.querySelector('textarea')?.value?.startsWith('Curcumin')")
    assert page.get_by_label("fast").is_checked()
    for name, part in TEXTS.items():
        tab(page, name)
        page.locator(part, has_text="malondialdehyde").first.wait_for()
