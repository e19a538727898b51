from collections import Counter

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.corpora import load_corpus
from engine.text.documents import Entity
from engine.text.scoring import Counts, count_documents
from eval.analysis.errors import Errors, align, changes
from eval.analysis.exits import Exits
from eval.measure import analyses
from eval.options import SAMPLE
from eval.schema import FATES, OUTCOMES, Confusion, ErrorCount, Exit, columns
from tests.eval.analysis.analysis_cases import DENSE, DRUG, ENTROPY, FAILURE, GOLD, RECOVERING, TYPES, compare, entity
from tests.eval.conftest import SETTINGS

RENAL, LONE, LONGER = (entity(text, "Disease") for text in ("Renal", "failure", "Renal failure followed"))
MISTYPED, DOSES = entity("Renal failure", "Chemical"), entity("doses", "Chemical")


def records(rows, row):
    """Rows by column."""
    return pd.DataFrame(rows, columns=columns(row)).to_dict("records")


def outcomes(gold, predicted):
    return Counter(pair.outcome for pair in align(gold, predicted))


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


EXITED = {0: (2, "exited"), 1: (2, "exited")}  # Renal, failure
BACK = {0: (2, "recovered"), 1: (2, "recovered")}


@pytest.mark.parametrize(("dense", "own", "strategy", "exits", "expected"), [
    (GOLD, [DRUG], ENTROPY, EXITED, ("caused", "missed", "mislabelled at the gate")),
    (GOLD, [LONE, DRUG], ENTROPY, {0: (2, "exited")}, ("caused", "wrong boundary", "span cut")),
    (GOLD, [MISTYPED, DRUG], ENTROPY, {}, ("caused", "wrong type", "context lost")),
    (GOLD, [FAILURE, DRUG, DOSES], ENTROPY, {4: (2, "exited")}, ("caused", "spurious", "mislabelled at the gate")),
    # The mention kept its labels; the word after it exited with its own label.
    (GOLD, [LONGER, DRUG], ENTROPY, {2: (4, "exited")}, ("caused", "wrong boundary", "mislabelled at the gate")),
    (GOLD, [DRUG], RECOVERING, EXITED, ("caused", "missed", "not recovered")),
    (GOLD, [DRUG], RECOVERING, BACK, ("caused", "missed", "context lost")),
    ([DRUG], GOLD, ENTROPY, EXITED, ("fixed", "missed", "right at the gate")),
    ([FAILURE, DRUG, DOSES], GOLD, ENTROPY, {}, ("fixed", "spurious", "less context")),
])  # fmt: skip
def test_how_pruning_causes_and_fixes_an_error(dense, own, strategy, exits, expected):
    (change,) = changes(compare(GOLD, dense, own, strategy, exits))
    assert (change.part, change.outcome, change.how) == expected


def test_an_error_that_only_changed_is_neither_caused_nor_fixed():
    assert not list(changes(compare([FAILURE], [], [LONE], exits=EXITED)))
    assert not list(changes(compare([], [entity("high doses", "Chemical")], [DOSES], exits=EXITED)))


def test_types_that_are_not_scored_count_as_none():
    one = compare(GOLD, GOLD, [], DENSE, types=("Disease",))
    assert one.gold == one.found == (FAILURE,)


@pytest.fixture(scope="module")
def run(engine):
    """Errors and exits of three strategies on a corpus, and what the scorer counts for each."""
    corpus = load_corpus(str(SAMPLE), limit=8)
    texts = [document.text for document in corpus.documents]
    strategies = [
        engine.strategy("dense"),
        engine.strategy("entropy", **SETTINGS),
        engine.strategy("entropy+recovery", **SETTINGS, min_confidence=1.0, recovery_limit=5),
    ]
    errors, exits, counts, dense = Errors(), Exits(), {}, []
    for strategy in strategies:
        found = engine.tag_batch(texts, strategy)
        dense = dense or found
        entities = [one.entities for one in found]
        counts[strategy.name] = Counts.total(count_documents(corpus.documents, entities, corpus.types))
        for document, own, by_dense in zip(corpus.documents, found, dense, strict=True):
            for collector in (errors, exits):
                collector.add(analyses.compare(document, corpus.types, own, by_dense))
    return corpus, errors, records(exits.rows(), Exit), counts


def test_a_run_agrees_with_the_scorer_and_with_itself(run):
    corpus, errors, _, counts = run
    table = {name: Counter() for name in counts}
    for row in records(errors.rows(), ErrorCount):
        table[row["strategy"]][row["part"], row["outcome"]] += row["count"]
    confusion = Counter()
    for row in records(errors.confusion_rows(corpus.types), Confusion):
        confusion[row["strategy"], "gold", row["gold"]] += row["count"]
        confusion[row["strategy"], "predicted", row["predicted"]] += row["count"]
    for name, of in counts.items():
        gold = {outcome: table[name]["against gold", outcome] for outcome in OUTCOMES}
        assert gold["exact"] == of.correct
        assert sum(gold.values()) - gold["spurious"] == of.gold
        assert sum(gold.values()) - gold["missed"] == of.predicted
        assert sum(confusion[name, "gold", type_] for type_ in corpus.types) == of.gold
        assert confusion[name, "predicted", "none"] == gold["missed"]
        caused, fixed = (
            sum(table[name][part, outcome] for outcome in OUTCOMES if outcome != "spurious")
            for part in ("caused", "fixed")
        )
        assert caused - fixed == counts["dense"].correct - of.correct
        assert caused + fixed > 0 or name == "dense", "nothing happened"


def test_every_word_that_exited_has_one_fate(run):
    _, _, rows, _ = run
    plain, recovering = ([r for r in rows if r["strategy"] == name] for name in ("entropy", "entropy+recovery"))
    assert len(plain) + len(recovering) == len(rows)
    for row in rows:
        assert row["exited"] == sum(row[fate] for fate in FATES) <= row["words"]
        assert row["dense_right"] <= row["wrong_at_gate"] + row["recovered_wrong"]
    assert all(row["recovered_right"] == row["recovered_wrong"] == 0 for row in plain)
    assert sum(row["recovered_right"] + row["recovered_wrong"] for row in recovering) > 0
    assert [row["exited"] for row in plain] == [row["exited"] for row in recovering]


def test_fates_of_entity_words_by_layer_and_label():
    exits, wrong_in_both = Exits(), Exits()
    states = {0: (2, "exited"), 1: (2, "exited"), 6: (4, "recovered")}
    exits.add(compare(GOLD, GOLD, [RENAL, DRUG], exits=states))
    table = {(row["layer"], row["label"]): row for row in records(exits.rows(), Exit)}
    assert table[2, "B-Disease"]["right_at_gate"] == table[2, "B-Disease"]["share_exited"] == 1
    assert table[2, "I-Disease"]["wrong_at_gate"] == table[2, "I-Disease"]["dense_right"] == 1
    assert table[4, "B-Chemical"]["recovered_right"] == 1
    assert table[2, "B-Chemical"]["exited"] == table[4, "O"]["exited"] == 0
    wrong_in_both.add(compare([DRUG], [], [], exits={6: (4, "exited")}))
    (row,) = (row for row in records(wrong_in_both.rows(), Exit) if (row["layer"], row["label"]) == (4, "B-Chemical"))
    assert (row["wrong_at_gate"], row["dense_right"]) == (1, 0)
