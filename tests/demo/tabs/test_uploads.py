"""Uploads: readable documents are read, problems are named briefly, and nothing is deleted, whatever the file holds."""

import gzip
import json

import pytest

from demo.common.limits import MAX_CHARACTERS, MAX_DOCUMENTS, MAX_FILE_BYTES
from demo.tabs.your_files.uploads import LISTED_PROBLEMS, MAX_MESSAGE, read_files
from engine import Document
from tests.demo.conftest import json_lines

LONG = json.dumps({"id": "c", "text": "x" * (MAX_CHARACTERS + 1)})


def read(path):
    """The document ids and the problems."""
    uploads, problems = read_files([str(path)])
    return [upload.document.id for upload in uploads], problems


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ('{"text": "y"', "The line is not one JSON object"),
        (LONG, "some.jsonl: document c: expected at most 100,000 characters, got 100,001; split it"),
    ],
    ids=["broken", "long"],
)
def test_a_broken_or_long_document_loses_none_of_the_others(write, broken, problem):
    longest, short = ({"id": name, "text": "x" * length} for name, length in (("a", MAX_CHARACTERS), ("b", 1)))
    path = write("some.jsonl", "\n".join((json.dumps(longest), broken, json.dumps(short))))
    ids, problems = read(path)
    assert ids == ["a", "b"]
    assert problems.left_out == {"document": 1}
    assert problem in problems.listed[0]
    assert path.exists()  # another user's upload of the same content shares the file


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.txt", None, "expected a file, got one that no longer exists; upload it again"),
        ("empty.txt", b"", "expected text, got an empty file"),
        ("large.txt", b"x" * (2 * MAX_FILE_BYTES), "expected a file of at most 2 MB, got 4.0 MB; split it"),
        ("small.gz", gzip.compress(b" " * 10**7, mtime=0), "expected text, got a compressed file; unpack it"),
        ("small.txt", b"PAR1\x15\x04", "expected text, got Parquet; convert it to JSON lines"),
        ("paper.pdf", b"%PDF-1.7\n%\xe2", "expected text, got a PDF; save its text as a .txt file"),
        ("paper.docx", b"PK\x03\x04\x14", "expected text, got a Word or ZIP file"),
        ("scan.txt", b"\x89PNG\r\n", "expected text, got an image"),
    ],
)
def test_rejects_a_file_that_is_gone_empty_large_or_no_text(tmp_path, write, name, content, message):
    ids, problems = read(tmp_path / name if content is None else write(name, content))
    assert (ids, problems.left_out) == ([], {"file": 1})
    assert problems.listed[0].startswith(f"{name}: {message}")


def test_whatever_a_reader_raises_is_a_problem_and_of_many_the_first_are_listed(write, monkeypatch):
    def broken(*_, **__):
        yield Document("a", "Nausea.")
        raise LookupError("private detail")

    ids, problems = read(write("broken.jsonl", "{\n" * 1000))
    assert (ids, problems.left_out["document"], len(problems.listed)) == ([], 1000, LISTED_PROBLEMS)
    monkeypatch.setattr("demo.tabs.your_files.uploads.read_documents", broken)
    ids, problems = read(write("some.xml", "x"))
    assert (ids, problems.left_out) == (["a"], {"broken file": 1})
    assert problems.listed == ["some.xml: expected a file of a known format, got LookupError; the rest is left out"]


def test_a_message_does_not_say_where_the_file_lies_and_is_cut_if_it_quotes_a_long_id(write):
    _, problems = read(write("mine.txt", b"notes\n\xff\xfe"))
    assert problems.listed == ["mine.txt:2: document mine: Byte 0xff is not UTF-8. Save the file as UTF-8."]
    _, problems = read(write("long.jsonl", json.dumps({"id": "x" * 9000, "text": "x" * (MAX_CHARACTERS + 1)})))
    (message,) = problems.listed
    assert len(message) == MAX_MESSAGE + 1


def test_several_files_are_read_in_order_and_what_is_too_much_is_left_out(tmp_path):
    paths = [
        json_lines(tmp_path / f"{part}.jsonl", ({"id": f"{part}{i}", "text": "x"} for i in range(MAX_DOCUMENTS)))
        for part in "ba"
    ]
    uploads, problems = read_files(list(map(str, paths)))
    assert [upload.document.id for upload in uploads] == [f"b{i}" for i in range(MAX_DOCUMENTS)]
    assert problems.listed == ["expected at most 500 documents, got 1000; split them"]
    assert problems.left_out == {"document": MAX_DOCUMENTS}
    assert problems.limits


def test_ids_are_those_of_the_files_and_unique_over_all_of_them(tmp_path):
    tables = {
        "a/one.csv": "pmid,text\n7,Nausea.\n8,Pain.\n",
        "b/two.csv": "pmid,text\n9,Nausea.\n7,Pain.\n",
        "a/some.csv": "text\nNausea.\nPain.\n",
        "b/some.csv": "text\nNausea.\n",
    }
    for name, content in tables.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    uploads, problems = read_files([str(tmp_path / name) for name in tables])
    assert [(upload.file, upload.document.id) for upload in uploads] == [
        *(("one.csv", "7"), ("one.csv", "8"), ("two.csv", "9")),
        *(("some.csv", "some-1"), ("some.csv", "some-2"), ("some.csv", "some-1-2")),
    ]
    assert problems.listed == ["two.csv:3: document 7: The id is used already in one.csv. Rename either."]
