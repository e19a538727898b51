"""Uploads: readable documents are read, problems are named briefly, and nothing is deleted, whatever the file holds."""

import gzip
import json

import pytest

from demo.common.limits import MAX_CHARACTERS, MAX_FILE_BYTES
from demo.common.uploads import GONE, LISTED_PROBLEMS, MAX_MESSAGE, MAX_PROBLEMS, Problems, read_upload
from engine import Document, InputError


def read(path):
    """The document ids and the problems."""
    problems = Problems()
    return [document.id for document in read_upload(path, problems)], problems


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
        (
            json.dumps({"id": "c", "text": "x" * (MAX_CHARACTERS + 1)}),
            "document c: expected at most 100,000 characters, got 100,001; split it",
        ),
    ],
    ids=["broken", "long"],
)
def test_a_broken_or_long_document_loses_none_of_the_others(write, broken, problem):
    longest, short = ({"id": name, "text": "x" * length} for name, length in (("a", MAX_CHARACTERS), ("b", 1)))
    path = write("some.jsonl", "\n".join((json.dumps(longest), broken, json.dumps(short))))
    ids, problems = read(path)
    assert ids == ["a", "b"]
    assert problems.count == 1
    assert problem in problems.listed[0]
    assert path.exists()  # another user's upload of the same content shares the file


def test_a_file_of_nothing_but_problems_is_not_read_to_its_end(write):
    ids, problems = read(write("broken.jsonl", "{\n" * (MAX_FILE_BYTES // 2)))
    assert ids == []
    assert (problems.count, len(problems.listed), problems.stopped) == (MAX_PROBLEMS, LISTED_PROBLEMS, True)


def test_messages_do_not_say_where_the_file_lies(write):
    _, problems = read(write("mine.txt", b"notes\n\xff\xfe"))
    assert problems.listed == ["mine.txt:2: document mine: expected UTF-8, got byte 0xff; save the file as UTF-8"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.txt", None, GONE),
        ("large.txt", b"x" * (MAX_FILE_BYTES + 1), "expected a file of at most 2,000,000 bytes, got 2,000,001"),
        ("small.jsonl.gz", gzip.compress(b" " * 10_000_000, mtime=0), "expected an uncompressed file"),
        ("small.parquet", b"x", "got Parquet; convert it to JSON lines"),
        ("small.txt", b"PAR1\x15\x04", "got Parquet; convert it to JSON lines"),
        ("small", b"PAR1\x15\x04", "got Parquet; convert it to JSON lines"),
    ],
)
def test_a_file_that_is_gone_large_or_compressed_is_refused(tmp_path, write, name, content, message):
    path = tmp_path / name if content is None else write(name, content)
    with pytest.raises(InputError, match=message):
        read(path)


def test_whatever_a_reader_raises_is_a_problem_of_the_file(write, monkeypatch):
    def broken(*_):
        yield Document("a", "Nausea.")
        raise LookupError("private detail")

    monkeypatch.setattr("demo.common.uploads.read_documents", broken)
    ids, problems = read(write("some.xml", "x"))
    assert ids == ["a"]
    assert problems.listed == ["some.xml: expected a file of a known format, got LookupError; the rest is left out"]


def test_a_message_that_quotes_a_long_id_is_cut(write):
    _, problems = read(write("long.jsonl", json.dumps({"id": "x" * 9000, "text": "x" * (MAX_CHARACTERS + 1)})))
    (message,) = problems.listed
    assert len(message) == MAX_MESSAGE + 1
