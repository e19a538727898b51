from collections import Counter

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.paths import State
from engine.text.documents import Entity
from eval.analysis.errors import align, changes, exit_rows, outcome
from eval.schema import EXIT_COLUMNS
from tests.eval.analysis.made_up import DRUG, FAILURE, GOLD, TYPES, compared, document, entity

RENAL, LONE, LONGER = (entity(text, "Disease") for text in ("Renal", "failure", "Renal failure followed"))
MISTYPED, DOSES = entity("Renal failure", "Chemical"), entity("doses", "Chemical")


def counts(compared_document):
    """The rows of ``exits.csv``, by layer and label."""
    return {(row["layer"], row["gold"]): row for row in exit_rows(compared(compared_document))}


def outcomes(gold, predicted):
    return Counter(map(outcome, align(gold, predicted)))


@pytest.mark.parametrize(("predicted", "expected"), [
    ([FAILURE, DRUG], {"exact": 2}),
    ([], {"missed": 2}),
    ([LONE, DRUG], {"wrong boundary": 1, "exact": 1}),
    ([MISTYPED, DRUG], {"wrong type": 1, "exact": 1}),
    ([entity("failure", "Chemical"), DRUG], {"wrong type": 1, "exact": 1}),
    ([FAILURE, DRUG, DOSES], {"exact": 2, "spurious": 1}),
    # One mention has one partner: the rest of a mention that was cut in two is spurious.
    ([RENAL, LONE, DRUG], {"wrong boundary": 1, "spurious": 1, "exact": 1}),
    # An equal span beats an equal type.
    ([MISTYPED, LONE], {"wrong type": 1, "spurious": 1, "missed": 1}),
])  # fmt: skip
def test_mentions_and_predictions_are_paired_one_to_one(predicted, expected):
    assert outcomes(GOLD, predicted) == expected


spans = st.tuples(st.integers(0, 20), st.integers(1, 6), st.sampled_from(TYPES))
sides = st.lists(
    spans.map(lambda s: Entity(s[0], s[0] + s[1], s[2], "x" * s[1])), max_size=8, unique_by=lambda e: e.key
)


@given(sides, sides)
def test_outcomes_add_up_to_what_the_scorer_counts(gold, predicted):
    found = outcomes(gold, predicted)
    assert found["exact"] == len({e.key for e in gold} & {e.key for e in predicted})
    assert sum(found.values()) - found["spurious"] == len(gold)
    assert sum(found.values()) - found["missed"] == len(predicted)


EXITED, BACK = {0: 2, 1: 2}, {0: (2, State.RECOVERED), 1: (2, State.RECOVERED)}  # Renal, failure


@pytest.mark.parametrize(("dense", "pruned", "recovers", "exits", "expected"), [
    (GOLD, [DRUG], False, EXITED, ("caused", "missed", "mislabelled at the gate")),
    (GOLD, [LONE, DRUG], False, {0: 2}, ("caused", "wrong boundary", "span cut")),
    (GOLD, [MISTYPED, DRUG], False, {}, ("caused", "wrong type", "context lost")),
    (GOLD, [FAILURE, DRUG, DOSES], False, {4: 2}, ("caused", "spurious", "mislabelled at the gate")),
    # The mention kept its labels; the word after it exited with its own label.
    (GOLD, [LONGER, DRUG], False, {2: 4}, ("caused", "wrong boundary", "mislabelled at the gate")),
    (GOLD, [DRUG], True, EXITED, ("caused", "missed", "not recovered")),
    (GOLD, [DRUG], True, BACK, ("caused", "missed", "context lost")),
    ([DRUG], GOLD, False, EXITED, ("fixed", "missed", "right at the gate")),
    ([FAILURE, DRUG, DOSES], GOLD, False, {}, ("fixed", "spurious", "less context")),
])  # fmt: skip
def test_how_pruning_causes_and_fixes_an_error(dense, pruned, recovers, exits, expected):
    assert list(changes(document(GOLD, dense, pruned, exits), recovers=recovers)) == [expected]


def test_an_error_that_only_changed_and_types_that_are_not_scored_count_as_none():
    assert not list(changes(document([FAILURE], [], [LONE], exits=EXITED)))
    assert not list(changes(document([], [entity("high doses", "Chemical")], [DOSES], exits=EXITED)))
    scored = document(GOLD, GOLD, GOLD, types=("Disease",))
    assert scored.gold == scored.found == (FAILURE,)


def test_the_counts_of_errors_are_those_of_the_scorer(analysed):
    counts, out = analysed
    errors, confusion = (pd.read_csv(out / f"{name}.csv", keep_default_na=False) for name in ("errors", "confusion"))
    errors = errors.groupby(["variant", "part", "outcome"])["count"].sum()
    for name, of in counts.items():
        gold, counted = errors[name]["against gold"], confusion[confusion["variant"] == name]
        assert gold["exact"] == of.correct
        assert gold.sum() - gold["spurious"] == counted.loc[counted["gold"] != "none", "count"].sum() == of.gold
        assert gold.sum() - gold["missed"] == counted.loc[counted["predicted"] != "none", "count"].sum() == of.predicted
        if name != "dense":
            caused, fixed = (errors[name][part].drop("spurious").sum() for part in ("caused", "fixed"))
            assert caused - fixed == counts["dense"].correct - of.correct
            assert caused + fixed > 0, "nothing happened"


def test_every_word_that_exited_has_one_fate(analysed):
    _, out = analysed
    rows = pd.read_csv(out / "exits.csv", keep_default_na=False).to_dict("records")
    plain, recovering = ([r for r in rows if r["variant"] == name] for name in ("entropy", "entropy+recovery"))
    for row in rows:
        assert row["exited"] == sum(row[column] for column in EXIT_COLUMNS) <= row["words"]
        assert row["dense_right"] <= row["wrong_at_gate"] + row["recovered_wrong"]
    assert all(row["recovered_right"] == row["recovered_wrong"] == 0 for row in plain)
    assert sum(row["recovered_right"] + row["recovered_wrong"] for row in recovering) > 0
    assert [row["exited"] for row in plain] == [row["exited"] for row in recovering]


def test_fates_of_entity_words_by_layer_and_label():
    table = counts(document(GOLD, GOLD, [RENAL, DRUG], exits={0: 2, 1: 2, 6: (4, State.RECOVERED)}))
    assert table[2, "B-Disease"]["right_at_gate"] == table[2, "B-Disease"]["share_exited"] == 1
    assert table[2, "I-Disease"]["wrong_at_gate"] == table[2, "I-Disease"]["dense_right"] == 1
    assert table[4, "B-Chemical"]["recovered_right"] == 1
    assert table[2, "B-Chemical"]["exited"] == table[4, "O"]["exited"] == 0
    wrong_in_both = counts(document([DRUG], [], [], exits={6: 4}))[4, "B-Chemical"]
    assert (wrong_in_both["wrong_at_gate"], wrong_in_both["dense_right"]) == (1, 0)
