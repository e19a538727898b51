"""Broken and malicious files: an error with file and line, other documents are read, memory stays bounded."""

import gzip
import io
import json
import pickle
import sys
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.formats import WRITERS, Ids, read_conll, read_documents, read_pubtator, write_conll, write_pubtator
from engine.data.formats.common import MAX_GROWTH, reader
from engine.data.formats.conll import entities_of_tags, place_tokens
from engine.errors import FormatError, InputError
from engine.text.documents import Document, Entity
from engine.text.labels import LabelSet

SOUND = Document("sound", "Nausea.", (Entity(0, 6, "Disease", "Nausea"),))


def bioc(document: str, encoding: str = "UTF-8", doctype: str = "") -> str:
    sound = WRITERS["bioc"].document(SOUND)
    return f'<?xml version="1.0" encoding="{encoding}"?>{doctype}\n<collection>\n{document}\n{sound}</collection>\n'


def annotated(location: str = 'offset="0" length="7"', score: str = "1") -> str:
    return (
        "<document><id>1</id><passage><offset>0</offset><text>Aspirin</text><annotation>"
        f'<infon key="type">Chemical</infon><infon key="score">{score}</infon><location {location}/>'
        "<text>Aspirin</text></annotation></passage></document>"
    )


def pubtator(annotation: str) -> str:
    return f"1|t|Aspirin\n1|a|helped.\n{annotation}\n\n" + WRITERS["pubtator"].document(SOUND)


def jsonl(**record) -> str:
    return json.dumps({"id": "1", "text": "Aspirin"} | record) + "\n" + WRITERS["jsonl"].document(SOUND)


def read(folder, name, content):
    """Documents and errors of a file with this content."""
    (folder / name).write_text(content)
    errors: list[FormatError] = []
    return list(read_documents(folder / name, errors.append)), errors


LONG = "9" * 5000
ENTITY = {"start": 0, "end": 7, "type": "Chemical"}
PASSAGE = "<passage><offset>0</offset><text>{}</text></passage>"
BROKEN = {  # name, content, line, message
    "nested passages": (
        "a.xml",
        bioc(f"<document><id>1</id>{'<passage>' * 3000}{'</passage>' * 3000}</document>"),
        3,
        "expected no <passage> inside <passage>",
    ),
    "a document in a document": (
        "a.xml",
        bioc("<document><id>1</id><document></document></document>"),
        3,
        "expected no <document> inside <document>",
    ),
    "BioC offset of 5,000 digits": ("a.xml", bioc(annotated(f'offset="{LONG}" length="7"')), 3, "expected a whole"),
    "BioC offset with a fraction": ("a.xml", bioc(annotated('offset="0.0" length="7"')), 3, "expected a whole number"),
    "BioC score NaN": ("a.xml", bioc(annotated(score="NaN")), 3, "expected a finite number as score, got 'NaN'"),
    "BioC entity that only a DTD knows": (
        "a.xml",
        bioc(f"<document><id>1</id>{PASSAGE.format('A&alpha;')}</document>", doctype='<!DOCTYPE c SYSTEM "BioC.dtd">'),
        3,
        "expected characters, got the entity 'alpha'",
    ),
    "markup in a BioC text": (
        "a.xml",
        bioc(f"<document><id>1</id>{PASSAGE.format('some <b>bold</b> text')}</document>"),
        3,
        "expected characters alone in <text>, got <b>",
    ),
    "two texts in a passage": (
        "a.xml",
        bioc(f"<document><id>1</id>{PASSAGE.format('a</text><text>b')}</document>"),
        3,
        "expected one <text> in <passage>, got two",
    ),
    "PubTator offset of 5,000 digits": ("a.txt", pubtator(f"1\t0\t{LONG}\tAspirin\tChemical\tD1"), 3, "expected start"),
    "PubTator offsets that are letters": ("a.txt", pubtator("1\tx\ty\tAspirin\tChemical\tD1"), 3, "expected start and"),
    "PubTator offsets with fractions": ("a.txt", pubtator("1\t.5\t7.5\tAspirin\tChemical"), 3, "expected start and"),
    "PubTator offsets NaN": (
        "a.txt",
        pubtator("1\tNaN\tNaN\tAspirin\tChemical"),
        3,
        "expected start and",
    ),
    "PubTator offsets that are empty": ("a.txt", pubtator("1\t\t\tAspirin\tChemical"), 3, "expected start and end as"),
    "JSON offset with a fraction": ("a.jsonl", jsonl(entities=[ENTITY | {"start": 0.7}]), 1, "expected whole numbers"),
    "JSON offset true": ("a.jsonl", jsonl(entities=[ENTITY | {"start": False}]), 1, "expected whole numbers"),
    "JSON offset of 5,000 digits": ("a.jsonl", jsonl(entities=[ENTITY | {"end": LONG}]), 1, "expected whole numbers"),
    "JSON score NaN": (
        "a.jsonl",
        jsonl(entities=[ENTITY | {"score": float("nan")}]),
        1,
        'expected "score" as',
    ),
    "JSON type null": ("a.jsonl", jsonl(entities=[ENTITY | {"type": None}]), 1, "expected whole numbers"),
    "JSON mention of another place": (
        "a.jsonl",
        jsonl(entities=[ENTITY | {"text": "Aspirim"}]),
        1,
        "expected 'Asp",
    ),
    "JSON id that is a list": ("a.jsonl", jsonl(id=["1"]), 1, 'expected "id" as a string'),
    "JSON title_end with a fraction": ("a.jsonl", jsonl(title_end=6.5), 1, "expected a blank after the title"),
    "CoNLL with a list after -DOCSTART-": (
        "a.conll",
        '-DOCSTART-\t{"id": "1", "text": []}\n\na\tO\n\n' + WRITERS["conll"].document(SOUND),
        1,
        "expected JSON with id",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_one_broken_document_is_named_and_the_next_is_read(case, tmp_path):
    name, content, line, message = BROKEN[case]
    documents, errors = read(tmp_path, name, content)
    assert [error.line for error in errors] == [line]
    assert errors[0].problem.startswith(message)
    assert [document.id for document in documents] == ["sound"]


@pytest.mark.parametrize("encoding", ["foo", "utf-7", "shift_jis", "base64", "rot13", "idna", "\u00e9"])
def test_an_encoding_that_cannot_be_read_is_an_error_of_its_file_alone(encoding, tmp_path):
    documents, (error,) = read(tmp_path, "a.xml", bioc(annotated(), encoding))
    assert documents == []
    assert str(error).startswith(f"{tmp_path / 'a.xml'}:1: expected ")


def test_whatever_a_reader_raises_is_an_error_with_file_and_line():
    @reader
    def read_odd(pieces, file, ids):
        for number, _ in enumerate(pieces):
            if number == 2:
                raise ZeroDivisionError("division by zero")
            yield Document(str(number), "a")

    errors: list[FormatError] = []
    assert len(list(read_odd([b"a\n"] * 5, "odd.txt", errors.append))) == 2
    assert [str(error) for error in errors] == [
        "odd.txt:3: expected a readable document, got ZeroDivisionError: division by zero; fix or remove it; "
        "nothing after this place was read"
    ]


def test_what_the_caller_raises_stays_as_it_is(tmp_path):
    def stop(error):
        raise BrokenPipeError("the caller's own")

    (tmp_path / "a.jsonl").write_text("{\n")
    with pytest.raises(BrokenPipeError, match="the caller's own"):
        list(read_documents(tmp_path / "a.jsonl", stop))


@pytest.mark.parametrize(
    "relation", ["1\tCID\tD1\tD2", "1\tAssociation\t1234\tD2\tNovel", "1\tCID\tD1\tD2\t0.93", "1\tBind\tc|t|x\tp|a|y"]
)
def test_relations_are_passed_over_and_begin_no_document(relation):
    lines = pubtator(f"1\t0\t7\tAspirin\tChemical\n{relation}").encode().splitlines(keepends=True)
    first, second = read_pubtator(lines)
    assert (first.id, [entity.text for entity in first.entities], second.id) == ("1", ["Aspirin"], "sound")


def test_an_id_that_pubtator_cannot_hold_does_not_shift_the_text():
    document = Document("x|t|y", "Nausea.\n", (Entity(0, 6, "Disease", "Nausea"),), 7)
    (again,) = read_pubtator(write_pubtator(document).encode().splitlines(keepends=True))
    assert (again.text, again.entities) == (document.text, document.entities)


def grown(kind):
    """A file that expands to much more text than it has bytes."""
    if kind == "gaps":
        gaps = "".join(f"<passage><offset>{n * 1_000_000}</offset><text></text></passage>" for n in range(80))
        return "a.xml", bioc(f"<document><id>1</id>{gaps}</document>")
    if kind == "gap below the old limit":
        return "a.xml", bioc("<document><id>1</id><passage><offset>999999</offset><text>x</text></passage></document>")
    if kind == "overlapping mentions in BioC":
        mention = '<annotation><infon key="type">D</infon><location offset="0" length="90000"/></annotation>'
        text = PASSAGE.format("x" * 90_000).replace("</passage>", mention * 1000 + "</passage>")
        return "a.xml", bioc(f"<document><id>1</id>{text}</document>")
    return "a.jsonl", jsonl(text="x" * 90_000, entities=[{"start": 0, "end": 90_000, "type": "D"}] * 1000)


@pytest.mark.parametrize(
    "kind", ["gaps", "gap below the old limit", "overlapping mentions in BioC", "overlapping mentions in JSON"]
)
def test_a_document_is_bounded_by_its_bytes(kind, tmp_path):
    name, content = grown(kind)
    tracemalloc.start()
    documents, errors = read(tmp_path, name, content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert documents == [SOUND]
    assert [error.document for error in errors] == ["1"]
    assert peak < 5_000_000 + 10 * MAX_GROWTH * len(content)


def test_a_gap_as_wide_as_a_paragraph_is_fine(tmp_path):
    text = PASSAGE.format("Title.") + "<passage><offset>500</offset><text>Abstract.</text></passage>"
    documents, errors = read(tmp_path, "a.xml", bioc(f"<document><id>1</id>{text}</document>"))
    assert errors == []
    assert documents[0].text == "Title.\n" + " " * 493 + "Abstract."


def test_many_passages_types_and_mentions_take_time_in_proportion(tmp_path):
    begin = time.process_time()
    passages = "".join(f"<passage><offset>{n * 6}</offset><text>words</text></passage>" for n in range(40_000))
    (first, _), _ = read(tmp_path, "a.xml", bioc(f"<document><id>1</id>{passages}</document>"))
    assert len(first.text) == 240_000 - 1
    tags = "".join(f"token\tB-T{number}\n" for number in range(20_000)).encode()
    (tagged,) = read_conll(io.BytesIO(tags))
    assert len(tagged.entities) == 20_000
    text = "word " * 40_000
    entities = tuple(Entity(start, start + 4, "D", "word") for start in range(0, len(text), 10))
    assert write_conll(Document("1", text, entities)).count("B-D") == len(entities)
    assert time.process_time() - begin < 15


@given(st.lists(st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"]), min_size=1, max_size=12))
def test_tags_are_decoded_as_predictions_are(tags):
    text, spans = place_tokens([["ab"] * len(tags)])
    labels = LabelSet(("a", "b"))
    probabilities = [[name == tag for name in labels.names] for tag in tags]
    assert entities_of_tags(text, spans, tags) == labels.decode(text, spans, np.array(probabilities, float))


def test_ids_differ_over_all_files_that_are_read_together(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "x", "text": "a"}\n{"text": "b"}\n')
    (tmp_path / "b.jsonl").write_text('{"id": "y", "text": "c"}\n{"text": "d"}\n{"id": "x", "text": "e"}\n')
    ids, errors = Ids(), []
    documents = [d for name in ("a", "b") for d in read_documents(tmp_path / f"{name}.jsonl", errors.append, ids=ids)]
    assert [(d.id, d.text) for d in documents] == [("x", "a"), ("2", "b"), ("y", "c"), ("2-2", "d")]
    assert [str(error) for error in errors] == [
        f"{tmp_path}/b.jsonl:3: document x: expected a unique id, got one that is used in {tmp_path}/a.jsonl; rename it"
    ]


def test_documents_without_an_id_get_one_each(tmp_path):
    documents, errors = read(
        tmp_path, "a.jsonl", '{"id": "2", "text": "a"}\n{"text": "b"}\n{"id": null, "text": "c"}\n'
    )
    assert ([document.id for document in documents], errors) == (["2", "2-2", "3"], [])


def test_messages_are_one_bounded_line_without_control_characters(tmp_path):
    identifier = "\x1b[2J\n\u202e\ud800" + "x" * 100_000
    _, (error,) = read(tmp_path, "a.jsonl", json.dumps({"id": identifier, "text": "a", "entities": 3}))
    message = str(error)
    assert message.isprintable()
    assert len(message) <= 1000
    assert "\\x1b[2J\\n\\u202e\\ud800xx" in message
    assert message.endswith("""expected "entities" as a list, got '3'; fix it""")
    assert str(InputError("a\nb\x00" + "x" * 10_000)).startswith("a\\nb\\x00xxx")


def test_an_error_can_be_sent_to_another_process():
    error = FormatError("a.txt", 3, "1", "expected X, got Y")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.line, again.problem) == (str(error), 3, "expected X, got Y")


def test_standard_input_is_read_and_named(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pubtator("1\t0\t7\tIbuprof\tChemical").encode())))
    errors: list[FormatError] = []
    assert [document.id for document in read_documents("-", errors.append)] == ["sound"]
    assert str(errors[0]).startswith("stdin:3: document 1: expected 'Ibuprof' at 0–7, got 'Aspirin'")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="got -: standard input is closed"):
        list(read_documents("-"))


@pytest.mark.parametrize("path", ["a\x00b", "/dev/null/x", ".", "x" * 5000])
def test_a_path_that_no_file_can_have_is_a_clear_error(path):
    with pytest.raises(InputError, match="expected a readable file"):
        list(read_documents(path))


def test_the_remedy_for_a_cut_gzipped_file_is_not_its_path(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "Nausea."}\n' * 1000)[:-20])
    with pytest.raises(InputError, match=r"a\.jsonl\.gz: .*; fetch it again"):
        list(read_documents(path))


def test_a_file_that_unpacks_to_much_more_is_read_within_bounds(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 60_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"expected at most 1\d,.* bytes in .*, got more; unpack the file first"):
            list(read_documents(path))
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
