"""The tabs Your files and Use in code, in a real browser, used as a person would use them."""

import json
import re
from pathlib import Path
from zipfile import ZipFile

import pytest

from demo.common.links import EXAMPLES
from engine.formats import read_documents
from tests.demo.browsing import HOSTILE, LAPTOP, WORK_MS, assert_harmless, enter, run, tab, tag_files, wait_until
from tests.demo.conftest import json_lines

pytestmark = pytest.mark.slow


def download_of(page, name):
    """The file that a link on the page downloads, once there is a link."""
    link = page.locator(f"a[href*='{name}']").first
    link.wait_for(timeout=WORK_MS)
    with page.expect_download() as download:
        link.click()
    return Path(download.value.path())


def assert_fits(page, name):
    """All columns of a table are in sight."""
    table = page.get_by_role("grid", name=name).locator("visible=true").first
    frame = page.get_by_role("tabpanel").bounding_box()
    for head in table.get_by_role("columnheader").all():
        box = head.bounding_box()
        assert box["x"] + box["width"] <= frame["x"] + frame["width"], head.inner_text()


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
        page.get_by_text("<b>a</b>").locator("visible=true").first.wait_for()
        _, first, *_ = page.get_by_role("grid", name="Entities").get_by_role("row").all_inner_texts()
        assert "entropy:balanced" in first
        with ZipFile(download_of(page, "tagged.zip")) as archive:
            archive.extractall(tmp_path)
        first, *_ = read_documents(tmp_path / "dense" / "tagged.jsonl")
        assert first.text == HOSTILE
        assert_harmless(page)

    def test_the_sample_runs_at_once_in_tables_that_fit_and_is_out_of_date_after_another_choice(self, open_page):
        page = open_page(LAPTOP, at="Your files")
        page.get_by_role("button", name="Use the sample").click()
        page.get_by_text("30 of 30 documents tagged").wait_for(timeout=WORK_MS)
        assert_fits(page, "Entities")
        page.get_by_label("fast", exact=True).check()
        page.get_by_text("the files or the settings have changed").first.wait_for(timeout=WORK_MS)

    def test_a_large_file_gets_the_commands_that_read_it_and_tables_of_another_go(self, open_page, tmp_path):
        page = open_page(at="Your files")
        page.get_by_role("button", name="Use the sample").click()
        page.get_by_text("30 of 30 documents tagged").wait_for(timeout=WORK_MS)
        page.get_by_label("Clear", exact=True).locator("visible=true").first.click()  # else a file is added
        large = json_lines(tmp_path / "large.jsonl", ({"id": str(i), "text": "x" * 1000} for i in range(3000)))
        tag_files(page, [large], "expected a file of at most 2 MB, got 2.9 MB")
        page.locator("pre", has_text=re.compile(r"python -m engine.tag .*large.jsonl")).wait_for()
        page.get_by_role("grid", name="Entities").locator("visible=true").wait_for(state="hidden", timeout=WORK_MS)


class TestCode:
    def test_it_holds_the_text_as_code_as_a_table_and_as_json(self, open_page):
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
        page.get_by_role("button", name="Show entities and download JSON").click()
        record = json.loads(download_of(page, "results.json").read_text(encoding="utf-8"))
        assert record["text"] == HOSTILE
        assert_fits(page, "Entities")
        assert [result["strategy"]["name"] for result in record["results"]] == ["dense", "entropy", "truncate-3"]
        assert_harmless(page)
