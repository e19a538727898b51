import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.data.formats.conll import entities_of_tags, place_tokens
from engine.text.documents import Document, Entity
from engine.text.labels import LabelSet
from tests.engine.data.reading import sound, written

CONLL = """-DOCSTART-\tO

Aspirin\tB-Chemical
helped\tO

breast\tB-Disease
cancer\tI-Disease
.\tO

-DOCSTART-\tO

Nausea\tI-Disease
"""


def test_documents_are_parted_by_docstart_or_are_sentences_and_an_inside_tag_may_begin_an_entity():
    first, second = sound(CONLL, "a.conll")
    assert first.text == "Aspirin helped\nbreast cancer ."
    assert first.entities == (Entity(0, 7, "Chemical", "Aspirin"), Entity(15, 28, "Disease", "breast cancer"))
    assert second == Document("2", "Nausea", (Entity(0, 6, "Disease", "Nausea"),))
    text = CONLL.replace("-DOCSTART-\tO\n\n", "").replace("\t", " NN ").replace("\n", "\r\n")
    assert [document.text for document in sound(text, "a.iob2")] == ["Aspirin helped", "breast cancer .", "Nausea"]


def test_words_are_cut_where_an_entity_ends_inside_one_and_a_blank_id_becomes_a_number():
    document = Document(" ", "anticonvulsants help", (Entity(4, 14, "Chemical", "convulsant"),))
    text = written("conll", document)
    assert "anti\tO\nconvulsant\tB-Chemical\ns\tO\nhelp\tO\n" in text
    assert sound(text, "a.conll") == [Document("1", document.text, document.entities)]


@given(st.lists(st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"]), min_size=1, max_size=12))
def test_tags_are_decoded_as_predictions_are(tags):
    text, spans = place_tokens([["ab"] * len(tags)])
    labels = LabelSet(("a", "b"))
    probabilities = [[name == tag for name in labels.names] for tag in tags]
    assert entities_of_tags(text, spans, tags) == labels.decode(text, spans, np.array(probabilities, float))
