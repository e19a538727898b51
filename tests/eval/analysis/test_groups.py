import numpy as np
import pytest

from engine.text.documents import Document
from engine.text.scoring import count_documents
from eval.schema import TRAINING
from eval.statistics import FEWEST, compare_f1
from tests.eval.analysis.made_up import DRUG, FAILURE, GOLD, TEXT, entity, grouped


def row(rows, group, strategy="entropy"):
    (found,) = (r for r in rows if (r["variant"], r["group"]) == (strategy, group))
    return found


def test_mentions_are_grouped_by_type_and_training_mention_and_predictions_by_their_own():
    training = [Document("t", TEXT.upper(), (entity("RENAL FAILURE", "Disease", TEXT.upper()),))]
    rows = [r for r in grouped((GOLD, GOLD, [DRUG]), training=training) if r["variant"] == "entropy"]
    assert [(r["dimension"], r["group"], r["support"], r["correct"]) for r in rows] == [
        ("type", "Chemical", 1, 1),
        ("type", "Disease", 1, 0),
        (TRAINING, "seen", 1, 0),
        (TRAINING, "unseen", 1, 1),
    ]
    assert {r["dimension"] for r in grouped((GOLD, GOLD, [DRUG]))} == {"type"}, "without a training split"
    assert grouped() == []
    rows = grouped((GOLD, GOLD, [entity("Renal failure", "Chemical"), DRUG]))
    chemical, disease = row(rows, "Chemical"), row(rows, "Disease")
    assert (disease["support"], disease["predicted"], disease["recall"]) == (1, 0, 0)
    assert (chemical["support"], chemical["predicted"], chemical["f1"]) == (1, 2, pytest.approx(2 / 3))


def test_intervals_are_those_of_the_paired_bootstrap():
    documents = [Document(str(n), TEXT, tuple(GOLD)) for n in range(12)]
    pruned = [[DRUG] if n % 3 else GOLD for n in range(12)]
    dense = [[FAILURE] if n % 5 == 0 else GOLD for n in range(12)]
    rows = grouped(*((GOLD, *found) for found in zip(dense, pruned, strict=True)))
    counts, reference = (count_documents(documents, found, ["Disease"]) for found in (pruned, dense))
    found, expected = row(rows, "Disease"), compare_f1([counts], [reference])
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["significant"]
    assert not row(rows, "Chemical")["significant"]


def test_a_group_in_few_documents_has_no_interval():
    """Resamples of all documents would often have none of its mentions, and F1 is then 0 by convention."""
    golds = [GOLD] * (FEWEST - 1) + [[DRUG]] * (13 - FEWEST)
    rows = grouped(*((gold, gold, [DRUG] if n % 2 else gold) for n, gold in enumerate(golds)))
    few, many = row(rows, "Disease"), row(rows, "Chemical")
    assert few["documents"] == FEWEST - 1
    assert np.isnan([few["f1_low"], few["f1_high"], few["low"], few["high"]]).all()
    assert not few["significant"]
    assert np.isfinite([many["f1_low"], many["f1_high"], many["low"], many["high"]]).all()
