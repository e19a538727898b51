"""Rule 5: one decoding for all; gold to labels to spans restores the mentions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.corpora import load_corpus
from engine.errors import InputError
from engine.text.documents import Entity
from engine.text.labels import LabelSet, normalised
from engine.text.words import split_words

LABELS = LabelSet(("Chemical", "Disease"))


@st.composite
def documents(draw):
    text = draw(st.text(alphabet="ab-. \n", min_size=1, max_size=60))
    words = split_words(text)
    entities, index = [], 0
    while index < len(words):
        length = draw(st.integers(1, 3))
        if draw(st.booleans()) and index + length <= len(words):
            start, end = words[index][0], words[index + length - 1][1]
            entities.append(Entity(start, end, draw(st.sampled_from(LABELS.types)), text[start:end]))
        index += length
    return text, entities


@given(documents())
def test_gold_to_labels_to_spans_gives_back_every_mention_on_word_borders(document):
    text, entities = document
    words = split_words(text)
    probabilities = np.eye(len(LABELS))[LABELS.encode(words, entities)]
    assert list(LABELS.decode(text, words, probabilities)) == entities


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bc5cdr", "ncbi-disease"])
def test_the_corpora_come_back_at_least_to_999_in_1000_mentions(name):
    total = found = 0
    for split in ("train", "dev", "test"):
        corpus = load_corpus(name, split)
        labels = LabelSet(corpus.types)
        for document in corpus.documents:
            words = split_words(document.text)
            decoded = labels.decode(document.text, words, np.eye(len(labels))[labels.encode(words, document.entities)])
            gold = {entity.key for entity in document.entities}
            total, found = total + len(gold), found + len(gold & {entity.key for entity in decoded})
    assert found >= 0.999 * total


def test_an_entity_has_the_score_of_its_weakest_word_and_a_word_cut_by_a_mention_belongs_to_it():
    probabilities = np.array([[0.1, 0.9, 0, 0, 0], [0.2, 0.0, 0.6, 0.2, 0], [1, 0, 0, 0, 0]])
    (entity,) = LABELS.decode("a b c", split_words("a b c"), probabilities)
    assert entity == Entity(0, 3, "Chemical", "a b", 0.6)
    labels = LABELS.encode(split_words("antifoo bar"), [Entity(4, 7, "Disease", "foo")])
    assert [LABELS.names[label] for label in labels] == ["B-Disease", "O"]


SCHEMES = {
    "IO without prefixes": ["O", "Chemical", "Disease"],
    "IO": ["O", "I-Chemical", "I-Disease"],
    "IOB": ["O", "B-Chemical", "I-Chemical", "B-Disease", "I-Disease"],
    "BIOES": ["O", *(f"{prefix}-{type_}" for type_ in ("Chemical", "Disease") for prefix in "BIES")],
    "BILOU": ["O", *(f"{prefix}-{type_}" for type_ in ("Chemical", "Disease") for prefix in "BILU")],
    "underscores": ["O", "B_Chemical", "I_Chemical", "B_Disease", "I_Disease"],
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_gives_back_the_mentions_that_it_was_given(scheme):
    labels = LabelSet.from_names(SCHEMES[scheme])
    text = "a b c d e f"
    words = split_words(text)
    gold = [Entity(0, 3, "Disease", "a b"), Entity(4, 5, "Chemical", "c"), Entity(8, 11, "Disease", "e f")]
    assert set(labels.types) == {"Chemical", "Disease"}
    assert list(labels.decode(text, words, np.eye(len(labels))[labels.encode(words, gold)])) == gold


@pytest.mark.parametrize(
    ("scheme", "written", "mentions"),
    [
        ("IO", "I-Disease I-Disease O I-Chemical I-Disease", ["a b", "d", "e"]),
        ("IOB", "I-Disease I-Disease B-Disease I-Disease O", ["a b", "c d"]),
        ("IOB", "B-Disease I-Chemical O O O", ["a", "b"]),
        ("BIOES", "B-Disease I-Disease E-Disease S-Disease S-Disease", ["a b c", "d", "e"]),
        ("BIOES", "E-Disease E-Disease I-Disease B-Disease S-Disease", ["a", "b", "c", "d", "e"]),
        ("BILOU", "B-Disease L-Disease I-Disease U-Chemical O", ["a b", "c", "d"]),
    ],
)
def test_labels_decode_to_spans(scheme, written, mentions):
    labels = LabelSet.from_names(SCHEMES[scheme])
    text = "a b c d e"
    chosen = np.eye(len(labels))[[labels.names.index(name) for name in written.split()]]
    assert [entity.text for entity in labels.decode(text, split_words(text), chosen)] == mentions


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["B", "I", "O"], ["B-Entity", "I-Entity", "O"]),
        (["O", "B", "I", "E", "S"], ["O", "B-Entity", "I-Entity", "E-Entity", "S-Entity"]),
        (["O", "M", "S"], ["O", "M", "S"]),  # types, as far as one can tell
        (["O", "B", "I", "Disease"], ["O", "B", "I", "Disease"]),
        (["O", "Disease-B", "Disease-I", "Cell_line_B"], ["O", "B-Disease", "I-Disease", "B-Cell_line"]),
        (["O", "Cell-B", "Cell-M", "Cell-E", "Cell-W"], ["O", "B-Cell", "M-Cell", "E-Cell", "W-Cell"]),
        (["O", "Hepatitis-B", "Hepatitis-E"], ["O", "Hepatitis-B", "Hepatitis-E"]),  # types
    ],
)
def test_bare_prefixes_get_a_type_and_suffixes_become_prefixes(names, expected):
    assert normalised(names) == expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["LABEL_0", "LABEL_1"], "neither O and TYPE"),
        (["B-Disease", "I-Disease"], "neither O and TYPE"),
        (["O", "B-Disease", "B-Disease"], "neither O and TYPE"),
        (["O", "B-Disease", "Chemical"], "'Chemical' have no prefix .* rename them with --labels FILE"),
    ],
)
def test_rejects_labels_that_follow_no_scheme(names, message):
    with pytest.raises(InputError, match=message):
        LabelSet.from_names(names)
