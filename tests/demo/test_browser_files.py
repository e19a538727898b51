"""The tabs Your files and Use in code, in a real browser, used as a person would use them."""

import codecs
import csv
import json
import re
from pathlib import Path
from zipfile import ZipFile

import pytest

from demo.common.links import EXAMPLES
from engine.formats import read_documents
from tests.demo.browsing import (
    HOSTILE,
    LAPTOP,
    PHONE,
    WORK_MS,
    assert_fits,
    assert_harmless,
    enter,
    run,
    tab,
    tag_files,
    wait_until,
)
from tests.demo.conftest import json_lines

pytestmark = pytest.mark.slow


def download_of(page, name):
    """The file that a link on the page downloads, once there is a link."""
    link = page.locator(f"a[href*='{name}']").first
    link.wait_for(timeout=WORK_MS)
    with page.expect_download() as download:
        link.click()
    return Path(download.value.path())


class TestYourFiles:
    def test_several_files_are_tagged_at_once_and_their_texts_stay_text(self, open_page, tmp_path):
        start = HOSTILE.index("nausea")
        gold = [{"start": start, "end": start + len("nausea"), "type": "Disease"}]
        records = [{"id": "<b>a</b>", "text": HOSTILE, "entities": gold}, {"id": "b"}]
        paths = [json_lines(tmp_path / "some.jsonl", records)]
        for name, text in list(EXAMPLES.items())[:2]:
            paths.append(tmp_path / f"{name}.txt")
            paths[-1].write_text(text)
        page = open_page()
        tag_files(page, paths, "3 of 3 documents tagged")
        page.get_by_text("some.jsonl:2").wait_for()
        entities = page.get_by_role("tabpanel").get_by_role("region", name="Entities")
        assert "<b>a</b>" in entities.inner_text()
        assert "entropy:balanced" in entities.get_by_role("row").nth(1).inner_text()
        with ZipFile(download_of(page, "tagged.zip")) as archive:
            archive.extractall(tmp_path)
        first, *_ = read_documents(tmp_path / "dense" / "tagged.jsonl")
        assert first.text == HOSTILE
        assert_harmless(page)

    def test_the_sample_runs_at_once_in_tables_that_fit_and_is_out_of_date_after_another_choice(self, open_page):
        page = open_page(LAPTOP, at="Your files")
        page.get_by_role("button", name="Use the sample").click()
        page.get_by_text("30 of 30 documents tagged").wait_for(timeout=WORK_MS)
        assert_fits(page, "By strategy")
        assert_fits(page, "Entities")
        entities = page.get_by_role("tabpanel").get_by_role("region", name="Entities")
        assert entities.bounding_box()["height"] < LAPTOP[1] / 2, "a thousand rows scroll in a frame"
        page.get_by_label("fast", exact=True).check()
        page.get_by_text("the files or the settings have changed").first.wait_for(timeout=WORK_MS)


def test_the_entities_of_a_text_stand_below_the_race_and_can_be_copied_and_downloaded_with_a_header(open_page):
    page = open_page(LAPTOP, permissions=["clipboard-read", "clipboard-write"])
    enter(page, "=Famotidine caused delirium.")
    run(page)
    page.locator(".race .wide", has_text="Famotidine").wait_for(timeout=WORK_MS)
    assert_fits(page, "Entities")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    raw = Path(download.value.path()).read_bytes()
    assert raw.startswith(codecs.BOM_UTF8)
    header, *rows = csv.reader(raw.decode("utf-8-sig").splitlines())
    assert header == ["text", "type", "start", "end", "score"]
    assert [row[:4] for row in rows] == [["Famotidine", "Chemical", "1", "11"], ["delirium", "Disease", "19", "27"]]
    page.get_by_role("button", name="Copy table").click()
    page.get_by_role("button", name="Copied").wait_for()
    lines = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert [line.split("\t") for line in lines] == [header, *rows]


def test_on_a_phone_no_word_of_a_table_is_broken(open_page):
    cells = open_page(PHONE).locator(".race .entities tbody :is(th, td)", has_text=re.compile(r"^[\w.]+$"))
    cells.first.wait_for(timeout=WORK_MS)
    lines = """cells => cells.map((cell) => {
      const range = document.createRange();
      range.selectNodeContents(cell);
      return range.getClientRects().length;
    })"""
    assert set(cells.evaluate_all(lines)) == {1}


class TestCode:
    def test_it_holds_the_text_as_code_and_as_json(self, open_page):
        page = open_page(LAPTOP)
        enter(page, HOSTILE)
        run(page)
        wait_until(page, "done")
        tab(page, "Use in code")
        code = page.get_by_role("tabpanel").locator(".cm-content")
        page.locator(".cm-content", has_text='</script>"}').wait_for(timeout=WORK_MS)  # in the command lines
        assert "python -m engine.tag FILE --strategy=entropy" in code.nth(1).inner_text()
        python, command = (code.nth(place).inner_text() for place in (2, 3))
        assert f"text = {HOSTILE!r}" in python
        assert "python -m engine.tag text.jsonl --format=jsonl --strategy=entropy" in command
        page.get_by_role("button", name="Everything as JSON").click()
        record = json.loads(download_of(page, "results.json").read_text(encoding="utf-8"))
        assert record["text"] == HOSTILE
        assert [result["strategy"]["name"] for result in record["results"]] == ["dense", "entropy", "truncate-3"]
        assert_harmless(page)
