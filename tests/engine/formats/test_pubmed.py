import gzip

import pytest

from engine.formats import read_documents
from tests.conftest import memory_below
from tests.engine.bulk.made_up import FOOT, HEAD, content
from tests.engine.formats.reading import read, sound

OTHERS = (
    '<OtherAbstract Language="fre"><AbstractText>Nausée.</AbstractText></OtherAbstract>'
    "<CommentsCorrections><PMID>1</PMID></CommentsCorrections>"
)


def article(inside="<ArticleTitle>A title.</ArticleTitle>", version=1):
    """A record beside whose own abstract and PMID there are others."""
    citation = f'<PMID Version="{version}">7</PMID><Article>{inside}</Article>{OTHERS}'
    return f"<PubmedArticle><MedlineCitation>{citation}</MedlineCitation></PubmedArticle>"


def file_of(*records):
    return HEAD + "".join(records) + FOOT


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        ("<ArticleTitle>T.</ArticleTitle><Abstract><AbstractText>It helps.</AbstractText></Abstract>", "T. It helps."),
        ("<ArticleTitle>Only a title.</ArticleTitle><Abstract><AbstractText/></Abstract>", "Only a title."),
        ("<ArticleTitle/><VernacularTitle>Übelkeit.</VernacularTitle>", "Übelkeit."),
        ("<ArticleTitle>[Not Available].</ArticleTitle><VernacularTitle>Übelkeit.</VernacularTitle>", "Übelkeit."),
        ("<ArticleTitle>[Nausea].</ArticleTitle><VernacularTitle>Übelkeit.</VernacularTitle>", "[Nausea]."),
        ("<Abstract><AbstractText>No title.</AbstractText></Abstract>", " No title."),
        ("", ""),
        (  # sections begin with their labels
            '<ArticleTitle>T.</ArticleTitle><Abstract><AbstractText Label="AIM">To see.</AbstractText>\n<AbstractText '
            'Label="UNLABELLED">Plain.</AbstractText><AbstractText Label="RESULTS"/><CopyrightInformation>Ours'
            "</CopyrightInformation></Abstract>",
            "T. AIM: To see. Plain.",
        ),
        (  # inline markup is dropped and its text kept
            "<ArticleTitle><i>In vitro</i> Ca<sup>2+</sup>,\n   H<sub>2</sub>O &lt; 5 &#181;g\u2009ml.</ArticleTitle>",
            "In vitro Ca2+, H2O < 5 µg\u2009ml.",
        ),
    ],
)
def test_text_is_title_blank_abstract(inside, text):
    (document,) = sound(file_of(article(inside)), "f.xml")
    assert (document.id, document.version, document.text) == ("7", 1, text)
    assert text[document.title_end : document.title_end + 1] in ("", " ")


def test_books_are_read_and_deleted_citations_handed_over():
    book = "<BookDocument><PMID>8</PMID><Book><BookTitle>A book.</BookTitle></Book><Abstract><AbstractText>On it."
    record = f"<PubmedBookArticle>{book}</AbstractText></Abstract></BookDocument></PubmedBookArticle>"
    (document,) = sound(file_of(record), "f.xml")
    assert (document.id, document.text) == ("8", "A book. On it.")
    deleted = []
    gone = '<DeleteCitation><PMID Version="1">3</PMID><PMID Version="2">4</PMID></DeleteCitation>'
    assert len(sound(file_of(article(), gone), "f.xml", on_deleted=lambda *pair: deleted.append(pair))) == 1
    assert deleted == [("3", 1), ("4", 2)]


def test_versions_of_a_record_are_different_records_and_a_second_one_of_a_version_is_refused():
    documents, (error,) = read(file_of(article(), article(version=2), article()), "f.xml")
    assert [document.version for document in documents] == [1, 2]
    assert "The id is used" in error.problem


def test_a_file_is_recognised_by_its_content_and_memory_does_not_grow_with_it(tmp_path):
    path, raw = tmp_path / "made.gz", "".join(content(1, 3000)).encode()
    path.write_bytes(gzip.compress(raw))
    with memory_below(len(raw) // 2):
        assert sum(1 for _ in read_documents(path)) == 3000


def test_a_file_in_utf_16_is_read_as_pubmed_and_not_as_bioc():
    content = file_of(article("<ArticleTitle>Übelkeit.</ArticleTitle>")).replace("utf-8", "utf-16")
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        mark = b"" if encoding == "utf-16" else "\ufeff".encode(encoding)
        assert [document.text for document in sound(mark + content.encode(encoding), "a.xml")] == ["Übelkeit."]
