from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.corpora import load_corpus
from engine.text.documents import Entity
from engine.text.scoring import Counts, count_documents
from eval.analysis.comparison import Compared
from eval.analysis.errors import Errors, align, changes
from eval.analysis.exits import Exits
from eval.measure.analyses import run_of
from eval.report import SAMPLE
from eval.schema import FATES
from tests.eval.analysis.analysis_cases import DENSE, DRUG, FAILURE, RECOVERING, TEXT, TYPES, compared, entity, made

RENAL, LONE, LONGER = (entity(text, "Disease") for text in ("Renal", "failure", "Renal failure followed"))
MISTYPED = entity("Renal failure", "Chemical")


def outcomes(gold, predicted):
    return Counter(pair.outcome for pair in align(gold, predicted))


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ([FAILURE, DRUG], {"exact": 2}),
        ([], {"missed": 2}),
        ([LONE, DRUG], {"wrong boundary": 1, "exact": 1}),
        ([MISTYPED, DRUG], {"wrong type": 1, "exact": 1}),
        ([entity("failure", "Chemical"), DRUG], {"wrong type": 1, "exact": 1}),
        ([FAILURE, DRUG, entity("doses", "Chemical")], {"exact": 2, "spurious": 1}),
        # One mention has one partner: the rest of a mention that was cut in two is spurious.
        (
            [RENAL, LONE, DRUG],
            {"wrong boundary": 1, "spurious": 1, "exact": 1},
        ),
        # An equal span beats an equal type.
        (
            [MISTYPED, LONE],
            {"wrong type": 1, "spurious": 1, "missed": 1},
        ),
    ],
)
def test_mentions_and_predictions_are_paired_one_to_one(predicted, expected):
    assert outcomes([FAILURE, DRUG], predicted) == expected


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


LEFT = {0: (2, "exited"), 1: (2, "exited")}  # Renal, failure
CUT = {0: (2, "exited")}
BACK = {0: (2, "recovered"), 1: (2, "recovered")}


@pytest.mark.parametrize(
    ("own", "fates", "outcome", "how"),
    [
        ([DRUG], LEFT, "missed", "mislabelled at the gate"),
        ([LONE, DRUG], CUT, "wrong boundary", "span cut"),
        ([MISTYPED, DRUG], {}, "wrong type", "context lost"),
        ([DRUG], BACK, "missed", "context lost"),
        ([FAILURE, DRUG, entity("doses", "Chemical")], {4: (2, "exited")}, "spurious", "mislabelled at the gate"),
        # The mention kept its labels; the word after it exited with its own label.
        (
            [LONGER, DRUG],
            {2: (4, "exited")},
            "wrong boundary",
            "mislabelled at the gate",
        ),
    ],
)
def test_how_pruning_causes_an_error(own, fates, outcome, how):
    (change,) = changes(compared([FAILURE, DRUG], [FAILURE, DRUG], own, fates=fates))
    assert (change.part, change.outcome, change.how) == ("caused", outcome, how)


def test_where_recovery_could_have_helped_the_words_are_not_recovered():
    (change,) = changes(compared([FAILURE], [FAILURE], [], RECOVERING, LEFT))
    assert change.how == "not recovered"
    (change,) = changes(compared([FAILURE], [FAILURE], [], RECOVERING, BACK))
    assert change.how == "context lost"


def test_pruning_cures_at_the_gate_or_by_less_context():
    (change,) = changes(compared([FAILURE], [], [FAILURE], fates=LEFT))
    assert (change.part, change.outcome, change.how) == ("fixed", "missed", "right at the gate")
    (change,) = changes(compared([FAILURE], [FAILURE, DRUG], [FAILURE]))
    assert (change.part, change.outcome, change.how) == ("fixed", "spurious", "less context")


def test_an_error_that_only_changed_is_neither_caused_nor_fixed():
    assert not list(changes(compared([FAILURE], [], [LONE], fates=LEFT)))
    false = (entity("high doses", "Chemical"), entity("doses", "Chemical"))
    assert not list(changes(compared([], [false[0]], [false[1]], fates=LEFT)))


@pytest.fixture(scope="module")
def run(engine):
    corpus = load_corpus(str(SAMPLE), limit=8)
    texts = [document.text for document in corpus.documents]
    settings = {"gates": (1, 2), "max_entropy": 0.45, "exit_entities": True}
    strategies = [
        engine.strategy("dense"),
        engine.strategy("entropy", **settings),
        engine.strategy("entropy+recovery", **settings, min_confidence=1.0, recovery_limit=5),
    ]
    errors, exits, counts = Errors(), Exits(), {}
    dense = []
    for strategy in strategies:
        runs = [run_of(result) for result in engine.tag_batch(texts, strategy)]
        dense = dense or runs
        found = [run.entities for run in runs]
        counts[strategy.name] = Counts.total(count_documents(corpus.documents, found, corpus.types))
        for document, run, reference in zip(corpus.documents, runs, dense, strict=True):
            one = Compared(document, corpus.types, run, reference)
            errors.add(one)
            exits.add(one)
    return corpus, errors, exits, counts


def test_a_run_agrees_with_the_scorer_and_with_itself(run):
    corpus, errors, _, counts = run
    table = {name: Counter() for name in counts}
    for row in errors.rows():
        table[row["strategy"]][row["part"], row["outcome"]] += row["count"]
    confusion = Counter()
    for row in errors.confusion_rows(corpus.types):
        confusion[row["strategy"], "gold", row["gold"]] += row["count"]
        confusion[row["strategy"], "predicted", row["predicted"]] += row["count"]
    for name, of in counts.items():
        gold = {
            outcome: table[name]["against gold", outcome]
            for outcome in ("exact", "wrong boundary", "wrong type", "missed", "spurious")
        }
        assert gold["exact"] == of.correct
        assert sum(gold.values()) - gold["spurious"] == of.gold
        assert sum(gold.values()) - gold["missed"] == of.predicted
        assert sum(confusion[name, "gold", type_] for type_ in corpus.types) == of.gold
        assert confusion[name, "predicted", "none"] == gold["missed"]

        def mentions(part, of=table[name]):
            return sum(count for (p, outcome), count in of.items() if p == part and outcome != "spurious")

        assert mentions("caused") - mentions("fixed") == counts["dense"].correct - of.correct
    differs = [count for (part, _), count in table["entropy"].items() if part in ("caused", "fixed")]
    assert sum(differs) > 0, "nothing happened"


def test_every_word_that_left_has_one_fate(run):
    _, _, exits, _ = run
    rows = list(exits.rows())
    assert {row["strategy"] for row in rows} == {"entropy", "entropy+recovery"}
    by_name = {name: [row for row in rows if row["strategy"] == name] for name in ("entropy", "entropy+recovery")}
    for row in rows:
        assert row["exited"] == sum(row[fate] for fate in FATES) <= row["words"]
        assert row["dense_right"] <= row["wrong_at_gate"] + row["recovered_wrong"]
    assert all(row["recovered_right"] == row["recovered_wrong"] == 0 for row in by_name["entropy"])
    assert sum(row["recovered_right"] + row["recovered_wrong"] for row in by_name["entropy+recovery"]) > 0
    assert [r["exited"] for r in by_name["entropy"]] == [r["exited"] for r in by_name["entropy+recovery"]]


def test_fates_of_entity_words_by_layer_and_label():
    exits = Exits()
    fates = {0: (2, "exited"), 1: (2, "exited"), 6: (4, "recovered")}
    exits.add(compared([FAILURE, DRUG], [FAILURE, DRUG], [RENAL, DRUG], fates=fates))
    table = {(row["layer"], row["label"]): row for row in exits.rows()}
    assert table[2, "B-Disease"]["right_at_gate"] == table[2, "B-Disease"]["share_exited"] == 1
    assert table[2, "I-Disease"]["wrong_at_gate"] == table[2, "I-Disease"]["dense_right"] == 1
    assert table[4, "B-Chemical"]["recovered_right"] == 1
    assert table[2, "B-Chemical"]["exited"] == table[4, "O"]["exited"] == 0


def test_types_that_are_not_scored_count_as_none():
    own = made(TEXT, [FAILURE, DRUG], DENSE, {})
    document = compared([FAILURE, DRUG], [], []).document
    one = Compared(document, ("Disease",), own, own)
    assert one.gold == one.found == (FAILURE,)


def test_a_word_that_dense_has_wrong_too_is_not_lost_by_pruning():
    exits = Exits()
    exits.add(compared([DRUG], [], [], fates={6: (4, "exited")}))
    (row,) = (row for row in exits.rows() if (row["layer"], row["label"]) == (4, "B-Chemical"))
    assert (row["wrong_at_gate"], row["dense_right"]) == (1, 0)
