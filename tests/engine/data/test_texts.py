"""Texts without gold: one per line, or documents of any format, gzipped or not."""

import gzip
import json

import pytest

from engine import InputError
from engine.data.formats import read_documents
from engine.data.texts import read_texts


def test_a_plain_file_holds_one_text_a_line_and_each_counts_once(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("Nausea after aspirin.\r\n\n  \n…\nDelirium.\nDelirium.\n")
    assert read_texts([path, path]) == ["Nausea after aspirin.", "…", "Delirium."]


def test_documents_of_a_known_format_stay_whole_whatever_the_suffix(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("1|t|Title.\n1|a|One. Two.\n")
    assert read_texts([path]) == ["Title.\nOne. Two."]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.gz"])
def test_gzipped_files_are_read(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress((json.dumps({"id": "1", "text": "Nausea."}) + "\n").encode()))
    assert read_texts([path]) == ["Nausea."]
    assert [document.id for document in read_documents(path)] == ["1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got none with a word in it"),
        (b" \n\t\n", "got none with a word in it"),
        (b"%PDF-1.4\n\xe2\xe3\xcf\xd3", ":2: .*expected UTF-8"),
        (b'{"id": 1}', 'expected an object with a "text" string'),
    ],
)
def test_files_without_texts_are_refused(tmp_path, content, message):
    path = tmp_path / "texts"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_texts([path])


def test_a_damaged_or_missing_file_is_refused(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(b"no gzip")
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(b"Nausea. " * 1000)[:-20])
    for name in ("a.txt.gz", "cut.txt.gz", "none.txt"):
        with pytest.raises(InputError, match="expected a readable file"):
            read_texts([tmp_path / name])
