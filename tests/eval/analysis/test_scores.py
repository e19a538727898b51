"""The official rule: (document, start, end, type), a composite mention is one, everything not predicted is missed."""

import pytest
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from engine.corpora import Corpus
from engine.text.documents import Document, Entity
from engine.text.scoring import Counts
from eval.analysis.tables import seqeval_f1
from eval.record import Measured, Prediction, Variant

TEXT = "hepatic and renal toxicity after aspirin, aspirin and 5-FU"
COMPOSITE = Entity(0, 26, "Disease", TEXT[:26])
ASPIRIN = Entity(33, 40, "Chemical", "aspirin")
AGAIN = Entity(42, 49, "Chemical", "aspirin")
FU = Entity(54, 58, "Chemical", "5-FU")
DOCUMENT = Document("1", TEXT, (COMPOSITE, ASPIRIN, AGAIN, FU))
TYPES = ("Chemical", "Disease")


def score(*predictions, document=DOCUMENT, types=TYPES):
    """The counts of each document, which is there as often as there are predictions, and F1 on words."""
    corpus = Corpus("c", "all", types, (document,) * len(predictions))
    run = [Prediction(tuple(found)) for found in predictions]
    measured = Measured(Variant("a", "dense", "float32", "cpu"), corpus, [run])
    return measured.counts[0], seqeval_f1(corpus, run)


def moved(entity, start=0, end=0, type_=""):
    return Entity(entity.start + start, entity.end + end, type_ or entity.type, "")


def iob2(spans):
    """Labels of the twelve words of `TEXT` (``5``, ``-`` and ``FU`` are words), written by hand from word spans."""
    labels = ["O"] * 12
    for (start, end), type_ in spans.items():
        labels[start:end] = [f"B-{type_}"] + [f"I-{type_}"] * (end - start - 1)
    return labels


# Words: hepatic and renal toxicity after aspirin , aspirin and 5 - FU
GOLD = {(0, 4): "Disease", (5, 6): "Chemical", (7, 8): "Chemical", (9, 12): "Chemical"}
CUT = [Entity(0, 7, "Disease", "hepatic"), Entity(12, 26, "Disease", "renal toxicity")]


@pytest.mark.parametrize(("predicted", "expected", "words"), [
    ([COMPOSITE, ASPIRIN, AGAIN, FU], Counts(4, 4, 4), GOLD),
    ([], Counts(0, 0, 4), {}),
    ([COMPOSITE, ASPIRIN], Counts(2, 2, 4), {(0, 4): "Disease", (5, 6): "Chemical"}),
    (CUT, Counts(0, 2, 4), {(0, 1): "Disease", (2, 4): "Disease"}),
    ([moved(FU, start=1)], Counts(0, 1, 4), {(10, 12): "Chemical"}),
    ([moved(COMPOSITE, end=-9), AGAIN], Counts(1, 2, 4), {(0, 3): "Disease", (7, 8): "Chemical"}),
    ([moved(ASPIRIN, type_="Disease"), AGAIN], Counts(1, 2, 4), {(5, 6): "Disease", (7, 8): "Chemical"}),
    ([ASPIRIN, ASPIRIN], Counts(1, 1, 4), {(5, 6): "Chemical"}),
])  # fmt: skip
def test_exact_spans_are_counted_and_seqeval_agrees_on_word_borders(predicted, expected, words):
    (counts,), on_words = score(predicted)
    theirs = f1_score([iob2(GOLD)], [iob2(words)], mode="strict", scheme=IOB2, zero_division=0)
    assert counts == expected
    assert on_words == pytest.approx(theirs) == counts.f1


def test_adjacent_mentions_of_one_type_are_two_and_types_that_are_not_annotated_are_left_out():
    document = Document("1", "aspirin ibuprofen", (Entity(0, 7, "Chemical", ""), Entity(8, 17, "Chemical", "")))
    assert score(document.entities, document=document) == ([Counts(2, 2, 2)], 1)
    assert score([Entity(0, 17, "Chemical", "")], document=document) == ([Counts(0, 1, 2)], 0)
    assert score([COMPOSITE, ASPIRIN, FU], types=("Disease",))[0] == [Counts(1, 1, 1)]


def test_a_boundary_within_a_word_counts_for_the_official_rule_alone():
    (counts,), on_words = score([moved(ASPIRIN, end=-1)])
    assert counts.correct == 0
    assert on_words == pytest.approx(2 * 1 / (1 + 4))
