"""Uploads: readable documents are read, problems are named briefly, and nothing is deleted, whatever the file holds."""

import gzip
import json

import pytest

from demo.common.limits import MAX_CHARACTERS, MAX_FILE_BYTES
from demo.common.uploads import LISTED_PROBLEMS, MAX_MESSAGE, Problems, read_upload
from engine import Document
from engine.formats import Ids

LONG = json.dumps({"id": "c", "text": "x" * (MAX_CHARACTERS + 1)})


def read(path):
    """The document ids and the problems."""
    problems = Problems()
    return [document.id for document in read_upload(path, problems, Ids())], problems


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
        ('{"text": "y"', "expected one JSON object on the line"),
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
    monkeypatch.setattr("demo.common.uploads.read_documents", broken)
    ids, problems = read(write("some.xml", "x"))
    assert (ids, problems.left_out) == (["a"], {"broken file": 1})
    assert problems.listed == ["some.xml: expected a file of a known format, got LookupError; the rest is left out"]


def test_a_message_does_not_say_where_the_file_lies_and_is_cut_if_it_quotes_a_long_id(write):
    _, problems = read(write("mine.txt", b"notes\n\xff\xfe"))
    assert problems.listed == ["mine.txt:2: document mine: expected UTF-8, got byte 0xff; save the file as UTF-8"]
    _, problems = read(write("long.jsonl", json.dumps({"id": "x" * 9000, "text": "x" * (MAX_CHARACTERS + 1)})))
    (message,) = problems.listed
    assert len(message) == MAX_MESSAGE + 1
