"""Splitting annotated documents into parts for training, early stopping and a test."""

import pytest

from engine.formats import read_documents
from engine.text.documents import Document, Entity
from engine.training.finetune import FinetuneConfig
from engine.training.split import PARTS, main, split_documents
from tests.engine.formats.reading import written


def document(number: int) -> Document:
    return Document(str(number), f"Nausea {number}.\n", (Entity(0, 6, "Disease", "Nausea"),), 9 + (number > 9))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.pubtator"
    path.write_text(written("pubtator", *map(document, range(20))))
    return path


def test_parts_have_all_documents_once_and_finetune_learns_from_them(file, tmp_path, capsys):
    assert main([str(file), "--out", str(tmp_path / "parts"), "--share", "70,10,20"]) == 0
    parts = {name: list(read_documents(tmp_path / "parts" / f"{name}.jsonl")) for name in PARTS}
    assert {name: len(part) for name, part in parts.items()} == {"train": 14, "dev": 2, "test": 4}
    found = {one.id: one for part in parts.values() for one in part}
    assert found == {one.id: one for one in read_documents(file)}
    said = capsys.readouterr().err
    assert "train: 14 documents; Disease 14." in said
    names = {name: [str(tmp_path / "parts" / f"{name}.jsonl")] for name in PARTS}
    corpora, dev = FinetuneConfig(backbone="b", out="o", corpus=names["train"], dev_corpus=names["dev"]).corpora()
    assert [len(one.documents) for one in (*corpora, dev)] == [14, 2]


def test_documents_with_the_same_text_stay_together_and_the_seed_decides():
    documents = [
        Document(f"{number}-{copy}", f"Nausea {number}." + " " * copy) for number in range(12) for copy in (0, 1)
    ]
    parts = split_documents(documents, (1, 1, 1))
    numbers = [{one.id.split("-")[0] for one in part} for part in parts.values()]
    assert [len(part) for part in numbers] == [4, 4, 4]
    assert len(set().union(*numbers)) == 12
    assert split_documents(documents, (1, 1, 1)) == parts != split_documents(documents, (1, 1, 1), seed=1)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--share 70,30", "three numbers above 0"),
        ("--share 70,30,0", "three numbers above 0"),
        ("--share 98,1,1", "none of them for dev and test"),
        ("--out {folder}", "expected a new folder"),
    ],
)
def test_what_cannot_be_split_is_refused_and_nothing_is_written(options, reason, file, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    assert main(f"{file} --out {tmp_path}/parts {options}".format(folder=tmp_path).split()) == 2
    assert reason in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
