"""The official rule: (document, start, end, type), a composite mention is one, everything not predicted is missed."""

from collections.abc import Sequence

import pytest
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from engine.text.documents import Document, Entity
from engine.text.scoring import Counts
from eval.measure.metrics import Scores, Tally

TEXT = "hepatic and renal toxicity after aspirin, aspirin and 5-FU"
COMPOSITE = Entity(0, 26, "Disease", TEXT[:26])
ASPIRIN = Entity(33, 40, "Chemical", "aspirin")
AGAIN = Entity(42, 49, "Chemical", "aspirin")
FU = Entity(54, 58, "Chemical", "5-FU")
DOCUMENT = Document("1", TEXT, (COMPOSITE, ASPIRIN, AGAIN, FU))
TYPES = ("Chemical", "Disease")


def score(documents: Sequence[Document], predictions: Sequence[Sequence[Entity]], types: Sequence[str]) -> Scores:
    """Scores of predictions, one sequence of entities per document."""
    tally = Tally(types)
    for document, found in zip(documents, predictions, strict=True):
        tally.add(document, found)
    return tally.scores()


def moved(entity: Entity, start: int = 0, end: int = 0, type_: str = "") -> Entity:
    return Entity(entity.start + start, entity.end + end, type_ or entity.type, "")


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ([COMPOSITE, ASPIRIN, AGAIN, FU], Counts(4, 4, 4)),
        ([], Counts(0, 0, 4)),
        ([Entity(0, 7, "Disease", "hepatic"), Entity(12, 26, "Disease", "renal toxicity")], Counts(0, 2, 4)),
        ([moved(FU, start=2)], Counts(0, 1, 4)),
        ([moved(ASPIRIN, type_="Disease"), ASPIRIN], Counts(1, 2, 4)),
        ([ASPIRIN, ASPIRIN], Counts(1, 1, 4)),
    ],
    ids=["all", "none", "composite cut", "boundary off", "wrong type too", "twice the same"],
)
def test_exact_spans_are_counted(predicted, expected):
    assert score([DOCUMENT], [predicted], TYPES).total == expected


def test_micro_average_sums_over_documents_and_types():
    scores = score([DOCUMENT, DOCUMENT], [[ASPIRIN, moved(COMPOSITE, end=-1)], [COMPOSITE]], TYPES)
    assert scores.total == Counts(2, 3, 8)
    assert scores.total.f1 == pytest.approx(2 * 2 / 11)
    assert (scores.total.precision, scores.total.recall) == (pytest.approx(2 / 3), 0.25)
    assert scores.by_type == {"Chemical": Counts(1, 1, 6), "Disease": Counts(1, 2, 2)}
    assert scores.by_document == (Counts(1, 2, 4), Counts(1, 1, 4))


def test_types_that_are_not_annotated_are_left_out_and_counted():
    scores = score([DOCUMENT], [[COMPOSITE, ASPIRIN, FU]], ["Disease"])
    assert (scores.total, scores.unscored) == (Counts(1, 1, 1), 2)


def iob2(spans: dict[tuple[int, int], str]) -> list[str]:
    """Labels of the twelve words of `TEXT` (``5``, ``-`` and ``FU`` are words), written by hand from word spans."""
    labels = ["O"] * 12
    for (start, end), type_ in spans.items():
        labels[start:end] = [f"B-{type_}"] + [f"I-{type_}"] * (end - start - 1)
    return labels


# Words: hepatic and renal toxicity after aspirin , aspirin and 5 - FU
GOLD = {(0, 4): "Disease", (5, 6): "Chemical", (7, 8): "Chemical", (9, 12): "Chemical"}


@pytest.mark.parametrize(
    ("predicted", "words"),
    [
        ([COMPOSITE, ASPIRIN, AGAIN, FU], GOLD),
        ([COMPOSITE, ASPIRIN], {(0, 4): "Disease", (5, 6): "Chemical"}),
        ([moved(COMPOSITE, end=-9), AGAIN, FU], {(0, 3): "Disease", (7, 8): "Chemical", (9, 12): "Chemical"}),
        ([moved(ASPIRIN, type_="Disease"), AGAIN], {(5, 6): "Disease", (7, 8): "Chemical"}),
        ([moved(FU, start=1)], {(10, 12): "Chemical"}),
        ([], {}),
    ],
    ids=["all", "some", "boundary off", "wrong type", "head missing", "none"],
)
def test_seqeval_on_the_same_predictions_agrees(predicted, words):
    scores = score([DOCUMENT], [predicted], TYPES)
    theirs = f1_score([iob2(GOLD)], [iob2(words)], mode="strict", scheme=IOB2, zero_division=0)
    assert scores.seqeval == pytest.approx(theirs)
    assert scores.total.f1 == pytest.approx(theirs), "all of these stand on word borders"


def test_adjacent_mentions_of_one_type_are_two():
    document = Document("1", "aspirin ibuprofen", (Entity(0, 7, "Chemical", ""), Entity(8, 17, "Chemical", "")))
    as_one = [Entity(0, 17, "Chemical", "")]
    assert score([document], [document.entities], TYPES).total == Counts(2, 2, 2)
    assert score([document], [document.entities], TYPES).seqeval == 1
    assert score([document], [as_one], TYPES).total == Counts(0, 1, 2)
    assert score([document], [as_one], TYPES).seqeval == 0


def test_a_boundary_within_a_word_counts_for_the_official_rule_alone():
    predicted = [moved(ASPIRIN, end=-1)]
    scores = score([DOCUMENT], [predicted], TYPES)
    assert scores.total.correct == 0
    assert scores.seqeval == pytest.approx(2 * 1 / (1 + 4))


def test_without_gold_or_predictions_f1_is_0():
    assert score([Document("1", "a")], [[]], TYPES).total.f1 == 0
