"""Uploads: readable documents are read, problems are named briefly, and nothing is deleted, whatever the file holds."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.common.limits import MAX_CHARACTERS
from demo.common.uploads import GONE, LISTED_PROBLEMS, MAX_MESSAGE, MAX_PROBLEMS, Problems, read_upload
from engine import Document, InputError

MAX_BYTES = 2_000_000


def read(path: Path) -> tuple[list[str], Problems]:
    """The document ids and the problems."""
    problems = Problems()
    return [document.id for document in read_upload(path, problems)], problems


@pytest.mark.parametrize(
    ("name", "hostile", "problem"),
    [
        ("some.jsonl", '{"text": "y", "z": ' + "[" * 100_000, "expected one JSON object on the line"),
        ("some.conll", '-DOCSTART-\t{"id": "x", "text": ' + "[" * 100_000, "expected JSON with id, text"),
    ],
)
def test_endless_nesting_loses_one_document(tmp_path: Path, name: str, hostile: str, problem: str) -> None:
    sound = {
        "some.jsonl": [json.dumps({"id": name, "text": "x"}) for name in ("a", "b")],
        "some.conll": [f'-DOCSTART-\t{{"id": "{name}", "text": "x"}}\n\nx\tO\n' for name in ("a", "b")],
    }[name]
    path = tmp_path / name
    path.write_text("\n".join((sound[0], hostile, sound[1])))
    ids, problems = read(path)
    assert ids == ["a", "b"]
    assert problems.count == 1
    assert problem in problems.listed[0]


def test_a_file_of_nothing_but_problems_takes_little_time(tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text("{\n" * (MAX_BYTES // 2))
    begin = time.monotonic()
    ids, problems = read(path)
    assert time.monotonic() - begin < 2
    assert ids == []
    assert (problems.count, len(problems.listed)) == (MAX_PROBLEMS, LISTED_PROBLEMS)
    assert problems.stopped


def test_messages_do_not_say_where_the_file_lies(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes(b"\xff\xfe")
    assert read(path)[1].listed == ["mine.txt:1: document mine: expected UTF-8, got byte 0xff; save the file as UTF-8"]


def test_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("Nausea.")
    assert read(path) == read(path) == (["mine"], Problems())


def test_a_missing_file_can_be_uploaded_again(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=GONE):
        read(tmp_path / "none.txt")


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(InputError, match="expected a file of at most 2,000,000 bytes, got 2,000,001"):
        read(path)


def test_a_compressed_file_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "small.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 10_000_000))
    with pytest.raises(InputError, match="expected an uncompressed file"):
        read(path)


@pytest.mark.parametrize(
    ("name", "content"), [("small.parquet", b"x"), ("small.txt", b"PAR1\x15\x04"), ("small", b"PAR1\x15\x04")]
)
def test_parquet_is_not_unpacked_whatever_its_name(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match="got Parquet; convert it to JSON lines"):
        read(path)


def test_a_document_that_is_too_long_loses_none_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text(
        "".join(json.dumps({"id": name, "text": name * MAX_CHARACTERS}) + "\n" for name in ("a", "ab", "b"))
    )
    ids, problems = read(path)
    assert ids == ["a", "b"]
    assert problems.listed == [
        f"document ab: expected at most 100,000 characters, got {2 * MAX_CHARACTERS:,}; split it"
    ]


def test_whatever_a_reader_raises_is_a_problem_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Iterator[Document]:
        yield Document("a", "Nausea.")
        raise LookupError("private detail")

    monkeypatch.setattr("demo.common.uploads.read_documents", broken)
    path = tmp_path / "some.xml"
    path.write_text("x")
    ids, problems = read(path)
    assert ids == ["a"]
    assert problems.listed == ["some.xml: expected a file of a known format, got LookupError; the rest is left out"]


BIOC = "<collection><document><id>1</id>{}</document></collection>"
PASSAGE = "<passage><offset>{}</offset><text>Nausea.</text></passage>"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("wide.xml", BIOC.format("".join(PASSAGE.format(n * 1_000_000) for n in range(80)))),
        ("nested.xml", BIOC.format("<passage>" * 3000 + "</passage>" * 3000)),
        ("digits.xml", BIOC.format(PASSAGE.format("9" * 5000))),
        ("encoding.xml", '<?xml version="1.0" encoding="foo"?>' + BIOC.format(PASSAGE.format(0))),
        ("utf7.xml", '<?xml version="1.0" encoding="utf-7"?>' + BIOC.format(PASSAGE.format(0))),
        ("digits.pubtator", f"1|t|Nausea.\n1|a|\n1\t0\t{'9' * 5000}\tNausea\tDisease\tD1\n"),
        ("nan.jsonl", '{"text": "x", "entities": [{"start": NaN, "end": Infinity, "type": "D"}]}'),
    ],
)
def test_hostile_files_end_in_a_message(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    ids, problems = read(path)
    assert ids == []
    assert problems.count >= 1
    assert all(len(message) <= MAX_MESSAGE + 1 for message in problems.listed)
