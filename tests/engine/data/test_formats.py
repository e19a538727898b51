import os
import threading
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.data.formats import read_documents, read_jsonl, read_pubtator, write_jsonl, write_pubtator
from engine.errors import FormatError, InputError
from engine.text.documents import Document, Entity

GOOD = """1|t|Aspirin and pain.
1|a|Aspirin helped.
1\t0\t7\tAspirin\tChemical\tD1
1\t12\t16\tpain\tDisease\tD2|D3\tone|two
1\tCID\tD1\tD2

case-7|t|Title only
case-7|a|
case-7\t0\t5\tTitle\tDisease\t-1
"""


def pubtator(text: str) -> list[Document]:
    return list(read_pubtator(text.encode().splitlines(keepends=True), "corpus.txt"))


def test_pubtator_text_is_title_one_character_abstract():
    first, second = pubtator(GOOD)
    assert (first.id, first.text, first.title_end) == ("1", "Aspirin and pain.\nAspirin helped.", 17)
    assert (second.id, second.text) == ("case-7", "Title only\n")


def test_composite_mentions_are_one_entity_and_relations_are_passed_over():
    first, _ = pubtator(GOOD)
    assert first.entities == (
        Entity(0, 7, "Chemical", "Aspirin", concept="D1"),
        Entity(12, 16, "Disease", "pain", concept="D2|D3", parts="one|two"),
    )


def test_windows_line_ends_byte_order_mark_and_missing_blank_lines_are_fine():
    text = GOOD.replace("\n\n", "\n").replace("\n", "\r\n")
    assert list(read_pubtator(("\ufeff" + text).encode().splitlines(keepends=True))) == pubtator(GOOD)


_BROKEN = {
    "span outside the text": ("1\t12\t16\tpain", "1\t12\t160\tpain", 4, "expected a span inside the text of 33"),
    "text that differs from the mention": (
        "1\t12\t16\tpain",
        "1\t11\t15\tpain",
        4,
        "expected 'pain' at 11–15, got ' pai'",
    ),
    "no abstract line": ("1|a|Aspirin helped.\n", "", 2, "expected an abstract line"),
    "duplicate id": ("case-7", "1", 7, "expected a unique id"),
    "too few fields": ("1\t0\t7\tAspirin\tChemical\tD1", "1\t0\t7\tAspirin", 3, "expected 5 to 7 tab-separated fields"),
    "annotation of another document": ("1\t0\t7", "2\t0\t7", 3, "expected an annotation of this document"),
    "negative offset": ("1\t0\t7", "1\t-1\t7", 3, "expected start and end as numbers"),
    "no title line": ("1|t|Aspirin and pain.\n", "", 1, "expected a title line"),
    "start that is no number": ("1\t0\t7", "1\tO\t7", 3, "expected start and end as numbers"),
}


@pytest.mark.parametrize("case", _BROKEN)
def test_a_broken_document_is_named_with_file_line_and_remedy_and_the_others_are_read(case, tmp_path):
    old, new, line, problem = _BROKEN[case]
    text = GOOD.replace(old, new)
    path = tmp_path / "corpus.txt"
    path.write_text(text)
    errors: list[FormatError] = []
    documents = list(read_documents(path, errors.append))
    assert len(errors) == 1
    assert str(errors[0]).startswith(f"{path}:{line}: document 1: {problem}")
    assert len(documents) == 1
    with pytest.raises(FormatError):
        list(read_documents(path))


def test_wrong_encoding_names_the_byte():
    raw = GOOD.replace("helped", "hélped").encode("latin-1")
    with pytest.raises(FormatError, match=r"corpus.txt:2: document 1: expected UTF-8, got byte 0xe9"):
        list(read_pubtator(raw.splitlines(keepends=True), "corpus.txt"))


def test_the_format_is_recognised_from_the_content(tmp_path):
    for content, expected in (
        (GOOD, ["1", "case-7"]),
        ('{"text": "Aspirin."}\n\n{"id": "b", "text": ""}\n', ["1", "b"]),
        ("Aspirin {helped}.", ["notes"]),
        ("{} Aspirin helped.\n", ["notes"]),
        ("PAR1 is a receptor of thrombin.", ["notes"]),
        ("-DOCSTART- is no word.\n", ["notes"]),
        ("Critical |t| values and\nmore |a| values.", ["notes"]),
        (GOOD.replace("case-7", "my notes"), ["1", "my notes"]),
        ("my notes|t|Nausea\nmy notes|a|\n" + "my notes\tCID\tD1\tD2\n" * 18, ["my notes"]),
        ("Aspirin\tNN\tB-NP\tB-Chemical\nhelped\tVBD\tB-VP\tO\n", ["1"]),
        ("Drug\tDose\tUnit\tRoute\nAspirin\tlow\tmg\toral\n", ["notes"]),
        ("", ["notes"]),
    ):
        (tmp_path / "notes.xyz").write_text(content)
        assert [document.id for document in read_documents(tmp_path / "notes.xyz")] == expected


def test_a_bar_t_bar_inside_a_text_begins_no_document():
    first, _ = pubtator(GOOD.replace("Aspirin helped.", "Aspirin |t| helped."))
    assert first.text.endswith("Aspirin |t| helped.")


@pytest.mark.parametrize("identifier", ["x|t", "x|a", "x|t|y"])
def test_an_id_that_looks_like_a_passage_is_read_again(identifier, tmp_path):
    path = tmp_path / "odd.pubtator"
    path.write_text(write_pubtator(Document(identifier, "Aspirin\nhelps.", (Entity(0, 7, "Chemical", "Aspirin"),))))
    (document,) = read_documents(path)
    assert document.text == "Aspirin\nhelps."
    assert [entity.key for entity in document.entities] == [(0, 7, "Chemical")]


def test_a_pipe_is_read_from_its_beginning(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    again = GOOD.replace("case-7", "case-8").replace("\n1", "\n2").replace("1|t|", "2|t|")
    writer = threading.Thread(target=pipe.write_text, args=(GOOD + "\n" + again,))
    writer.start()
    assert [document.id for document in read_documents(pipe)] == ["1", "case-7", "2", "case-8"]
    writer.join()


def test_an_entity_without_a_type_is_named(tmp_path):
    path = tmp_path / "a.pubtator"
    path.write_text("1|t|Nausea.\n1|a|\n1\t0\t6\tNausea\t\tD1\n")
    with pytest.raises(FormatError, match=r"a.pubtator:3: document 1: expected a type after the mention, got none"):
        list(read_documents(path))


def test_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(InputError, match="expected a readable file"):
        list(read_documents(tmp_path / "none.txt"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("[1]", "expected an object with a"),
        ('{"text": "a"', "expected one JSON object on the line"),
        ('{"text": 5}', "expected an object with a \"text\" string, got '5'; fix it"),
        ('{"title": "a"}', 'expected an object with a "text" string, got none; add it'),
        ('{"text": "a", "entities": [{"start": 0}]}', 'expected whole numbers "start" and "end" and a "type"'),
        (
            '{"text": "a", "entities": [{"start": "x", "end": 1, "type": "D"}]}',
            'expected whole numbers "start" and "end"',
        ),
        ('{"text": "a", "entities": [{"start": 0, "end": Infinity, "type": "D"}]}', 'expected whole numbers "start"'),
        ('{"text": "abc", "title_end": 1}', "expected a blank after the title"),
        (
            '{"text": "a", "entities": [{"start": 0, "end": 9, "type": "Disease"}]}',
            "expected a span inside 1 characters",
        ),
    ],
)
def test_a_broken_json_line_is_named(line, problem):
    with pytest.raises(FormatError, match=problem):
        list(read_jsonl([line.encode()]))


@st.composite
def documents(draw):
    text = draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
    start = draw(st.integers(0, len(text) - 1))
    end = draw(st.integers(start + 1, len(text)))
    return Document("d1", text, (Entity(start, end, "Disease", text[start:end]),))


@given(documents())
def test_json_lines_round_trip_loses_nothing(document):
    assert list(read_jsonl([write_jsonl(document).encode()])) == [document]


@given(documents())
def test_pubtator_round_trip_keeps_offsets(document):
    gold = document.entities[0]
    flat = "".join(" " if c in "\t\r\n" else c for c in gold.text).rstrip()
    assume(flat)
    (again,) = read_pubtator([line + b"\n" for line in write_pubtator(document).encode().split(b"\n")])
    (found,) = again.entities
    assert (found.start, found.end) == (gold.start, gold.start + len(flat))


def test_writing_what_was_read_gives_the_same_document():
    first, _ = pubtator(GOOD)
    assert pubtator(write_pubtator(first)) == [first]
    assert pubtator(write_pubtator(replace(first, entities=()))) == [replace(first, entities=())]


@pytest.mark.parametrize("identifier", ["", " \t"])
def test_a_blank_id_is_none(identifier, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(write_jsonl(Document(identifier, "a")) + write_jsonl(Document("b", "b")))
    assert [document.id for document in read_documents(path)] == ["1", "b"]


def test_an_id_that_was_given_to_a_document_without_one_says_so(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a"}\n{"id": "1", "text": "b"}\n{"id": "1", "text": "c"}\n')
    with pytest.raises(FormatError, match=r"got the number of a document without an id above; give that one an id"):
        list(read_documents(path))
