import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.corpora import load_corpus
from engine.errors import InputError
from engine.text.documents import Entity
from engine.text.words import LabelSet, split_words

LABELS = LabelSet(("Chemical", "Disease"))


def one_hot(labels: list[str]) -> np.ndarray:
    return np.eye(len(LABELS))[[LABELS.names.index(label) for label in labels]]


def test_words_are_runs_of_word_characters_or_single_other_characters():
    text = "5-FU (α‑tocopherol),\n2.5 mg"
    assert [text[a:b] for a, b in split_words(text)] == [
        *("5", "-", "FU", "(", "α", "‑", "tocopherol", ")", ",", "2", ".", "5", "mg")
    ]


@given(st.text())
def test_words_cover_every_character_that_is_not_blank(text):
    covered = "".join(text[a:b] for a, b in split_words(text))
    assert covered == "".join(character for character in text if not character.isspace())


def test_a_run_without_end_is_cut_so_that_it_fits_a_window():
    assert [end - start for start, end in split_words("a" * 250)] == [100, 100, 50]


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


def test_an_inside_label_without_its_head_becomes_a_head():
    text = "a b c d"
    found = LABELS.decode(text, split_words(text), one_hot(["I-Disease", "I-Disease", "I-Chemical", "O"]))
    assert [(entity.text, entity.type) for entity in found] == [("a b", "Disease"), ("c", "Chemical")]


def test_a_begin_label_separates_adjacent_mentions():
    text = "a b"
    found = LABELS.decode(text, split_words(text), one_hot(["B-Disease", "B-Disease"]))
    assert [entity.text for entity in found] == ["a", "b"]


def test_an_entity_has_the_score_of_its_weakest_word():
    probabilities = np.array([[0.1, 0.9, 0, 0, 0], [0.2, 0.0, 0.6, 0.2, 0], [1, 0, 0, 0, 0]])
    (entity,) = LABELS.decode("a b c", split_words("a b c"), probabilities)
    assert entity == Entity(0, 3, "Chemical", "a b", 0.6)


def test_a_word_cut_by_a_mention_belongs_to_it():
    text = "antifoo bar"
    labels = LABELS.encode(split_words(text), [Entity(4, 7, "Disease", "foo")])
    assert [LABELS.names[label] for label in labels] == ["B-Disease", "O"]


def test_label_names_in_any_order_are_understood():
    names = ["I-Disease", "B-Chemical", "O", "B-Disease", "I-Chemical"]
    assert LabelSet.from_names(names).types == ("Chemical", "Disease")


@pytest.mark.parametrize("names", [["LABEL_0", "LABEL_1"], ["O", "B-Disease"], ["B-Disease", "I-Disease"]])
def test_labels_that_are_not_iob2_are_refused(names):
    with pytest.raises(InputError, match="expected the labels O, B-TYPE, I-TYPE"):
        LabelSet.from_names(names)
