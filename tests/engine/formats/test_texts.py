"""Texts without gold: one per line, or documents of any format, gzipped or not."""

import gzip

import pytest

from engine import InputError
from engine.formats import read_texts


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.txt", "Nausea, pain.\r\n\n  \n…\nDelirium.\nDelirium.\n", ["Nausea, pain.", "…", "Delirium."]),
        ("a.txt", "1|t|Title.\n1|a|One. Two.\n", ["Title.\nOne. Two."]),
        ("a.gz", gzip.compress(b'{"id": "1", "text": "Nausea."}\n', mtime=0), ["Nausea."]),
    ],
)
def test_lines_are_texts_documents_stay_whole_and_each_text_counts_once(name, content, texts, tmp_path):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read_texts([path, path]) == texts


def test_rejects_files_without_a_word(tmp_path):
    (tmp_path / "texts").write_text(" \n\t\n")
    with pytest.raises(InputError, match="with a word in it"):
        read_texts([tmp_path / "texts"])
