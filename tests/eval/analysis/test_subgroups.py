import numpy as np
import pytest

from engine.text.documents import Document
from engine.text.scoring import count_documents
from eval.analysis.subgroups import DIMENSIONS, TRAINING_DIMENSIONS, count_mentions, is_abbreviation
from eval.statistics import FEWEST, compare_f1
from tests.eval.analysis.analysis_cases import DRUG, FAILURE, GOLD, LAYERS, TEXT, entity, gaps_if_lost, grouped


def row(rows, dimension, group, strategy="entropy"):
    (found,) = (r for r in rows if (r["strategy"], r["dimension"], r["group"]) == (strategy, dimension, group))
    return found


@pytest.mark.parametrize(("text", "expected"), [
    ("MPTP", True), ("5-HT", True), ("NaCl", True), ("TdP", True),
    ("Renal", False), ("renal failure", False), ("A", False), ("ACUTE RENAL", False), ("Hepatitis B", False),
])  # fmt: skip
def test_abbreviations(text, expected):
    assert is_abbreviation(text) == expected


def test_every_mention_is_in_one_group_of_each_dimension():
    training = count_mentions([Document("t", TEXT, (FAILURE,) * 2)])
    rows, _ = grouped((GOLD, GOLD, [DRUG]), training=training, title_end=15)
    expected = {
        ("type", "Chemical"), ("type", "Disease"), ("training split", "seen"), ("training split", "unseen"),
        ("frequency", "rare (1–4)"), ("words", "one"), ("words", "several"), ("abbreviation", "full form"),
        ("position", "title"), ("position", "abstract"), ("document", "up to 150 words"), ("pieces per word", "1"),
        ("pieces per word", "up to 2"),
    }  # fmt: skip
    assert {(r["dimension"], r["group"]) for r in rows} == expected
    for dimension in set(DIMENSIONS) - {"frequency"}:  # unseen mentions have none
        of = [r for r in rows if r["strategy"] == "entropy" and r["dimension"] == dimension]
        assert sum(r["support"] for r in of) == 2
        assert sum(r["correct"] for r in of) == sum(r["predicted"] for r in of) == 1


def test_without_training_mentions_or_titles_their_groups_are_left_out():
    rows, _ = grouped((GOLD, GOLD, [DRUG]))
    assert not {r["dimension"] for r in rows} & {*TRAINING_DIMENSIONS, "position"}


def test_a_prediction_counts_in_its_own_group():
    rows, _ = grouped((GOLD, GOLD, [entity("failure", "Disease"), DRUG]))
    several, one = row(rows, "words", "several"), row(rows, "words", "one")
    assert (several["support"], several["predicted"], several["recall"]) == (1, 0, 0)
    assert (one["support"], one["predicted"], one["f1"], one["recall"]) == (1, 2, pytest.approx(2 / 3), 1)


def test_the_keep_rate_is_that_of_the_words_of_the_gold_mentions():
    rows, _ = grouped((GOLD, GOLD, GOLD), exits={0: (2, "exited"), 1: (4, "recovered"), 2: (1, "exited")})
    assert row(rows, "type", "Disease")["keep_rate"] == pytest.approx((2 + LAYERS) / (2 * LAYERS))
    assert row(rows, "type", "Chemical")["keep_rate"] == 1


def test_intervals_are_those_of_the_paired_bootstrap():
    documents = [Document(str(n), TEXT, tuple(GOLD)) for n in range(12)]
    own = [[DRUG] if n % 3 else GOLD for n in range(12)]
    dense = [[FAILURE] if n % 5 == 0 else GOLD for n in range(12)]
    rows, _ = grouped(*((GOLD, *found) for found in zip(dense, own, strict=True)), seed=7)
    counts, reference = (count_documents(documents, found, ["Disease"]) for found in (own, dense))
    found = row(rows, "type", "Disease")
    expected = compare_f1([counts], [reference], 7)
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["significant"]
    assert not row(rows, "type", "Chemical")["significant"]


def test_the_gap_of_a_group_that_loses_often_is_significant_and_of_one_that_loses_once_is_not():
    gaps = gaps_if_lost(range(0, 60, 2))
    assert {(g["group"], g["other"]) for g in gaps if g["significant"]} >= {("Disease", "Chemical")}
    assert not any(g["significant"] for g in gaps_if_lost([7]))


def test_a_group_in_few_documents_has_no_interval_and_no_gap():
    """Resamples of the documents often have none of its mentions, and F1 is then 0 by convention."""
    golds = [GOLD] * (FEWEST - 1) + [[DRUG]] * (13 - FEWEST)
    rows, _ = grouped(*((gold, gold, [DRUG] if n % 2 else gold) for n, gold in enumerate(golds)))
    few, many = row(rows, "type", "Disease"), row(rows, "type", "Chemical")
    assert few["documents"] == FEWEST - 1
    assert np.isnan([few["f1_low"], few["f1_high"], few["low"], few["high"]]).all()
    assert not few["significant"]
    assert np.isfinite([many["f1_low"], many["f1_high"], many["low"], many["high"]]).all()


def test_no_documents_no_rows():
    assert grouped() == ([], [])
