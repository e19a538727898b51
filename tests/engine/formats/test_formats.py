"""What all formats have in common, and the two simplest, PubTator and JSON lines."""

import gzip
import io
import json
import pickle
import sys

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.errors import FormatError, InputError
from engine.formats import WRITERS, Ids, read_documents, read_texts
from engine.text.documents import Document, Entity
from tests.engine.formats.reading import GOOD, SOUND, TEXT, XML_TEXT, documents, read, sound, written


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (GOOD.replace("case-7", "my notes"), ["1", "my notes"]),
        ("my notes|t|Nausea\nmy notes|a|\n" + "my notes\tCID\tD1\tD2\n" * 18, ["my notes"]),
        ('{"text": "Aspirin."}\n\n{"id": "b", "text": ""}\n', ["notes-1", "b"]),
        ("Aspirin\tNN\tB-NP\tB-Chemical\nhelped\tVBD\tB-VP\tO\n", ["notes-1"]),
        ("Aspirin {helped}.", ["notes"]),
        ("PAR1 is a receptor of thrombin.", ["notes"]),
        ("-DOCSTART- is no word.\n", ["notes"]),
        ("-DOCSTART- -X- O\n\nAspirin\tO\n", ["notes-1"]),
        ("Critical |t| values and\nmore |a| values.", ["notes"]),
        ("Drug\tDose\tUnit\tRoute\nAspirin\tlow\tmg\toral\n", ["notes"]),
        ("", ["notes"]),
    ],
)
def test_the_format_is_recognised_from_the_content(content, ids):
    assert [document.id for document in sound(content, "notes.xyz")] == ids


@pytest.mark.parametrize("name", WRITERS)
def test_every_written_format_is_recognised_by_content_and_suffix_and_streams(name, tmp_path):
    entities = (Entity(0, 7, "Chemical", "Aspirin"), Entity(10, 14, "Disease", "pain"))
    document = Document("é1", "Aspirin & pain.\nIt\u2028helped.", entities, 15)
    long = Document("long", "Long.\n" + "word " * 30_000, (), 5)
    path = tmp_path / f"notes{WRITERS[name].suffix}"
    path.write_text(written(name, document, long))
    assert list(read_documents(path)) == sound(path.read_bytes(), "notes.txt") == [document, long]
    if name != "bioc-json":
        with path.open("a") as file:
            file.write("<broken")
    assert next(iter(read_documents(path))) == document


ROUND_TRIPS = {
    "bioc": documents(XML_TEXT),
    "bioc-json": documents(TEXT),
    "conll": documents(TEXT, words=True),
    "jsonl": documents(TEXT),
}


@pytest.mark.parametrize("name", ROUND_TRIPS)
@given(data=st.data())
def test_a_round_trip_loses_nothing(name, data):
    several = data.draw(st.lists(ROUND_TRIPS[name], max_size=3, unique_by=lambda document: document.id))
    assert sound(written(name, *several), f"a{WRITERS[name].suffix}") == several


@given(documents(TEXT))
def test_a_round_trip_of_pubtator_loses_no_offset(document):
    assume(document.title_end is not None)
    (again,) = sound(written("pubtator", document), "a.pubtator")
    expected = [(entity.start, entity.start + len(entity.text.rstrip())) for entity in document.entities]
    expected = [(start, end) for start, end in expected if start < end]  # one of blanks alone is not written
    assert [(entity.start, entity.end) for entity in again.entities] == expected


def test_pubtator_is_title_one_character_abstract_and_a_composite_mention_is_one_entity():
    first, second = sound(GOOD, "corpus.txt")
    assert (first.id, first.text, first.title_end) == ("1", "Aspirin and pain.\nAspirin helped.", 17)
    assert (second.id, second.text) == ("case-7", "Title only\n")
    assert first.entities == (Entity(0, 7, "Chemical", "Aspirin"), Entity(12, 16, "Disease", "pain"))
    assert sound(written("pubtator", first), "a.pubtator") == [first]
    text = GOOD.replace("\n\n", "\n").replace("\n", "\r\n")
    assert sound("\ufeff" + text, "a.pubtator") == sound(GOOD, "a.pubtator")


@pytest.mark.parametrize(
    "relation", ["1\tCID\tD1\tD2", "1\tAssociation\t1234\tD2\tNovel", "1\tCID\tD1\tD2\t0.93", "1\tBind\tc|t|x\tp|a|y"]
)
def test_relations_are_skipped_and_a_bar_t_bar_in_a_text_begins_no_document(relation):
    text = GOOD.replace("1\tCID\tD1\tD2", relation).replace("Aspirin helped.", "Aspirin |t| helped.")
    first, second = sound(text, "a.pubtator")
    assert (first.text[18:], len(first.entities), second.id) == ("Aspirin |t| helped.", 2, "case-7")


def test_an_id_that_pubtator_cannot_hold_does_not_shift_the_text():
    document = Document("x|t|y", "Aspirin\nhelps.", (Entity(0, 7, "Chemical", "Aspirin"),), 7)
    (again,) = sound(written("pubtator", document), "a.pubtator")
    assert (again.text, again.entities) == (document.text, document.entities)


def test_a_message_is_one_bounded_line_that_can_be_sent_to_another_process():
    identifier = "\x1b[2J\n\u202e\ud800" + "x" * 100_000
    _, (error,) = read(json.dumps({"id": identifier, "text": "a", "entities": 3}), "a.jsonl")
    message = str(error)
    assert message.isprintable()
    assert len(message) <= 1000
    assert "\\x1b[2J\\n\\u202e\\ud800xx" in message
    assert message.endswith(""""entities" must be a list, not '3'.""")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.line, again.problem) == (message, 1, error.problem)


def test_ids_differ_over_all_files_that_are_read_together_and_a_blank_one_or_none_is_replaced():
    ids = Ids()
    first = sound('{"id": "x", "text": ""}\n{"text": ""}\n{"id": null, "text": ""}', "a.jsonl", ids=ids)
    more, (error,) = read('{"id": "2", "text": ""}\n{"id": " \\t", "text": ""}\n{"id": "x", "text": ""}', "b", ids=ids)
    same = sound('\n{"text": ""}', "folder/a.jsonl", ids=ids) + sound("Nausea.", "caf\udce9.txt", ids=ids)
    assert [document.id for document in first + more + same] == ["x", "a-2", "a-3", "2", "b-2", "a-2-2", "caf_"]
    assert str(error).startswith("b:3: document x: The id is used already in a.jsonl")


@pytest.mark.parametrize(("record", "reason"), [
    ({"id": "7", "version": 1}, "The id is used already above"),  # the first version is written as if it had none
    ({"id": "7.2"}, "The id is used already above"),  # in PubTator, the second version
    ({"id": "8\ud800"}, "The id holds half"),
])  # fmt: skip
def test_an_id_that_could_not_be_told_from_another_once_written_is_refused(record, reason):
    records = ({"id": "7"}, {"id": "7", "version": 2}, record)
    _, (error,) = read("\n".join(json.dumps(each | {"text": ""}) for each in records), "a.jsonl")
    assert error.problem.startswith(reason)


ODD_IDS = [
    "\ufeffa",  # a byte-order mark, where a file begins
    "a b",
    "a\tb",
    "a%09b",
    "a|b",
    "a|t",
    "a|t|b",
    "a|t|a|",
    "a\nb",
    "a",
    " a",
    "a ",
    "a\x00",
    "a\x01",
    "100%",
    "10.1%2F5",  # which any format can hold
]


@pytest.mark.parametrize("name", WRITERS)
def test_ids_are_read_as_they_were_written_whatever_they_hold_and_versions_stay_distinct(name):
    for identifiers in (ODD_IDS, ODD_IDS[::-1]):
        documents = [Document(identifier, "Nausea.\nPain.", SOUND.entities, 7) for identifier in identifiers]
        documents += [Document("7", "Nausea.\nPain.", SOUND.entities, 7, version) for version in (1, 2)]
        again = sound(written(name, *documents), f"a{WRITERS[name].suffix}")
        assert [document.entities for document in again] == [SOUND.entities] * len(documents)
        assert [document.id for document in again][: len(identifiers)] == identifiers
        assert len({(document.id, document.version) for document in again}) == len(documents)
        assert "10.1%2F5" in written(name, *documents)


@pytest.mark.parametrize("identifier", ODD_IDS)
def test_in_pubtator_an_id_with_a_version_is_read_as_one_id(identifier):
    (again,) = sound(written("pubtator", Document(identifier, "Nausea.\n", version=2)), "a.pubtator")
    assert again.id == f"{identifier}.2"


WRONG = Document(
    "1", "Nausea.\nPain.", tuple(Entity(i, i + 2, "Disease", m) for i, m in enumerate(("Xa", "au", "Xs"))), 7
)
AS_PUBTATOR = "1|t|Nausea.\n1|a|Pain.\n1\t0\t2\tXa\tDisease\n1\t1\t3\tau\tDisease\n1\t2\t4\tXs\tDisease\n"


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        ("a.pubtator", AS_PUBTATOR, [3, 5]),
        ("a.jsonl", written("jsonl", WRONG), [1, 1]),
        ("a.xml", written("bioc", WRONG), [7, 7]),
    ],
)
def test_an_error_knows_the_other_wrong_mentions_of_its_document(name, content, lines):
    documents, (error,) = read(content, name)
    found = [error, *pickle.loads(pickle.dumps(error)).others]
    assert documents == []
    assert [each.line for each in found] == lines
    assert [mention in each.problem for mention, each in zip(("'Xa'", "'Xs'"), found, strict=True)] == [True, True]


def test_standard_input_is_read_and_named(monkeypatch):
    content = '{"id": "1", "text": 5}\n' + written("jsonl", SOUND)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    errors: list[FormatError] = []
    assert list(read_documents("-", errors.append)) == [SOUND]
    assert str(errors[0]).startswith("stdin:1: The line")


@pytest.mark.parametrize("path", ["none.txt", "a\x00b", "/dev/null/x", ".", "x" * 5000])
def test_rejects_a_path_without_a_file(path):
    with pytest.raises(InputError, match="Cannot read"):
        list(read_documents(path))


@pytest.mark.parametrize(
    "content", [gzip.compress(b'{"text": "Nausea."}\n' * 1000, mtime=0)[:-20], b"no gzip"], ids=["cut", "not gzipped"]
)
def test_rejects_a_damaged_gzipped_file(content):
    with pytest.raises(InputError, match=r"a\.jsonl\.gz.*. Fetch it again"):
        read(content, "a.jsonl.gz")


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.txt", "Nausea, pain.\r\n\n  \n…\nDelirium.\nDelirium.\n", ["Nausea, pain.", "…", "Delirium."]),
        ("a.txt", "1|t|Title.\n1|a|One. Two.\n", ["Title.\nOne. Two."]),
        ("a.gz", gzip.compress(b'{"id": "1", "text": "Nausea."}\n', mtime=0), ["Nausea."]),
    ],
)
def test_texts_without_gold_can_be_lines_documents_stay_whole_and_each_counts_once(name, content, texts, tmp_path):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read_texts([path, path], lines=True) == texts


def test_a_file_of_plain_text_is_one_text_which_is_said_once(tmp_path, caplog):
    (tmp_path / "a.txt").write_text("Nausea,\npain.\n")
    assert read_texts([tmp_path / "a.txt"]) == ["Nausea,\npain.\n"]
    assert "one text of 2 lines; with --lines" in caplog.text


def test_rejects_files_without_a_word(tmp_path):
    (tmp_path / "texts").write_text(" \n\t\n")
    with pytest.raises(InputError, match="texts has a word"):
        read_texts([tmp_path / "texts"])
