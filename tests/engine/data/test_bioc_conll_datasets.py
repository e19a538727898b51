"""BioC, CoNLL and Hugging Face datasets, and what all formats have in common."""

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.corpora import load_corpus
from engine.data.formats import WRITERS, read_bioc, read_conll, read_dataset, read_documents, write_bioc, write_conll
from engine.errors import FormatError, InputError
from engine.text.documents import Document, Entity

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

CONLL = """-DOCSTART-\tO

Aspirin\tB-Chemical
helped\tO

breast\tB-Disease
cancer\tI-Disease
.\tO

-DOCSTART-\tO

Nausea\tI-Disease
"""


def bioc(text: str, on_error=None) -> list[Document]:
    chunks = [text.encode()[start : start + 50] for start in range(0, len(text.encode()), 50)]
    return list(read_bioc(chunks, "corpus.xml", *([on_error] if on_error else [])))


def conll(text: str, on_error=None) -> list[Document]:
    return list(read_conll(io.BytesIO(text.encode()), "corpus.conll", *([on_error] if on_error else [])))


def test_bioc_passages_and_sentences_stand_at_their_offsets_and_a_composite_mention_is_one():
    first, second = bioc(BIOC)
    assert first == Document(
        "1",
        "Aspirin & pain.\nIt helped breast and colon cancer.",
        (Entity(0, 7, "Chemical", "Aspirin", concept="D1"), Entity(26, 49, "Disease", "breast and colon cancer")),
        title_end=15,
    )
    assert second == Document("2", "Second.")


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ('offset="0" length="7"', 'offset="1" length="7"', 6, "expected 'Aspirin' at 1–8, got 'spirin ' in the text"),
        ('offset="0" length="7"', 'offset="0" length="99"', 6, "expected a span inside the text of 50 characters"),
        ('<location offset="0" length="7"/>', "", 6, "expected an annotation with a location and a type"),
        ('offset="0" length="7"', 'offset="-1" length="7"', 6, "expected a whole number as offset or length"),
        (
            '<infon key="type">Chemical</infon>',
            '<infon key="type"></infon>',
            6,
            "expected an annotation with a location and a type",
        ),
        ("<offset>16</offset><text>", "<offset>3</offset><text>", 10, "expected an offset of 15 characters or a"),
        ("<offset>16</offset><text>", "<offset>99999999</offset><text>", 10, "expected an offset of 15 characters"),
        ("<id>1</id>", "", 4, "expected a document with an <id>"),
    ],
)
def test_a_broken_bioc_document_is_named_and_the_others_are_read(old, new, line, problem):
    errors: list[FormatError] = []
    assert [document.id for document in bioc(BIOC.replace(old, new), errors.append)] == ["2"]
    assert [error.line for error in errors] == [line]
    assert errors[0].problem.startswith(problem)
    with pytest.raises(FormatError, match=f"^corpus.xml:{line}: "):
        bioc(BIOC.replace(old, new))


def test_documents_before_xml_that_is_not_well_formed_are_read():
    errors: list[FormatError] = []
    documents = bioc(BIOC.replace("Second.</text>", "Second.<text>"), errors.append)
    assert [document.id for document in documents] == ["1"]
    assert str(errors[0]) == (
        "corpus.xml:18: document 2: expected well-formed XML, got mismatched tag; fix the file; "
        "nothing after this place was read"
    )


def test_xml_that_could_expand_without_bound_or_is_not_bioc_is_refused():
    bomb = '<!DOCTYPE collection [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><collection>&b;</collection>'
    with pytest.raises(FormatError, match="expected no entity declarations"):
        bioc(bomb)
    with pytest.raises(FormatError, match="root is <collection>, got <article>"):
        bioc("<article/>")


def test_conll_documents_are_separated_by_docstart_and_an_inside_tag_without_a_head_becomes_one():
    first, second = conll(CONLL)
    assert first.text == "Aspirin helped\nbreast cancer ."
    assert first.entities == (Entity(0, 7, "Chemical", "Aspirin"), Entity(15, 28, "Disease", "breast cancer"))
    assert second == Document("2", "Nausea", (Entity(0, 6, "Disease", "Nausea"),))


def test_conll_without_docstart_has_a_document_a_sentence_and_blanks_may_part_columns():
    text = CONLL.replace("-DOCSTART-\tO\n\n", "").replace("\t", " NN ").replace("\n", "\r\n")
    assert [document.text for document in conll(text)] == ["Aspirin helped", "breast cancer .", "Nausea"]


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("helped\tO", "helped", 4, "expected a token and a tag separated by a tab, got 'helped'"),
        ("helped\tO", "helped\tS-Disease", 4, "expected a tag O, B-TYPE or I-TYPE, got 'S-Disease'"),
        ("-DOCSTART-\tO\n\nAsp", "-DOCSTART-\t{}\n\nAsp", 1, "expected JSON with id, text and title_end"),
        ("-DOCSTART-\tO\n\nAsp", '-DOCSTART-\t{"id": "1", "text": "A"}\n\nAsp', 1, "expected the token 'Aspirin'"),
        *(
            (
                "-DOCSTART-\tO\n\nAsp",
                f'-DOCSTART-\t{{"id": "1", "text": "Aspirin helped", "title_end": {end}}}\n\nAsp',
                1,
                "expected a blank after the title, got title_end",
            )
            for end in ("3", "99", "true", "7.5")
        ),
    ],
)
def test_a_broken_conll_document_is_named_and_the_others_are_read(old, new, line, problem):
    errors: list[FormatError] = []
    assert [document.text for document in conll(CONLL.replace(old, new), errors.append)] == ["Nausea"]
    assert [error.line for error in errors] == [line]
    assert errors[0].problem.startswith(problem)


def test_conll_with_a_blank_id_gets_a_number():
    assert conll(write_conll(Document(" ", "Nausea"))) == [Document("1", "Nausea")]


def test_conll_cuts_words_where_an_entity_ends_inside_one():
    document = Document("d", "anticonvulsants help", (Entity(4, 14, "Chemical", "convulsant"),))
    assert "anti\tO\nconvulsant\tB-Chemical\ns\tO\nhelp\tO\n" in write_conll(document)
    assert conll(write_conll(document)) == [document]


_TEXT = st.characters(exclude_categories=["Cs"])
_XML_TEXT = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from(
    "\t\n\r"
)
_PRINTED = st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="|")


@st.composite
def documents(draw, characters, *, words: bool = False):
    """Documents with several entities and a version.

    ``words``: entities neither overlap nor begin or end with a blank, and there is no version.
    """
    title = draw(st.text(characters, max_size=15))
    rest = draw(st.text(characters, max_size=25))
    text, title_end = title, None
    if draw(st.booleans()):
        text, title_end = title + draw(st.sampled_from([" ", "\n"])) + rest, len(title)
    entities = {}
    for _ in range(draw(st.integers(0, 4)) if text else 0):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        mention = text[start:end]
        apart = all(end <= other.start or other.end <= start for other in entities.values())
        if words and not (apart and mention.strip() == mention and mention):
            continue
        type_, concept = draw(st.sampled_from(["Disease", "Ω-Typ"])), draw(st.sampled_from(["", "D1|D2", "<&>"]))
        score = 1.0 if words else draw(st.floats(0, 1))
        entities[start] = Entity(start, end, type_, mention, score, "" if words else concept)
    identifier = draw(st.text(_PRINTED, min_size=1, max_size=5))
    version = None if words else draw(st.none() | st.integers(0, 2**31 - 1))
    return Document(identifier, text, tuple(sorted(entities.values())), title_end, version)


@given(st.lists(documents(_XML_TEXT), max_size=3, unique_by=lambda document: document.id))
def test_bioc_round_trip_loses_nothing(several):
    writer = WRITERS["bioc"]
    assert bioc(writer.head + "".join(map(write_bioc, several)) + writer.foot) == several


def test_versions_of_a_record_are_different_documents():
    several = [Document("7", "a", version=version) for version in (1, 2)]
    text = "".join(WRITERS["bioc"].pieces(several))
    assert '<id>7</id>\n<infon key="version">2</infon>\n<passage>' in text
    assert bioc(text) == several


@pytest.mark.parametrize("version", ["1.0", "draft", 2**31])
def test_a_version_of_another_kind_is_none(version):
    text = "".join(WRITERS["bioc"].pieces([Document("7", "a", version=1)]))
    assert bioc(text.replace(">1<", f">{version}<")) == [Document("7", "a")]


def test_bioc_replaces_what_xml_cannot_hold_one_for_one():
    document = Document("d", "a\x00b\ud800c", (Entity(4, 5, "Disease", "c"),))
    (again,) = bioc(WRITERS["bioc"].head + write_bioc(document) + WRITERS["bioc"].foot)
    assert (again.text, again.entities) == ("a\ufffdb\ufffdc", document.entities)


@given(st.lists(documents(_TEXT, words=True), max_size=3, unique_by=lambda document: document.id))
def test_conll_round_trip_loses_nothing(several):
    assert conll("".join(map(write_conll, several))) == several


@pytest.mark.parametrize("format_", WRITERS)
def test_every_format_is_recognised_by_content_and_suffix_and_streams(format_, tmp_path):
    writer = WRITERS[format_]
    document = Document(
        "é1",
        "Aspirin & pain.\nIt\u2028helped.",
        (Entity(0, 7, "Chemical", "Aspirin"), Entity(10, 14, "Disease", "pain")),
        15,
    )
    long = Document("long", "Long.\n" + "word " * 30_000, (), 5)
    for name in ("notes.txt", f"notes{writer.suffix}"):
        (tmp_path / name).write_text("".join(writer.pieces([document, long])))
        assert list(read_documents(tmp_path / name)) == [document, long]
    with (tmp_path / "notes.txt").open("a") as file:
        file.write("<broken")
    assert next(iter(read_documents(tmp_path / "notes.txt"))) == document


@pytest.mark.parametrize(("name", "content", "kept"), [("a.xml", BIOC, ["2"]), ("a.conll", CONLL, ["2"])])
def test_corpora_of_every_format_can_leave_out_broken_documents(name, content, kept, tmp_path):
    (tmp_path / name).write_text(content.replace('length="7"', 'length="8"').replace("helped\tO", "helped\tX"))
    corpus = load_corpus(str(tmp_path / name), skip_bad=True)
    assert ([document.id for document in corpus.documents], corpus.skipped) == (kept, 1)


def test_a_corpus_of_an_empty_or_broken_xml_file_is_an_error(tmp_path):
    (tmp_path / "a.xml").write_text("")
    with pytest.raises(InputError, match="expected well-formed XML, got no element found"):
        load_corpus(str(tmp_path / "a.xml"))


@pytest.fixture(scope="module")
def dataset_folder(tmp_path_factory):
    datasets = pytest.importorskip("datasets")
    names = ["O", "B-Chemical", "I-Chemical"]
    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=names)),
        }
    )
    rows = {"tokens": [["Valproic", "acid", "helped"], ["No", "drug"]], "ner_tags": [[1, 2, 0], [0, 0]]}
    folder = tmp_path_factory.mktemp("dataset")
    split = datasets.Dataset.from_dict(rows, features)
    datasets.DatasetDict({"validation": split}).save_to_disk(folder / "splits")
    split.add_column("tags", [["B-Chemical", "I-Chemical", "O"], ["O", "?"]]).remove_columns("ner_tags").save_to_disk(
        folder / "strings"
    )
    return folder


def test_a_dataset_of_tokens_and_class_labels_is_a_corpus(dataset_folder):
    corpus = load_corpus(f"hf:{dataset_folder}/splits", "dev")
    assert corpus.documents == (
        Document("1", "Valproic acid helped", (Entity(0, 13, "Chemical", "Valproic acid"),)),
        Document("2", "No drug"),
    )
    assert (corpus.split, corpus.types) == ("dev", ("Chemical",))


def test_a_broken_row_is_named_and_can_be_left_out(dataset_folder):
    with pytest.raises(FormatError, match=r"strings:2: document 2: expected a tag O, B-TYPE or I-TYPE, got '\?'"):
        load_corpus(f"hf:{dataset_folder}/strings")
    corpus = load_corpus(f"hf:{dataset_folder}/strings", skip_bad=True)
    assert (len(corpus.documents), corpus.skipped) == (1, 1)


@pytest.mark.parametrize("tag", [-100, -1, None, 3])
def test_a_class_label_without_a_name_breaks_its_row_alone(tag, tmp_path):
    datasets = pytest.importorskip("datasets")
    names = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=["O", "B-Drug", "I-Drug"])),
        }
    )
    numbers = datasets.Features({"tokens": names["tokens"], "ner_tags": datasets.Sequence(datasets.Value("int64"))})
    rows = {"tokens": [["Valproic", "acid"], ["aspirin"]], "ner_tags": [[1, tag], [1]]}
    table = datasets.Dataset.from_dict(rows, numbers)
    # The library does not check the values of class labels in a table.
    datasets.Dataset(table.data, datasets.DatasetInfo(features=names)).save_to_disk(tmp_path)
    with pytest.raises(FormatError, match=f":1: document 1: expected class labels from 0 to 2, got {tag}; fix the row"):
        load_corpus(f"hf:{tmp_path}")
    corpus = load_corpus(f"hf:{tmp_path}", skip_bad=True)
    assert ([document.text for document in corpus.documents], corpus.skipped) == (["aspirin"], 1)


def test_datasets_that_cannot_be_read_are_clear_errors(dataset_folder, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"expected a split of hf:.* out of \['validation'\], got 'test'"):
        load_corpus(f"hf:{dataset_folder}/splits", "test")
    with pytest.raises(InputError, match="expected a dataset, got hf:"):
        list(read_dataset(str(tmp_path)))
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install -r requirements-eval.txt"):
        load_corpus(f"hf:{dataset_folder}/splits")
