"""BioC as XML and as JSON."""

import json

import pytest

from engine.text.documents import Document, Entity
from tests.conftest import memory_below
from tests.engine.formats.reading import read, sound, written

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
<document><id>2</id><passage><offset>0</offset><text>Title.</text></passage>
<passage><offset>20</offset><text>Abstract.</text></passage></document>
</collection>
"""


def test_passages_and_sentences_stand_at_their_offsets_and_a_composite_mention_is_one():
    first, second = sound(BIOC, "a.xml")
    entities = (Entity(0, 7, "Chemical", "Aspirin"), Entity(26, 49, "Disease", "breast and colon cancer"))
    assert first == Document("1", "Aspirin & pain.\nIt helped breast and colon cancer.", entities, title_end=15)
    assert second == Document("2", "Title.\n" + " " * 13 + "Abstract."), "a gap is a line break and blanks"
    assert (first.breaks, second.breaks) == ((15,), (6,)), "a passage ends where its text does"


@pytest.mark.parametrize("offset", [200, 2_000_000_000])
def test_offsets_far_apart_are_refused_and_do_not_fill_the_memory_with_blanks(offset):
    passages = [{"offset": 0, "text": "Title."}, {"offset": offset, "text": "Abstract."}]
    as_json = json.dumps({"documents": [{"id": "2", "passages": passages}]})
    as_xml = BIOC.replace("<offset>20<", f"<offset>{offset}<")
    for content, name in ((as_json, "a.json"), (as_xml, "a.xml")):
        with memory_below(1_000_000):
            error = read(content, name)[1][0]
        assert (error.document, "passage 2" in error.problem, str(offset) in error.problem) == ("2", True, True)


def test_versions_of_a_record_are_different_documents_and_what_xml_cannot_hold_is_replaced_one_for_one():
    several = [Document("7", "a", version=version) for version in (1, 2)]
    text = written("bioc", *several)
    assert '<id>7</id><infon key="version">2</infon><passage>' in text
    assert sound(text, "a.xml") == several
    for version in ("1.0", "draft"):
        assert sound(written("bioc", several[0]).replace(">1<", f">{version}<"), "a.xml") == [Document("7", "a")]
    document = Document("d", "a\x00b\ud800c", (Entity(4, 5, "Disease", "c"),))
    (again,) = sound(written("bioc", document), "a.xml")
    assert (again.text, again.entities) == ("a\ufffdb\ufffdc", document.entities)


@pytest.mark.parametrize("format_", ["bioc", "bioc-json"])
def test_an_annotation_across_title_and_abstract_is_written_and_read_again(format_):
    document = Document("1", "Type 2. Diabetes.", (Entity(0, 16, "Disease", "Type 2. Diabetes"),), 7)
    assert sound(written(format_, document), f"a.{format_.removeprefix('bioc-').replace('bioc', 'xml')}") == [document]


@pytest.mark.parametrize("blank", ["\x1c", "\x0b", "\x0c"])
def test_a_title_ends_at_a_blank_that_xml_cannot_hold(blank):
    (again,) = sound(written("bioc", Document("1", f"Title.{blank}Abstract.", title_end=6)), "a.xml")
    assert (again.text, again.title_end) == ("Title. Abstract.", 6)


JSON_PASSAGE = {"offset": 0, "text": "Aspirin helped.", "infons": {"type": "title"}, "annotations": []}
ANNOTATION = {
    "id": "0",
    "infons": {"type": "Chemical", "identifier": "MESH:D001241", "valid": True, "note": None},
    "text": "Aspirin",
    "locations": [{"offset": 0, "length": 7}],
}


def json_collection(identifier="1", key="documents", **passage):
    records = [{"id": identifier, "passages": [JSON_PASSAGE | passage]}]
    return json.dumps({"source": "", "numbers": [1, -2.5e3], key: records, "more": "]}"})


def test_json_is_written_as_one_object():
    document = Document("1", "a b", (Entity(0, 1, "X", "a", 0.5),), 1, version=2)
    (record,) = json.loads(written("bioc-json", document))["documents"]
    assert record["infons"] == {"version": "2"}
    assert [passage["offset"] for passage in record["passages"]] == [0, 1]
    assert record["passages"][0]["annotations"][0]["locations"] == [{"offset": 0, "length": 1}]


@pytest.mark.parametrize(
    "text",
    [
        json_collection(annotations=[ANNOTATION]),
        json_collection(annotations=[ANNOTATION], key="PubTator3"),
        json_collection(annotations=[ANNOTATION]).replace('"length": 7', '"length": 70e-1'),
        f"[{json_collection(annotations=[ANNOTATION])}, {json_collection('2')}]",
        # as the package ``bioc`` writes passages of sentences
        json_collection(text="", sentences=[JSON_PASSAGE | {"annotations": [ANNOTATION]}]),
    ],
)
def test_json_collections_as_they_are_published_are_read(text):
    document = sound(text, "notes.txt")[0]
    assert (document.id, document.text, document.title_end) == ("1", "Aspirin helped.", 15)
    assert document.entities == (Entity(0, 7, "Chemical", "Aspirin"),)
