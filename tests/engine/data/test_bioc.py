"""BioC as XML and as JSON."""

import json
import time
import tracemalloc
from itertools import chain, repeat

import pytest

from engine.data.formats.bioc_json import BIOC_JSON
from engine.data.reading.checks import MAX_GROWTH
from engine.data.reading.source import Source
from engine.text.documents import Document, Entity
from tests.engine.data.reading import SOUND, read, sound, written

BIOC = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE collection SYSTEM "BioC.dtd">
<collection><source>ours</source><infon key="type">made up</infon>
<document><id>1</id>
<passage><infon key="type">title</infon><offset>0</offset><text>Aspirin &amp; pain.</text>
<annotation id="0"><infon key="type">Chemical</infon><infon key="MESH">D1</infon>
<location offset="0" length="7"/><text>Aspirin</text></annotation>
</passage>
<passage><infon key="type">abstract</infon><offset>16</offset>
<sentence><offset>16</offset><text>It helped breast and colon cancer.</text>
<annotation id="1"><infon key="type">Disease</infon><infon key="CompositeRole">CompositeMention</infon>
<location offset="26" length="23"/><text>breast and colon cancer</text></annotation>
<annotation id="2"><infon key="type">Disease</infon><infon key="CompositeRole">IndividualMention</infon>
<location offset="26" length="6"/><location offset="43" length="6"/><text>breast cancer</text></annotation>
</sentence></passage>
<relation id="R0"><infon key="type">CID</infon><node refid="0" role=""/></relation>
</document>
<document><id>2</id><passage><offset>0</offset><text>Second.</text></passage></document>
</collection>
"""
PASSAGE = "<passage><offset>{}</offset><text>{}</text></passage>"


def collection(document, encoding="UTF-8", doctype=""):
    """A file with this document on line 3 and a sound one after it."""
    after = written("bioc", SOUND).split("</key>\n")[1]
    return f'<?xml version="1.0" encoding="{encoding}"?>{doctype}\n<collection>\n{document}\n{after}'


def passages(*inside, **options):
    return collection(f"<document><id>1</id>{''.join(inside)}</document>", **options)


def annotated(location='offset="0" length="7"', score="1"):
    return passages(
        "<passage><offset>0</offset><text>Aspirin</text><annotation>"
        f'<infon key="type">Chemical</infon><infon key="score">{score}</infon><location {location}/>'
        "<text>Aspirin</text></annotation></passage>"
    )


def test_passages_and_sentences_stand_at_their_offsets_and_a_composite_mention_is_one():
    first, second = sound(BIOC, "a.xml")
    entities = (Entity(0, 7, "Chemical", "Aspirin", concept="D1"), Entity(26, 49, "Disease", "breast and colon cancer"))
    assert first == Document("1", "Aspirin & pain.\nIt helped breast and colon cancer.", entities, title_end=15)
    assert second == Document("2", "Second.")


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ('offset="0" length="7"', 'offset="1" length="7"', 6, "expected 'Aspirin' at 1–8, got 'spirin ' in the text"),
        ('offset="0" length="7"', 'offset="0" length="99"', 6, "expected a span inside the text of 50 characters"),
        ('offset="0" length="7"', 'offset="-1" length="7"', 6, "expected a whole number as offset or length"),
        ('<location offset="0" length="7"/>', "", 6, "expected an annotation with a location and a type"),
        (">Chemical<", "><", 6, "expected an annotation with a location and a type"),
        ("<offset>16</offset><text>", "<offset>3</offset><text>", 10, "expected an offset of 15 characters or a"),
        ("<offset>16</offset><text>", "<offset>99999999</offset><text>", 10, "expected text and mentions of at most"),
        ("<id>1</id>", "", 4, "expected a document with an <id>"),
    ],
)
def test_a_broken_document_is_named_and_the_others_are_read(old, new, line, problem):
    documents, (error,) = read(BIOC.replace(old, new), "corpus.xml")
    assert ([document.id for document in documents], error.line) == (["2"], line)
    assert error.problem.startswith(problem)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (passages("<passage>" * 3000, "</passage>" * 3000), "expected no <passage> inside <passage>"),
        (passages("<x>" * 30_000, "</x>" * 30_000), "expected a readable document, got RecursionError"),
        (passages("<document></document>"), "expected no <document> inside <document>"),
        (passages(PASSAGE.format(0, "some <b>bold</b> text")), "expected characters alone in <text>, got <b>"),
        (passages(PASSAGE.format(0, "a</text><text>b")), "expected one <text> in <passage>, got two"),
        (annotated(f'offset="{"9" * 5000}" length="7"'), "expected a whole number"),
        (annotated('offset="0.0" length="7"'), "expected a whole number"),
        (annotated(score="NaN"), "expected a finite number as score, got 'NaN'"),
        (
            passages(PASSAGE.format(0, "A&alpha;"), doctype='<!DOCTYPE c SYSTEM "BioC.dtd">'),
            "expected characters, got the entity 'alpha'",
        ),
    ],
)
def test_malice_costs_its_document_alone(content, problem):
    documents, (error,) = read(content, "a.xml")
    assert (documents, error.line, error.document) == ([SOUND], 3, "1")
    assert error.problem.startswith(problem)


@pytest.mark.parametrize(
    ("content", "kept", "line", "problem"),
    [
        (BIOC.replace("Second.</text>", "Second.<text>"), 1, 18, "expected well-formed XML, got mismatched tag"),
        ("", 0, 1, "expected well-formed XML, got no element found"),
        ("<article/>", 0, 1, "expected the root <collection>, got <article>"),
        ('<!DOCTYPE a [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><collection>&b;</collection>', 0, 1, "expected no entity"),
        *((collection("", encoding=name), 0, 1, "expected ") for name in ("foo", "utf-7", "shift_jis", "rot13", "é")),
    ],
)
def test_what_ends_a_file_is_said_after_the_documents_before_it(content, kept, line, problem):
    documents, (error,) = read(content, "corpus.xml")
    assert (len(documents), error.line, error.ends_file) == (kept, line, True)
    assert error.problem.startswith(problem)
    assert error.problem.endswith("; nothing after this place was read")


@pytest.mark.parametrize(
    "inside",
    [
        "".join(PASSAGE.format(number * 1_000_000, "") for number in range(80)),
        PASSAGE.format(999_999, "x"),
        PASSAGE.format(0, "x" * 90_000).replace(
            "</passage>",
            '<annotation><infon key="type">D</infon><location offset="0" length="90000"/></annotation>' * 1000
            + "</passage>",
        ),
    ],
)
def test_a_document_is_bounded_by_its_bytes(inside):
    content = passages(inside)
    tracemalloc.start()
    documents, (error,) = read(content, "a.xml")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (documents, error.document) == ([SOUND], "1")
    assert peak < 5_000_000 + 10 * MAX_GROWTH * len(content)


def test_a_gap_as_wide_as_a_paragraph_is_fine_and_many_passages_take_time_in_proportion():
    document, _ = sound(passages(PASSAGE.format(0, "Title."), PASSAGE.format(500, "Abstract.")), "a.xml")
    assert document.text == "Title.\n" + " " * 493 + "Abstract."
    begin = time.process_time()
    document, _ = sound(passages(*(PASSAGE.format(n * 6, "words") for n in range(40_000))), "a.xml")
    assert len(document.text) == 240_000 - 1
    assert time.process_time() - begin < 15


def test_versions_of_a_record_are_different_documents_and_a_version_of_another_kind_is_none():
    several = [Document("7", "a", version=version) for version in (1, 2)]
    text = written("bioc", *several)
    assert '<id>7</id>\n<infon key="version">2</infon>\n<passage>' in text
    assert sound(text, "a.xml") == several
    for version in ("1.0", "draft", 2**31):
        assert sound(written("bioc", several[0]).replace(">1<", f">{version}<"), "a.xml") == [Document("7", "a")]


def test_what_xml_cannot_hold_is_replaced_one_for_one():
    document = Document("d", "a\x00b\ud800c", (Entity(4, 5, "Disease", "c"),))
    (again,) = sound(written("bioc", document), "a.xml")
    assert (again.text, again.entities) == ("a\ufffdb\ufffdc", document.entities)


JSON_PASSAGE = {"offset": 0, "text": "Aspirin helped.", "infons": {"type": "title"}, "annotations": []}
ANNOTATION = {
    "id": "0",
    "infons": {"type": "Chemical", "identifier": "MESH:D001241", "valid": True, "note": None},
    "text": "Aspirin",
    "locations": [{"offset": 0, "length": 7}],
}


def json_collection(*records, key="documents"):
    return json.dumps({"source": "", "numbers": [1, -2.5e3], key: records, "more": "]}"})


def record(identifier="1", **passage):
    return {"id": identifier, "passages": [JSON_PASSAGE | passage]}


def test_json_is_written_as_one_object():
    (document,) = json.loads(written("bioc-json", Document("1", "a b", (Entity(0, 1, "X", "a", 0.5),), 1, version=2)))[
        "documents"
    ]
    assert document["infons"] == {"version": "2"}
    assert [passage["offset"] for passage in document["passages"]] == [0, 1]
    assert document["passages"][0]["annotations"][0]["locations"] == [{"offset": 0, "length": 1}]


@pytest.mark.parametrize(
    "text",
    [
        json_collection(record(annotations=[ANNOTATION])),
        json_collection(record(annotations=[ANNOTATION]), key="PubTator3"),
        f"[{json_collection(record(annotations=[ANNOTATION]))}, {json_collection(record('2'))}]",
        # as the package ``bioc`` writes passages of sentences
        json_collection(record(text="", sentences=[JSON_PASSAGE | {"annotations": [ANNOTATION]}])),
    ],
)
def test_json_collections_as_they_are_published_are_read(text):
    document = sound(text, "notes.txt")[0]
    assert (document.id, document.text, document.title_end) == ("1", "Aspirin helped.", 15)
    assert document.entities == (Entity(0, 7, "Chemical", "Aspirin", concept="MESH:D001241"),)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"passages": []}, "expected a document with an <id>"),
        ([], "expected an object as document, got list"),
        ({"id": "1", "passages": {}}, "document 1: expected a list as passages, got dict"),
        ({"id": 7, "passages": [[]]}, "document 7: expected an object as passage, got list"),
        (record(annotations={}), "document 1: expected a list as annotations, got dict"),
        (record(offset="x"), "expected a whole number as offset"),
        (record(offset=10**9), "expected text and mentions of at most"),
        (record(annotations=[ANNOTATION | {"locations": [{"offset": 3}]}]), "expected a whole number as offset or"),
        (record(annotations=[ANNOTATION | {"text": "Ibuprofen"}]), "expected 'Ibuprofen' at 0–7"),
        (record("2"), "expected a unique id"),
    ],
)
def test_a_broken_json_document_is_reported_and_the_others_are_read(broken, message):
    documents, (error,) = read(json_collection(record("2"), broken, record("3")), "f.json")
    assert [document.id for document in documents] == ["2", "3"]
    assert (error.line, error.ends_file) == (1, False)
    assert message in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json_collection(record())[:-25], "f.json:1: expected "),
        ('{"documents": [\n{"id": "1" "passages": []}]}', "f.json:2: expected JSON, got Expecting ','"),
        ('{"documents": [\n{"id": "1",\n"infons": {}\n"passages": []}]}', "f.json:4: expected JSON"),
        ('{"documents": [' + "[" * 100_000, "expected JSON"),
        ('{"documents": []} more', "expected the end of the file, got 'm'"),
        ("{}", "expected BioC, an object with a list documents or PubTator3"),
        ("", "f.json:1: expected "),
        (b'{"documents": [\n"\xe9"]}', "f.json:2: expected UTF-8, got byte 0xe9"),
    ],
)
def test_what_ends_a_json_file_is_said(text, message):
    _, errors = read(text, "f.json")
    assert message in str(errors[-1])
    assert str(errors[-1]).endswith("; nothing after this place was read")
    assert errors[-1].ends_file


def test_a_json_document_without_end_is_refused_before_it_fills_the_memory():
    class Endless(Source):
        def chunks(self):
            return chain([b'{"documents": [{"id": "'], repeat(b"a" * 2**20))

    import io

    with pytest.raises(ValueError, match="expected a document of at most 50,000,000 characters"):
        list(BIOC_JSON.read(Endless(io.BytesIO(), "f.json")))
