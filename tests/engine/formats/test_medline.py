"""MEDLINE as PubMed saves it, and files of office programs."""

import pytest

from engine.errors import InputError
from engine.text.documents import Document
from tests.engine.formats.reading import read, sound

NBIB = """
PMID- 7
OWN - NLM
DP  - 1999
TI  - Nausea after
      aspirin.
AB  - It was
      mild.
FAU - Doe, J

PMID- 8
TI  - No abstract.
"""


@pytest.mark.parametrize("name", ["a.nbib", "pubmed-export.txt"])
def test_each_record_is_a_document_of_title_and_abstract(name):
    expected = [
        Document("7", "Nausea after aspirin. It was mild.", title_end=21),
        Document("8", "No abstract.", title_end=12),
    ]
    assert sound(NBIB, name) == expected
    assert sound(NBIB.replace("\n", "\r\n"), name) == expected


def test_a_record_without_a_number_is_left_out():
    documents, (error,) = read(NBIB.replace("PMID- 8", "PMID- 8x"), "a.nbib")
    assert [document.id for document in documents] == ["7"]
    assert (error.line, "PMID" in error.problem) == (12, True)


@pytest.mark.parametrize(
    ("name", "advice"), [("a.xlsx", "CSV"), ("b.XLS", "CSV"), ("c.docx", "text"), ("d.pdf", "text")]
)
def test_a_file_of_an_office_program_is_refused_with_what_to_save_it_as(name, advice):
    with pytest.raises(InputError, match=rf"{name} .* as {advice}|{name} .* as plain {advice}"):
        read(b"PK\x03\x04\xff", name)
