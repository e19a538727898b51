import pytest

from engine.data.corpora import load_corpus
from engine.data.documents_on_disk import DocumentsOnDisk
from engine.text.documents import Document, Entity
from tests.conftest import SAMPLE, memory_below


def document(number):
    return Document(str(number), "é" * 1000 + str(number), (Entity(0, 4, "Chemical", "éééé"),), 3)


def test_documents_come_back_one_by_one_and_in_slices():
    stored = DocumentsOnDisk(map(document, range(10)))
    assert len(stored) == 10
    assert stored[7] == document(7)
    assert stored[8:99] == (document(8), document(9))
    assert list(stored) == [document(number) for number in range(10)]
    with pytest.raises(IndexError):
        stored[10]


def test_memory_does_not_hold_them():
    with memory_below(500_000):
        assert len(DocumentsOnDisk(map(document, range(2000)))) == 2000


def test_a_corpus_on_disk_is_the_one_in_memory():
    stored, held = (load_corpus(str(SAMPLE), limit=7, on_disk=on_disk) for on_disk in (True, False))
    assert isinstance(stored.documents, DocumentsOnDisk)
    assert len(held.documents) == 7
    assert tuple(stored.documents) == held.documents
    assert (stored.types, stored.skipped) == (held.types, held.skipped)
