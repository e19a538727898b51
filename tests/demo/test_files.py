"""Your files: what is read, what is refused in one line, and what is written."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest

from demo.files import ABOUT, SAMPLE, coloured, counted, selection_for, tag_uploads, write_csv, write_other
from demo.launch import MAX_FILE_BYTES
from demo.links import opening
from demo.markup import escape
from demo.settings import select_strategy
from demo.uploads import MAX_DOCUMENTS, Upload, read_files
from engine import Document, Entity
from engine.formats import read_documents
from tests.demo.conftest import json_lines

TEXT = "Aspirin for asthma."
HOSTILE = "<b>${1}</b>"
ASPIRIN, ASTHMA = Entity(0, 7, "Chemical", "Aspirin", 0.9876), Entity(12, 18, "Disease", "asthma", 0.5)


def read(tmp_path, content, name="a.txt"):
    (tmp_path / name).write_bytes(content)
    return read_files([str(tmp_path / name)])


class TestReading:
    def test_every_document_of_every_file_comes_with_the_name_of_its_file(self, tmp_path):
        path = json_lines(tmp_path / "a.jsonl", [{"id": "1", "text": TEXT}, {"id": "2", "text": TEXT}])
        uploads, lines = read_files([str(path), str(SAMPLE)])
        assert [upload.file for upload in uploads] == ["a.jsonl"] * 2 + ["sample.pubtator.txt"] * 30
        assert "30 abstracts" in ABOUT
        assert lines == []

    @pytest.mark.parametrize(
        ("content", "name", "said"),
        [
            (b"%PDF-1.4 x", "a.pdf", "PDF"),
            (b"PK\x03\x04 x", "a.xlsx", "save it as CSV"),
            (b"\xd0\xcf\x11\xe0 x", "a.xls", "save it as CSV"),
            (b"", "a.txt", "empty"),
            (b"x" * (MAX_FILE_BYTES + 1), "a.txt", "the limit is 2 MB"),
        ],
    )
    def test_what_is_no_text_is_refused_in_one_line_that_says_what_to_do(self, tmp_path, content, name, said):
        uploads, (line,) = read(tmp_path, content, name)
        assert uploads == []
        assert line.startswith(f"{name}: ")
        assert said in line

    @pytest.mark.parametrize("before", [b"", b"\n\n"])
    def test_what_pubmed_saves_is_read(self, tmp_path, before):
        (upload,), lines = read(tmp_path, before + b"PMID- 123\nTI  - Aspirin\nAB  - for asthma.\n", "a.nbib")
        assert (upload.document.id, upload.document.text) == ("123", "Aspirin for asthma.")
        assert lines == []

    def test_a_file_of_the_wrong_encoding_is_reported_once_and_without_its_folder(self, tmp_path):
        uploads, (line,) = read(tmp_path, b'{"id": "1", "text": "caf\xe9"}\n' * 20, "a.jsonl")
        assert uploads == []
        assert "a.jsonl" in line
        assert "more like it" not in line
        assert str(tmp_path) not in line

    def test_the_readable_documents_of_a_broken_file_are_kept(self, tmp_path):
        content = b'{"id": "1", "text": "Aspirin."}\n{"id": "1", "text": "Again."}\n{"id": "2"}\n'
        uploads, (line,) = read(tmp_path, content, "a.jsonl")
        assert [upload.document.id for upload in uploads] == ["1"]
        assert "(and 1 more like it)" in line

    def test_beyond_the_limit_documents_are_left_out_and_the_page_says_so(self, tmp_path):
        path = json_lines(tmp_path / "a.jsonl", [{"id": str(at), "text": "x"} for at in range(MAX_DOCUMENTS + 3)])
        uploads, (line,) = read_files([str(path)])
        assert len(uploads) == MAX_DOCUMENTS
        assert "3 more" in line


class TestTagging:
    def test_the_strategy_of_the_page_tags_every_document_once(self, engine):
        chosen = selection_for(engine, engine, replace(opening(engine), shown="rule"))
        uploads = [Upload(Document(str(at), TEXT, ()), "a.txt") for at in range(10)]
        tagged = [upload for part in tag_uploads(engine, uploads, chosen) for upload in part]
        assert [upload.document.entities for upload in tagged] == [engine.tag(TEXT, "rule").entities] * 10

    def test_another_model_tags_with_its_default_strategy(self, engine, plain_engine):
        page = replace(opening(engine), shown="rule")
        assert selection_for(engine, plain_engine, page).name == plain_engine.default_strategy


class TestWriting:
    @pytest.fixture
    def tagged(self):
        return [Upload(Document("1", TEXT, (ASPIRIN, ASTHMA)), "=cmd.txt"), Upload(Document("2", TEXT, ()), "b.txt")]

    def test_the_csv_has_a_byte_order_mark_every_entity_once_and_no_formula(self, tagged, tmp_path):
        write_csv(tagged, tmp_path / "a.csv", "six", "entropy:fast")
        assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbf")
        with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
        assert rows == [
            ["file", "id", "start", "end", "type", "text", "score", "model", "strategy"],
            ["'=cmd.txt", "1", "0", "7", "Chemical", "Aspirin", "0.9876", "six", "entropy:fast"],
            ["'=cmd.txt", "1", "12", "18", "Disease", "asthma", "0.5", "six", "entropy:fast"],
        ]

    def test_documents_without_entities_are_counted(self, tagged, engine):
        chosen = select_strategy(engine, "dense")
        assert counted(tagged, chosen) == "2 entities in 2 documents, 1 without entities, by All layers."
        assert counted(tagged[:1], chosen) == "2 entities in 1 document, by All layers."

    def test_the_other_format_is_one_that_the_project_reads(self, tagged, tmp_path):
        write_other(tagged, path := Path(tmp_path, "a.pubtator.txt"))
        assert next(iter(read_documents(path))).entities[0].key == ASPIRIN.key

    def test_a_document_is_shown_as_its_text_in_the_colours_of_the_page_and_never_as_markup(self, tagged):
        shown = coloured(tagged[0], ["Disease", "Chemical"])
        assert re.sub("<[^>]*>", "", shown) == TEXT
        assert re.findall(r"--type-(\d)[^>]*>([^<]*)", shown) == [("1", "Aspirin"), ("0", "asthma")]
        hostile = Upload(Document("1", HOSTILE, ()), "a.txt")
        assert escape(HOSTILE) in coloured(hostile, [])
