"""The official rule: (document, start, end, type), a composite mention is one, everything not predicted is missed."""

import pytest
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from engine.text.documents import Document, Entity
from engine.text.scoring import Counts
from eval.measure.measured import Scores

TEXT = "hepatic and renal toxicity after aspirin, aspirin and 5-FU"
COMPOSITE = Entity(0, 26, "Disease", TEXT[:26])
ASPIRIN = Entity(33, 40, "Chemical", "aspirin")
AGAIN = Entity(42, 49, "Chemical", "aspirin")
FU = Entity(54, 58, "Chemical", "5-FU")
DOCUMENT = Document("1", TEXT, (COMPOSITE, ASPIRIN, AGAIN, FU))
TYPES = ("Chemical", "Disease")


def score(*predictions: list[Entity], document: Document = DOCUMENT, types: tuple[str, ...] = TYPES) -> Scores:
    """Scores of predictions for a document that is there as often as there are predictions."""
    scores = Scores(types)
    for found in predictions:
        scores.add(document, found)
    return scores


def moved(entity: Entity, start: int = 0, end: int = 0, type_: str = "") -> Entity:
    return Entity(entity.start + start, entity.end + end, type_ or entity.type, "")


def iob2(spans: dict[tuple[int, int], str]) -> list[str]:
    """Labels of the twelve words of `TEXT` (``5``, ``-`` and ``FU`` are words), written by hand from word spans."""
    labels = ["O"] * 12
    for (start, end), type_ in spans.items():
        labels[start:end] = [f"B-{type_}"] + [f"I-{type_}"] * (end - start - 1)
    return labels


# Words: hepatic and renal toxicity after aspirin , aspirin and 5 - FU
GOLD = {(0, 4): "Disease", (5, 6): "Chemical", (7, 8): "Chemical", (9, 12): "Chemical"}
CUT = [Entity(0, 7, "Disease", "hepatic"), Entity(12, 26, "Disease", "renal toxicity")]


@pytest.mark.parametrize(
    ("predicted", "expected", "words"),
    [
        ([COMPOSITE, ASPIRIN, AGAIN, FU], Counts(4, 4, 4), GOLD),
        ([], Counts(0, 0, 4), {}),
        ([COMPOSITE, ASPIRIN], Counts(2, 2, 4), {(0, 4): "Disease", (5, 6): "Chemical"}),
        (CUT, Counts(0, 2, 4), {(0, 1): "Disease", (2, 4): "Disease"}),
        ([moved(FU, start=1)], Counts(0, 1, 4), {(10, 12): "Chemical"}),
        ([moved(COMPOSITE, end=-9), AGAIN], Counts(1, 2, 4), {(0, 3): "Disease", (7, 8): "Chemical"}),
        ([moved(ASPIRIN, type_="Disease"), AGAIN], Counts(1, 2, 4), {(5, 6): "Disease", (7, 8): "Chemical"}),
        ([ASPIRIN, ASPIRIN], Counts(1, 1, 4), {(5, 6): "Chemical"}),
    ],
    ids=["all", "none", "some", "composite cut", "head missing", "boundary off", "wrong type", "twice the same"],
)
def test_exact_spans_are_counted_and_seqeval_agrees_on_word_borders(predicted, expected, words):
    scores = score(predicted)
    theirs = f1_score([iob2(GOLD)], [iob2(words)], mode="strict", scheme=IOB2, zero_division=0)
    assert scores.total == expected
    assert scores.seqeval == pytest.approx(theirs) == scores.total.f1


def test_micro_average_sums_over_documents_and_types():
    scores = score([ASPIRIN, moved(COMPOSITE, end=-1)], [COMPOSITE])
    assert scores.total == Counts(2, 3, 8)
    assert scores.total.f1 == pytest.approx(2 * 2 / 11)
    assert (scores.total.precision, scores.total.recall) == (pytest.approx(2 / 3), 0.25)
    assert scores.by_type == {"Chemical": Counts(1, 1, 6), "Disease": Counts(1, 2, 2)}
    assert scores.by_document == [Counts(1, 2, 4), Counts(1, 1, 4)]


def test_types_that_are_not_annotated_are_left_out_and_counted():
    scores = score([COMPOSITE, ASPIRIN, FU], types=("Disease",))
    assert (scores.total, scores.unscored) == (Counts(1, 1, 1), 2)


def test_adjacent_mentions_of_one_type_are_two():
    document = Document("1", "aspirin ibuprofen", (Entity(0, 7, "Chemical", ""), Entity(8, 17, "Chemical", "")))
    two = score(list(document.entities), document=document)
    one = score([Entity(0, 17, "Chemical", "")], document=document)
    assert (two.total, two.seqeval) == (Counts(2, 2, 2), 1)
    assert (one.total, one.seqeval) == (Counts(0, 1, 2), 0)


def test_a_boundary_within_a_word_counts_for_the_official_rule_alone():
    scores = score([moved(ASPIRIN, end=-1)])
    assert scores.total.correct == 0
    assert scores.seqeval == pytest.approx(2 * 1 / (1 + 4))
