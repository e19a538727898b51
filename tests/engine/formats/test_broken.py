"""A broken document costs itself alone; what ends a file is said after the documents before it.

``tests/fuzz`` damages files at random; these are the cases with a name.
"""

import json

import pytest

from engine.errors import FormatError
from engine.formats import Format, read_documents, reading
from engine.text.documents import Document
from tests.engine.bulk.made_up import FOOT, HEAD
from tests.engine.formats.reading import SOUND, read
from tests.fuzz.files import KINDS

LONG = "9" * 5000
NESTED = "[" * 100_000
ASPIRIN = {"id": "1", "text": "Aspirin"}
SPAN = {"start": 0, "end": 7, "type": "Chemical"}


def before_sound(format_, broken):
    """A file of a broken document and a sound one after it."""
    head, document, foot = (part.encode() for part in KINDS[format_].write([SOUND]))
    broken = broken if isinstance(broken, bytes) else broken.encode()
    return head + broken + (b",\n" if format_ == "bioc-json" else b"\n") + document + foot


def pubtator(*annotation):
    return "1|t|Aspirin\n1|a|helped.\n" + "\t".join(annotation) + "\n"


def jsonl(**record):
    return json.dumps(ASPIRIN | record)


def spans(**changed):
    return jsonl(entities=[SPAN | changed])


def conll(header="O", last="helped\tO"):
    return f"-DOCSTART-\t{header}\n\nAspirin\tB-Chemical\n{last}\n"


def bioc(*passages, id_="<id>1</id>"):
    return f"<document>{id_}{''.join(passages)}</document>"


def passage(offset, text="", rest=""):
    return f"<passage><offset>{offset}</offset><text>{text}</text>{rest}</passage>"


def annotation(location='offset="0" length="7"', infons='<infon key="type">Chemical</infon>', text="Aspirin"):
    inside = f"<annotation>{infons}<location {location}/><text>{text}</text></annotation>"
    return bioc(passage(0, "Aspirin", inside))


def bioc_json(**changed):
    return json.dumps({"id": "1", "passages": [{"offset": 0, "text": "Aspirin"} | changed]})


def pubmed(title="A title.", pmid="<PMID>1</PMID>"):
    inside = f"{pmid}<Article><ArticleTitle>{title}</ArticleTitle></Article>"
    return f"<PubmedArticle><MedlineCitation>{inside}</MedlineCitation></PubmedArticle>"


BROKEN = [  # the broken document, the line of its mistake in the file, and a keyword of the error
    ("pubtator", pubtator("1", "1", "8", "Aspirin", "Drug"), 3, "1–8 is 'spirin"),
    ("pubtator", pubtator("1", "7", "8", " ", "Drug"), 3, "is blank"),
    ("pubtator", pubtator("1", "0", "7", "Aspirin"), 3, "tab-separated fields"),
    ("pubtator", pubtator("1", "0", "7", "Aspirin", "", "D1"), 3, "and a type"),
    ("pubtator", pubtator("2", "0", "7", "Aspirin", "Drug"), 3, "belongs to '2'"),
    ("pubtator", pubtator("1", "-1", "7", "Aspirin", "Drug"), 3, "whole numbers as start and end"),
    ("pubtator", b"1|t|Aspirin\n1|a|h\xe9lped\n", 2, "0xe9 is not UTF-8"),
    ("pubtator", "1|a|no title\n", 1, "a title line"),
    ("pubtator", "1|t|no abstract\n", 1, "an abstract line"),
    ("jsonl", "[1]", 1, "an object"),
    ("jsonl", '{"text": "a"', 1, "one JSON object"),
    ("jsonl", '{"text": ' + NESTED, 1, "one JSON object"),
    ("jsonl", jsonl(text=None), 1, 'a "text" string'),
    ("jsonl", jsonl(text="Aspirin \ud800"), 1, "half a surrogate pair at 8"),
    ("jsonl", jsonl(id=["1"]), 1, '"id" must be a string'),
    ("jsonl", jsonl(title_end=6.5), 1, "title_end"),
    ("jsonl", jsonl(version=2**31), 1, "version"),
    ("jsonl", jsonl(entities=3), 1, '"entities" must be a list'),
    *(
        ("jsonl", spans(**changed), 1, "whole numbers as start and end, and a type")
        for changed in ({"start": 0.7}, {"start": False}, {"end": LONG}, {"type": None})
    ),
    ("jsonl", spans(end=9), 1, "no span inside the text"),
    ("jsonl", spans(score=float("nan")), 1, "score"),
    ("jsonl", spans(text="Aspirim"), 1, "0–7 is 'Aspirin', not 'Aspirim'"),
    ("conll", conll(last="helped"), 4, "a token and a tag"),
    ("conll", conll(last="helped\tS-Disease"), 4, "'S-Disease'"),
    ("conll", conll('{"id": "1", "text": []}'), 1, "JSON with id"),
    ("conll", conll('{"id": "1", "text": ' + NESTED), 1, "JSON with id"),
    ("conll", conll('{"id": "1", "text": "A"}'), 1, "the token 'Aspirin'"),
    ("conll", conll('{"id": "1", "text": "Aspirin helped. More"}'), 1, "the rest of the text"),
    ("conll", conll('{"id": "1", "text": "Aspirin helped", "title_end": 99}'), 1, "title_end"),
    ("bioc", annotation('offset="1" length="7"'), 7, "no span inside the text"),
    ("bioc", annotation(text="Ibuprofen"), 7, "not 'Ibuprofen'"),
    ("bioc", annotation('offset="-1" length="7"'), 7, "a whole number"),
    ("bioc", annotation(infons=""), 7, "no location or no type"),
    ("bioc", bioc(passage(0, "Aspirin"), "\n", passage(3, "helped")), 7, "passage 2 must be between 7 and"),
    ("bioc", bioc(passage(0, "Aspirin"), passage(10**9, "helped")), 7, "passage 2 must be between 7 and"),
    ("bioc", bioc(id_=""), 7, "no id"),
    ("bioc-json", "[]", 1, "an object"),
    ("bioc-json", '{"passages": []}', 1, "no id"),
    ("bioc-json", bioc_json(text="Aspirin\ud800"), 1, "half a surrogate pair at 7"),
    ("bioc-json", '{"id": "1", "passages": {}}', 1, "passages must be a list"),
    ("bioc-json", bioc_json(annotations=[{"infons": {"type": "X"}, "locations": [{"offset": 3}]}]), 1, "length"),
    ("pubmed", pubmed(pmid=""), 4, "<PMID>"),
    ("pubmed", pubmed(pmid="<PMID>x7</PMID>"), 4, "'x7'"),
    ("pubmed", "<Thing/>", 4, "<Thing>"),
    ("text lines", b"h\xe9", 1, "0xe9 is not UTF-8"),
]


@pytest.mark.parametrize(("format_", "broken", "line", "keyword"), BROKEN)
def test_a_broken_document_is_reported_with_its_place_and_the_next_is_read(format_, broken, line, keyword):
    name = f"a{KINDS[format_].suffix}"
    documents, errors = read(before_sound(format_, broken), name, lines_are_texts=True)
    assert (errors[0].file, errors[0].line, errors[0].ends_file) == (name, line, False)
    assert keyword in errors[0].problem
    assert [document.text.split()[0] for document in documents] == ["Nausea."]


ONE = '{"documents": [{"id": "1", "passages": []},\n'
ENTITY = '<!DOCTYPE PubmedArticleSet [<!ENTITY a SYSTEM "file:///etc/passwd">]><PubmedArticleSet>&a;</PubmedArticleSet>'


@pytest.mark.parametrize(
    ("suffix", "content", "kept", "line", "keyword"),
    [
        ("xml", HEAD + pubmed() + "\n<PubmedArticle><MedlineCitation>", 1, 5, "well-formed XML"),
        ("xml", HEAD + pubmed() + "<a></b>" + FOOT, 1, 4, "well-formed XML"),
        ("xml", HEAD + pubmed() + pubmed("A &beta; blocker") + FOOT, 1, 4, "undefined entity &beta;"),
        ("xml", ENTITY, 0, 1, "undefined entity &a;"),
        ("xml", "", 0, 1, "well-formed XML: no element found"),
        ("xml", "<article/>", 0, 1, "<article>, not <collection>"),
        ("xml", '<?xml version="1.0" encoding="foo"?><collection/>', 0, 1, "encoding"),
        ("json", ONE + '{"id": "1",\n"infons": {}\n"passages": []}]}', 0, 4, "JSON: Expecting ','"),
        ("json", ONE + NESTED, 0, 1, "JSON"),
        ("json", '{"documents": []} more', 0, 1, "JSON: Extra data"),
        ("json", ONE.replace(",\n", ",") + "]", 0, 1, "JSON: "),
        ("json", ONE.replace(",\n", "\n") + '{"id": "2", "passages": []}]}', 0, 2, "JSON: Expecting ','"),
        ("json", "{}", 0, 1, "BioC"),
        ("json", ONE.encode() + b'"\xe9"]}', 0, 2, "0xe9 is not UTF-8"),
    ],
)
def test_what_ends_a_file_is_said_after_the_documents_before_it(suffix, content, kept, line, keyword):
    documents, (error,) = read(content, f"a.{suffix}")
    assert (len(documents), error.line, error.ends_file) == (kept, line, True)
    assert keyword in error.problem
    assert error.problem.endswith("; nothing after this place was read.")


def test_whatever_a_format_raises_is_an_error_with_file_and_line(monkeypatch):
    def records(source):
        for number, _ in enumerate(source.lines()):
            if number == 2:
                raise ZeroDivisionError("division by zero")
            yield number, str(number)

    odd = Format("odd", (".odd",), lambda head: True, records, lambda number, place: Document(number, "a"))
    monkeypatch.setattr(reading, "FORMATS", (odd,))
    documents, (error,) = read("a\n" * 5, "a.odd")
    assert (len(documents), error.line, error.ends_file) == (2, 3, True)
    assert "ZeroDivisionError: division by zero" in error.problem


def test_without_a_handler_the_first_error_is_raised_and_what_a_handler_raises_stays_as_it_is(tmp_path):
    (tmp_path / "a.jsonl").write_text("{\n")
    with pytest.raises(FormatError, match=r"a\.jsonl:1: "):
        list(read_documents(tmp_path / "a.jsonl"))

    def stop(error):
        raise BrokenPipeError("the caller's own")

    with pytest.raises(BrokenPipeError, match="the caller's own"):
        list(read_documents(tmp_path / "a.jsonl", stop))
