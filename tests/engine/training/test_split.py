"""Splitting annotated documents into parts for training, early stopping and a test."""

from engine.formats import read_documents
from engine.text.documents import Document, Entity
from engine.training.finetune import FinetuneConfig
from engine.training.split import PARTS, main, split_documents
from tests.engine.formats.reading import written


def document(number: int) -> Document:
    return Document(str(number), f"Nausea {number}.\n", (Entity(0, 6, "Disease", "Nausea"),), 9 + (number > 9))


def test_parts_have_all_documents_once_and_finetune_learns_from_them(tmp_path, capsys):
    file = tmp_path / "mine.pubtator"
    file.write_text(written("pubtator", *map(document, range(20))))
    assert main([str(file), "--out", str(tmp_path / "parts"), "--share", "0.7, 0.1, 0.2"]) == 0
    parts = {name: list(read_documents(tmp_path / "parts" / f"{name}.jsonl")) for name in PARTS}
    assert {name: len(part) for name, part in parts.items()} == {"train": 14, "dev": 2, "test": 4}
    split = {document.id: document for part in parts.values() for document in part}
    assert split == {document.id: document for document in read_documents(file)}
    said = capsys.readouterr().err
    assert "train: 14 documents; Disease 14." in said
    names = {name: [str(tmp_path / "parts" / f"{name}.jsonl")] for name in PARTS}
    corpora, dev = FinetuneConfig(backbone="b", out="o", corpus=names["train"], dev_corpus=names["dev"]).corpora()
    assert [len(corpus.documents) for corpus in (*corpora, dev)] == [14, 2]


def test_documents_with_the_same_text_stay_together_and_the_seed_decides():
    documents = [
        Document(f"{number}-{copy}", f"Nausea {number}." + " " * copy) for number in range(12) for copy in (0, 1)
    ]
    parts = split_documents(documents, (1, 1, 1))
    numbers = [{document.id.split("-")[0] for document in part} for part in parts.values()]
    assert [len(part) for part in numbers] == [4, 4, 4]
    assert len(set().union(*numbers)) == 12
    assert split_documents(documents, (1, 1, 1)) == parts != split_documents(documents, (1, 1, 1), seed=1)


LINE = "\n3\t0\t6\tNausea\tDisease"


def test_all_bad_offsets_are_listed_and_can_be_left_out(tmp_path, capsys):
    file = tmp_path / "mine.pubtator"
    bad = written("pubtator", *map(document, range(20))).replace(LINE, LINE.replace("0", "1") + LINE.replace("0", "2"))
    file.write_text(bad)
    assert main([str(file), "--out", str(tmp_path / "parts")]) == 2
    said = capsys.readouterr().err
    assert ("1–6" in said, "2–6" in said, "--skip-bad" in said) == (True, True, True)
    assert not (tmp_path / "parts").exists()
    assert main([str(file), "--out", str(tmp_path / "parts"), "--skip-bad"]) == 0
    assert sum(len(list(read_documents(path))) for path in (tmp_path / "parts").iterdir()) == 19
