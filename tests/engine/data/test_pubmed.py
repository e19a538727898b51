import gzip
import io
import tracemalloc
from itertools import chain, repeat
from xml.etree import ElementTree

import pytest

from engine.data.formats import read_documents, read_stream
from engine.data.formats.pubmed import PUBMED
from engine.data.reading.source import Source
from engine.errors import FormatError
from tests.engine.bulk.made_up import FOOT, HEAD, content


def article(inside, pmid='<PMID Version="1">7</PMID>'):
    return f"<PubmedArticle><MedlineCitation>{pmid}{inside}</MedlineCitation></PubmedArticle>"


def titled(title="A title.", rest="", pmid='<PMID Version="1">7</PMID>'):
    return article(f"<Article><ArticleTitle>{title}</ArticleTitle>{rest}</Article>", pmid)


def read(*records, **options):
    file = io.BytesIO((HEAD + "".join(records) + FOOT).encode())
    return list(read_stream(file, "f.xml", **options))


def test_text_is_title_blank_abstract_and_the_id_is_the_pmid():
    (document,) = read(titled(rest="<Abstract><AbstractText>It helped.</AbstractText></Abstract>"))
    assert (document.id, document.version, document.text, document.title_end) == ("7", 1, "A title. It helped.", 8)


def test_sections_begin_with_their_labels_and_what_is_no_section_is_left_out():
    abstract = (
        '<Abstract><AbstractText Label="AIM">To see.</AbstractText>\n<AbstractText Label="UNLABELLED">Plain.'
        '</AbstractText><AbstractText Label="RESULTS"/><CopyrightInformation>Ours</CopyrightInformation></Abstract>'
    )
    (document,) = read(titled(rest=abstract))
    assert document.text == "A title. AIM: To see. Plain."


def test_inline_markup_is_dropped_and_its_text_kept():
    (document,) = read(titled("<i>In vitro</i> Ca<sup>2+</sup>,\n   H<sub>2</sub>O &lt; 5 &#181;g\u2009ml."))
    assert document.text == "In vitro Ca2+, H2O < 5 µg\u2009ml."


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        ("<ArticleTitle>Only a title.</ArticleTitle><Abstract><AbstractText/></Abstract>", "Only a title."),
        ("<ArticleTitle/><VernacularTitle>Übelkeit.</VernacularTitle>", "Übelkeit."),
        ("<ArticleTitle>[Not Available].</ArticleTitle><VernacularTitle>Übelkeit.</VernacularTitle>", "Übelkeit."),
        ("<ArticleTitle>[Nausea].</ArticleTitle><VernacularTitle>Übelkeit.</VernacularTitle>", "[Nausea]."),
        ("<Abstract><AbstractText>No title.</AbstractText></Abstract>", " No title."),
        ("", ""),
    ],
)
def test_titles_in_other_languages_and_missing_parts(inside, text):
    (document,) = read(article(f"<Article>{inside}</Article>"))
    assert document.text == text


def test_an_abstract_in_another_language_is_not_read():
    other = '<OtherAbstract Language="fre"><AbstractText>Nausée.</AbstractText></OtherAbstract>'
    (document,) = read(article(f"<Article><ArticleTitle>A title.</ArticleTitle></Article>{other}"))
    assert document.text == "A title."


def test_the_pmids_of_comments_are_not_the_records():
    (document,) = read(titled().replace("</Med", "<CommentsCorrections><PMID>1</PMID></CommentsCorrections></Med"))
    assert document.id == "7"


def test_books_are_read():
    book = "<BookDocument><PMID>8</PMID><Book><BookTitle>A book.</BookTitle></Book><Abstract><AbstractText>On it."
    (document,) = read(f"<PubmedBookArticle>{book}</AbstractText></Abstract></BookDocument></PubmedBookArticle>")
    assert (document.id, document.text) == ("8", "A book. On it.")


def test_deleted_citations_are_handed_over_and_are_no_documents():
    deleted = []
    gone = '<DeleteCitation><PMID Version="1">3</PMID><PMID Version="2">4</PMID></DeleteCitation>'
    assert len(read(titled(), gone, on_deleted=lambda *one: deleted.append(one))) == 1
    assert deleted == [("3", 1), ("4", 2)]


def test_versions_of_a_record_are_different_records_and_a_second_one_of_a_version_is_refused():
    errors = []
    second = titled(pmid='<PMID Version="2">7</PMID>')
    documents = read(titled(), second, titled(), on_error=errors.append)
    assert [document.version for document in documents] == [1, 2]
    assert "expected a unique id" in errors[0].problem


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (titled(pmid=""), "f.xml:4: expected a record with a <PMID>, a number, got ''; add it"),
        (titled(pmid="<PMID>x7</PMID>"), "f.xml:4: expected a record with a <PMID>, a number, got 'x7'; add it"),
        (titled("A &beta; blocker"), "f.xml:4: document 7: expected characters, got the entity 'beta'"),
        ("<Thing/>", "f.xml:4: expected a record, PubmedArticle or PubmedBookArticle, got <Thing>; remove it"),
    ],
)
def test_a_broken_record_is_reported_and_the_others_are_read(record, message):
    errors = []
    good = titled(pmid="<PMID>9</PMID>")
    documents = read(record, good, on_error=errors.append)
    assert [document.id for document in documents] == ["9"]
    assert str(errors[0]).startswith(message)
    assert not errors[0].ends_file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + titled() + "<PubmedArticle><MedlineCitation>", "expected well-formed XML"),
        (HEAD + titled() + "<a></b>" + FOOT, "expected well-formed XML"),
        (
            '<!DOCTYPE PubmedArticleSet [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><PubmedArticleSet/>',
            "expected no entity declarations",
        ),
        (
            '<!DOCTYPE PubmedArticleSet [<!ENTITY a SYSTEM "file:///etc/passwd">]><PubmedArticleSet/>',
            "expected no entity declarations",
        ),
    ],
)
def test_what_ends_a_file_is_said_after_the_records_before_it(text, message):
    errors = []
    documents = list(read_stream(io.BytesIO(text.encode()), "f.xml", errors.append))
    assert len(documents) == text.count("A title.")
    assert message in str(errors[-1])
    assert str(errors[-1]).endswith("; nothing after this place was read")
    assert errors[-1].ends_file


def test_a_record_without_end_is_refused_before_it_fills_the_memory():
    class Endless(Source):
        def chunks(self):
            return chain([HEAD.encode(), b"<PubmedArticle>"], repeat(b"a" * 2**20))

    with pytest.raises(FormatError, match="expected a record of at most 50,000,000 bytes"):
        list(PUBMED.read(Endless(io.BytesIO(), "f.xml")))


def test_nesting_as_deep_as_a_file_can_have_it_is_no_harm():
    deep = titled("<i>" * 50_000 + "deep" + "</i>" * 50_000)
    assert read(deep)[0].text == "deep"


def test_a_file_is_recognised_by_its_content_and_agrees_with_another_reader():
    raw = "".join(content(100, 60, seed=1)).encode()
    documents = list(read_stream(io.BytesIO(gzip.compress(raw)), "made.gz"))
    records = ElementTree.fromstring(raw).findall("PubmedArticle/MedlineCitation")
    assert [(one.id, str(one.version)) for one in documents] == [
        (record.findtext("PMID"), record.find("PMID").get("Version")) for record in records
    ]
    for document, record in zip(documents, records, strict=True):
        for section in record.findall("Article/Abstract/AbstractText"):
            assert " ".join("".join(section.itertext()).split()) in document.text[document.title_end :]


def test_memory_does_not_grow_with_the_file(tmp_path):
    def peak(records):
        file = tmp_path / f"{records}.xml"
        with file.open("w", encoding="utf-8") as out:
            out.writelines(content(1, records, seed=1))
        tracemalloc.start()
        for _ in read_documents(file):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)
    assert peak(3000) < peak(300) + 3000 * 250  # the ids already taken
