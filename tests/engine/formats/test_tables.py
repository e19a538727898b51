"""CSV and TSV are read as tables, never as prose."""

import pickle

import pytest

from engine.text.documents import Document
from tests.engine.formats.reading import read, sound

AS_CSV = '\ufeffID,text,note\r\n7,"Nausea, ""mild"",\r\nthen pain.",x\r\n\r\n,Übelkeit.,\r\n'
BYTE = "Byte 0xe9 is not UTF-8"


def test_cells_are_quoted_as_spreadsheets_do_and_other_columns_ignored():
    expected = [Document("7", 'Nausea, "mild",\r\nthen pain.'), Document("a-2", "Übelkeit.")]
    assert sound(AS_CSV, "a.csv") == expected
    assert sound(AS_CSV.replace(",x", ";x").replace("7,", "7;").replace("ID,text,", "ID;text;")
                 .replace(",Übelkeit.,", ";Übelkeit.;"), "a.csv") == expected  # fmt: skip
    assert sound("text\tid\nNausea, pain.\t8\n", "a.TSV") == [Document("8", "Nausea, pain.")]
    assert sound("text\n" + "word " * 100_000 + "\n", "a.csv")[0].text.count("word") == 100_000


@pytest.mark.parametrize(
    ("table", "ids"),
    [
        ("pmid,text\n7,Pain.\n8,Pain.", ["7", "8"]),
        ("PMID,Text,id\n7,Pain.,x\n8,Pain.,", ["x", "8"]),
        ("other,text\n7,Pain.\n8,Pain.", ["a-1", "a-2"]),
    ],
)
def test_the_id_is_in_the_column_id_or_pmid(table, ids):
    assert [document.id for document in sound(table, "a.csv")] == ids


@pytest.mark.parametrize(
    ("row", "text", "title_end"),
    [
        ("Nausea.,It is mild.", "Nausea. It is mild.", 7),
        ("Nausea.,", "Nausea.", 7),
        (",It is mild.", "It is mild.", None),
    ],
)
def test_title_and_abstract_make_the_text(row, text, title_end):
    assert sound(f"PMID,Title,Year,Abstract\n7,{row.replace(',', ',1999,')}\n", "a.csv") == [
        Document("7", text, title_end=title_end)
    ]
    assert sound("title,text,abstract\nA,B,C\n", "a.csv")[0].text == "B", "a text is the text"


def test_a_wrong_encoding_is_reported_once_a_file_and_each_document_left_out():
    documents, errors = read("text\nPain.\nf\xfcr\nm\xfcde\n".encode("latin-1"), "a.csv")
    assert [document.text for document in documents] == ["Pain."]
    assert [error.repeats for error in errors] == [False, True]
    assert pickle.loads(pickle.dumps(errors[1])).repeats


def test_a_tsv_of_tokens_and_tags_is_conll():
    assert sound("Nausea\tB-Disease\n.\tO\n", "a.tsv")[0].entities[0].text == "Nausea"


@pytest.mark.parametrize(
    ("content", "keyword", "left"),
    [
        (
            "label,note\nNausea.,1\n",
            "a column text, or title and abstract, and may name id or pmid, but it is 'label,note'",
            [],
        ),
        ("Nausea after aspirin.\nPain.\n", "a column text", []),
        ("", "a column text", []),
        ("id,text\n1,Nausea, pain.\n2,Pain.\n", "a.csv:2: document a-1: The row has 3 cells, not 2", ["Pain."]),
        ("id,text\n1,Naus\xe9a.\n2,Pain.\n", f"a.csv:2: document 1: {BYTE}", ["Pain."]),
        ("id,text\n\xe9,Nausea.\n2,Pain.\n", BYTE, ["Pain."]),
        ("id,text,not\xe9\n1,Nausea.,\n", f"a.csv:1: {BYTE}", []),
        ("\xff\xfei\0d\0,\0t\0e\0x\0t\0\n\0", "a.csv:1: Byte 0xff is not UTF-8", []),
        ("i\0d\0,\0t\0e\0x\0t\0\n\0", "perhaps UTF-16", []),
        ("id,text\n1,Nausea.\n1,Pain.\n", "a.csv:3: document 1: The id is used", ["Nausea."]),
        ('id,text\n1,Nausea.\n2,"Pain.\n', "a.csv:3: The table is broken: unexpected end of data", ["Nausea."]),
    ],
)
def test_what_is_no_table_is_refused_and_a_broken_row_costs_itself_alone(content, keyword, left):
    documents, (error,) = read(content.encode("latin-1"), "a.csv")
    assert keyword in str(error)
    assert [document.text for document in documents] == left
