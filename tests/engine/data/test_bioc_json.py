import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.formats import WRITERS, read_bioc_json, read_documents
from engine.errors import FormatError
from engine.text.documents import Document, Entity
from tests.engine.data.test_bioc_conll_datasets import _TEXT, documents

WRITER = WRITERS["bioc-json"]
PASSAGE = {"offset": 0, "text": "Aspirin helped.", "infons": {"type": "title"}, "annotations": []}
ANNOTATION = {
    "id": "0",
    "infons": {"type": "Chemical", "identifier": "MESH:D001241", "valid": True, "note": None},
    "text": "Aspirin",
    "locations": [{"offset": 0, "length": 7}],
}


def read(text, on_error=None, size=7):
    raw = text.encode("utf-8", "replace")
    chunks = (raw[at : at + size] for at in range(0, len(raw), size))
    return list(read_bioc_json(chunks, "f.json", *([on_error] if on_error else [])))


def collection(*records, key="documents"):
    return json.dumps({"source": "", "numbers": [1, -2.5e3], key: records, "more": "]}"})


def record(identifier="1", **passage):
    return {"id": identifier, "passages": [PASSAGE | passage]}


@given(st.lists(documents(_TEXT), max_size=3, unique_by=lambda document: document.id), st.integers(1, 50))
def test_a_round_trip_loses_nothing(several, size):
    assert read("".join(WRITER.pieces(several)), size=size) == several


def test_what_is_written_is_one_json_object():
    written = json.loads("".join(WRITER.pieces([Document("1", "a b", (Entity(0, 1, "X", "a", 0.5),), 1, version=2)])))
    (document,) = written["documents"]
    assert document["infons"] == {"version": "2"}
    assert [passage["offset"] for passage in document["passages"]] == [0, 1]
    assert document["passages"][0]["annotations"][0]["locations"] == [{"offset": 0, "length": 1}]


@pytest.mark.parametrize(
    "text",
    [
        collection(record(annotations=[ANNOTATION])),
        collection(record(annotations=[ANNOTATION]), key="PubTator3"),
        f"[{collection(record(annotations=[ANNOTATION]))}, {collection(record('2'))}]",
    ],
)
def test_collections_as_they_are_published_are_read(text, tmp_path):
    document = read(text)[0]
    assert (document.id, document.text, document.title_end) == ("1", "Aspirin helped.", 15)
    assert document.entities == (Entity(0, 7, "Chemical", "Aspirin", concept="MESH:D001241"),)
    (tmp_path / "notes.txt").write_text(text)
    assert next(iter(read_documents(tmp_path / "notes.txt"))) == document


def test_sentences_are_read_where_the_text_of_the_passage_is_empty():
    """As the package ``bioc`` writes passages of sentences."""
    sentences = [{"offset": 0, "text": "Aspirin helped.", "annotations": [ANNOTATION]}]
    (document,) = read(collection(record(text="", sentences=sentences)))
    assert (document.text, len(document.entities)) == ("Aspirin helped.", 1)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"passages": []}, "expected a document with an <id>"),
        ([], "expected an object as document, got list"),
        ({"id": "1", "passages": {}}, "expected a list as passages, got dict"),
        (record(offset="x"), "expected a whole number as offset"),
        (record(offset=10**9), "expected an offset of 0 characters or a little more"),
        (
            record(annotations=[ANNOTATION | {"locations": [{"offset": 3}]}]),
            "expected a whole number as offset or length",
        ),
        (record(annotations=[ANNOTATION | {"text": "Ibuprofen"}]), "expected 'Ibuprofen' at 0–7"),
        (record("2"), "expected a unique id"),
    ],
)
def test_a_broken_document_is_reported_and_the_others_are_read(broken, message):
    errors = []
    found = read(collection(record("2"), broken, record("3")), errors.append)
    assert [document.id for document in found] == ["2", "3"]
    assert message in str(errors[0])
    assert not errors[0].ends_file


@pytest.mark.parametrize("passages", [{}, [[]], [PASSAGE | {"annotations": {}}]])
def test_a_broken_document_is_named_on_whatever_line_it_stands(passages):
    with pytest.raises(FormatError, match=r"^f\.json:1: document 7: expected (a list|an object) as "):
        read(collection(record(), {"id": 7, "passages": passages}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (collection(record())[:-25], "f.json:1: expected "),
        ('{"documents": [\n{"id": "1" "passages": []}]}', "f.json:2: expected JSON, got Expecting ','"),
        ('{"documents": [\n{"id": "1",\n"infons": {}\n"passages": []}]}', "f.json:4: expected JSON"),
        ('{"documents": [' + "[" * 100_000, "expected JSON"),
        ('{"documents": []} more', "expected the end of the file, got 'm'"),
        ("{}", "expected BioC, an object with a list documents or PubTator3"),
        ("", "expected BioC"),
    ],
)
def test_what_ends_a_file_is_said(text, message):
    errors = []
    read(text, errors.append)
    assert message in str(errors[-1])
    assert str(errors[-1]).endswith("; nothing after this place was read")
    assert errors[-1].ends_file


def test_a_document_without_end_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr("engine.data.formats.bioc_json.MAX_DOCUMENT", 10_000)
    with pytest.raises(FormatError, match="expected a document of at most 10,000 characters"):
        list(read_bioc_json([b'{"documents": [{"id": "', *[b"a" * 1000] * 100]))
