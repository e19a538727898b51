"""Uploads: whatever is in them, what can be read is read, what is wrong is named briefly, and nothing is deleted."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from demo.uploads import GONE, LISTED_PROBLEMS, MAX_MESSAGE, MAX_PROBLEMS, Problems, read_upload
from engine import InputError

MAX_BYTES = 2_000_000


def read(path: Path) -> tuple[list[str], Problems]:
    """The ids of the documents, and the problems."""
    problems = Problems()
    return [document.id for document in read_upload(path, MAX_BYTES, problems)], problems


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


def test_messages_are_short_however_long_an_id_is(tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text(json.dumps({"id": "x" * 10_000, "text": "y", "entities": 3}))
    assert len(read(path)[1].listed[0]) <= MAX_MESSAGE + 1


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
