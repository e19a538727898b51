"""Definitions of abbreviations, with the offsets of both forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.text.abbreviations import find_abbreviations


def found(text):
    return [(text[slice(*pair.short)], text[slice(*pair.long)]) for pair in find_abbreviations(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Six patients with tardive dyskinesia (TD) improved.", [("TD", "tardive dyskinesia")]),
        ("TD (tardive dyskinesia) improved.", [("TD", "tardive dyskinesia")]),
        ("heparin-induced thrombocytopenia (HIT; n = 12)", [("HIT", "heparin-induced thrombocytopenia")]),
        ("acute lung injury ( ALI ) and gamma-aminobutyric acid (GABA)",
         [("ALI", "acute lung injury"), ("GABA", "gamma-aminobutyric acid")]),
        ("5-hydroxytryptamine (5-HT)", [("5-HT", "5-hydroxytryptamine")]),
        ("patients (60 %) and mice (n = 8)", []),  # no letters, or none that are spelled
        ("a deficit in the hyperactivity disorder (XYZ)", []),
        ("the drug (QZ)", []),  # its letters are not there
        ("", []),
        ("()( )((x))", []),
    ],
)  # fmt: skip
def test_both_forms_are_found_where_the_text_defines_them(text, expected):
    assert found(text) == expected


def test_a_long_form_begins_with_a_word_and_has_few_words():
    assert found("several attacks of acute coronary syndrome (ACS)") == [("ACS", "acute coronary syndrome")]
    assert found("t " + "and so on " * 10 + "dyskinesia (TD)") == []


@given(st.text(alphabet="aAbT1( );,-\n", max_size=60))
def test_spans_lie_within_any_text_and_do_not_overlap(text):
    for pair in find_abbreviations(text):
        (a, b), (c, d) = sorted((pair.short, pair.long))
        assert 0 <= a < b <= c < d <= len(text)


def test_a_long_form_is_looked_for_in_the_passage_of_its_short_form():
    text = "A case of toxicity.\nMethamphetamine (MA) was seen (COT)."
    assert [text[slice(*pair.long)] for pair in find_abbreviations(text, [19])] == ["Methamphetamine"]
