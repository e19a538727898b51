"""The decoder: valid label sequences, and short forms labelled as their long forms."""

import time
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.corpora import load_corpus
from engine.text.decoding import PASSAGE, SEQUENCE, Decoder, count_transitions, viterbi
from engine.text.labels import LabelSet
from engine.text.words import split_words

LABELS = LabelSet(("Chemical", "Disease"))
SCHEMES = {
    "IO": ["O", "Chemical", "Disease"],
    "IOB": ["O", "B-Chemical", "I-Chemical", "B-Disease", "I-Disease"],
    "BIOES": ["O", *(f"{prefix}-{type_}" for type_ in ("Chemical", "Disease") for prefix in "BIES")],
    "IOE": ["O", "I-Chemical", "E-Chemical"],
}


def distributions(labels, *words):
    """Distributions of words whose labels have these probabilities; O has the rest."""
    rows = np.zeros((len(words), len(labels)), np.float32)
    for row, of_word in zip(rows, words, strict=True):
        for name, probability in of_word.items():
            row[labels.names.index(name)] = probability
        row[0] = 1 - row.sum()
    return rows


def names(decoded, labels=LABELS):
    return [labels.names[label] for label in decoded.labels]


def random_distributions(seed, words, labels, sharpness=3):
    logits = np.random.default_rng(seed).normal(size=(words, labels)) * sharpness
    return (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)


def test_an_entity_does_not_begin_inside():
    text = "severe liver injury"
    uncertain = distributions(LABELS, {"B-Disease": 0.45}, {"I-Disease": 0.9}, {"I-Disease": 0.99})
    plain = Decoder(LABELS, constraints=False, abbreviations=False).decode(text, split_words(text), uncertain)
    assert names(plain) == ["O", "I-Disease", "I-Disease"]
    decoded = Decoder(LABELS, abbreviations=False).decode(text, split_words(text), uncertain)
    assert names(decoded) == ["B-Disease", "I-Disease", "I-Disease"]
    assert [(e.text, e.type, e.score) for e in decoded.entities] == [(text, "Disease", pytest.approx(0.45))]
    assert decoded.changed == {0: SEQUENCE}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("seed", range(5))
def test_the_sequence_is_the_best_of_all_valid_ones(scheme, seed):
    labels, words = LabelSet.from_names(SCHEMES[scheme]), 4
    probabilities = random_distributions(seed, words, len(labels))
    transitions = np.random.default_rng(seed).normal(size=(len(labels),) * 2)
    decoder = Decoder(labels, transitions, abbreviations=False)

    def score(sequence):
        pairs = list(zip((0, *sequence), (*sequence, 0), strict=True))
        if not all(labels.may_follow[pair] for pair in pairs):
            return -np.inf
        return sum(np.log(probabilities[range(words), sequence])) + sum(transitions[pair] for pair in pairs)

    best = max(product(range(len(labels)), repeat=words), key=score)
    decoded = viterbi(probabilities, probabilities.argmax(1), np.ones(words, bool), decoder._scores)
    assert tuple(decoded) == best


@given(seed=st.integers(0, 10**6), words=st.integers(0, 30), scheme=st.sampled_from(sorted(SCHEMES)))
def test_labels_are_valid_and_agree_with_the_entities(seed, words, scheme):
    labels = LabelSet.from_names(SCHEMES[scheme])
    text = " ".join("abcdefgh"[index % 8] for index in range(words))
    probabilities = random_distributions(seed, words, len(labels))
    decoder = Decoder(labels, np.zeros((len(labels),) * 2))
    decoded = decoder.decode(text, split_words(text), probabilities)
    path = [0, *decoded.labels, 0]
    assert labels.may_follow[path[:-1], path[1:]].all()
    assert list(decoded.entities) == labels.spans(text, split_words(text), decoded.labels, probabilities)
    assert set(decoded.changed) == set(np.flatnonzero(decoded.labels != probabilities.argmax(1)))


@pytest.mark.parametrize("name", ["bc5cdr", "ncbi-disease"])
@pytest.mark.slow
def test_runs_of_uncertain_words_give_the_best_sequence_of_whole_texts(name, shipped):
    corpus = load_corpus(name, "dev", limit=100)
    for result in shipped.tag_batch([document.text for document in corpus.documents]):
        every = np.ones(len(result.words), bool)
        likeliest = result.probabilities.argmax(1)
        whole = viterbi(result.probabilities, likeliest, every, shipped.decoder._scores)
        decoder = Decoder(shipped.labels, shipped.decoder.transitions, abbreviations=False)
        assert (decoder.decode(result.text, result.words, result.probabilities).labels == whole).all()


def test_iob1_in_which_i_begins_most_entities_is_left_as_it_is():
    text = "aspirin and severe pain"
    probabilities = distributions(LABELS, {"I-Chemical": 0.9}, {}, {"I-Disease": 0.9}, {"I-Disease": 0.9})
    decoded = Decoder(LABELS).decode(text, split_words(text), probabilities)
    assert [entity.text for entity in decoded.entities] == ["aspirin", "severe pain"]
    assert decoded.changed == {}


def test_the_schemes_exclude_what_no_annotator_writes():
    may = {
        scheme: {(a, b): LabelSet.from_names(of).may_follow[i, j] for i, a in enumerate(of) for j, b in enumerate(of)}
        for scheme, of in SCHEMES.items()
    }
    assert all(may["IO"].values())
    assert all(may["IOE"].values())
    excluded = {pair for pair, is_valid in may["IOB"].items() if not is_valid}
    assert excluded == {
        *(("O", f"I-{type_}") for type_ in ("Chemical", "Disease")),
        *(
            (f"{prefix}-{a}", f"I-{b}")
            for prefix in "BI"
            for a, b in [("Chemical", "Disease"), ("Disease", "Chemical")]
        ),
    }
    bioes = may["BIOES"]
    assert bioes["B-Chemical", "E-Chemical"]
    assert bioes["E-Chemical", "B-Chemical"]
    for pair in [("B-Chemical", "O"), ("I-Chemical", "O"), ("O", "E-Chemical"), ("S-Chemical", "I-Chemical")]:
        assert not bioes[pair]


TD = "Patients with tardive dyskinesia (TD) were seen. TD improved; TD-like signs, but TDX did not."


def decode_td(short, long=0.9, **switches):
    """Decodes the text in which each word ``TD`` has the same distribution."""
    words = split_words(TD)
    of_words = [
        {"tardive": {"B-Disease": long}, "dyskinesia": {"I-Disease": long}, "TD": short}.get(TD[start:end], {})
        for start, end in words
    ]
    return Decoder(LABELS, **switches).decode(TD, words, distributions(LABELS, *of_words))


def test_every_short_form_gets_the_type_and_score_of_its_long_form():
    for short in ({}, {"B-Chemical": 0.8}):
        decoded = decode_td(short)
        found = [(entity.text, entity.type, round(entity.score, 2)) for entity in decoded.entities]
        assert found == [("tardive dyskinesia", "Disease", 0.9), *[("TD", "Disease", 0.9)] * 3]
        assert set(decoded.changed.values()) == {"short form of tardive dyskinesia"}
        assert len(decoded.changed) == 3
        assert [entity.text for entity in decode_td(short, abbreviations=False).entities].count("TD") == 3 * bool(short)


def test_short_forms_of_what_is_no_entity_are_none():
    decoded = decode_td({"B-Disease": 0.8}, long=0.1)
    assert decoded.entities == ()
    assert set(decoded.changed.values()) == {"short form of tardive dyskinesia, which is no entity"}


def test_a_short_form_within_a_longer_entity_is_left_as_it_is():
    text = "tardive dyskinesia (TD), TD syndrome"
    words = split_words(text)
    rows = [{"B-Disease": 0.9}, {"I-Disease": 0.9}, {}, {}, {}, {}, {"B-Chemical": 0.9}, {"I-Chemical": 0.9}]
    decoded = Decoder(LABELS).decode(text, words, distributions(LABELS, *rows))
    assert [(e.text, e.type) for e in decoded.entities][1:] == [("TD", "Disease"), ("TD syndrome", "Chemical")]


@pytest.mark.parametrize("scheme", ["IOB", "BIOES"])
def test_an_entity_is_cut_where_a_passage_ends(scheme):
    text, labels = "Acute renal\nfailure was seen", LabelSet.from_names(SCHEMES[scheme])
    last = "E-Disease" if scheme == "BIOES" else "I-Disease"
    rows = [{"B-Disease": 0.9}, {"I-Disease": 0.9}, {last: 0.9}, {}, {}]
    given = text, split_words(text), distributions(labels, *rows)
    assert [entity.text for entity in Decoder(labels).decode(*given).entities] == ["Acute renal\nfailure"]
    decoded = Decoder(labels).decode(*given, breaks=[11])
    assert [(entity.text, entity.start) for entity in decoded.entities] == [("Acute renal", 0), ("failure", 12)]
    path = [0, *decoded.labels, 0]
    assert labels.may_follow[path[:-1], path[1:]].all()
    assert set(decoded.changed) == set(np.flatnonzero(decoded.labels != given[2].argmax(1)))
    assert set(decoded.changed.values()) == {PASSAGE}


@pytest.mark.parametrize(("end", "found"), [(8, 3), (48, 3), (21, 0)])
def test_no_long_form_crosses_the_end_of_a_passage_but_short_forms_stand_in_every_passage(end, found):
    words = split_words(TD)
    rows = [{"dyskinesia": {"B-Disease": 0.9}}.get(TD[start:end_], {}) for start, end_ in words]
    decoded = Decoder(LABELS).decode(TD, words, distributions(LABELS, *rows), breaks=[end])
    assert [entity.text for entity in decoded.entities].count("TD") == found


def test_a_text_of_short_forms_alone_does_not_take_quadratic_time():
    text = "tardive dyskinesia (TD) " + "TD " * 30_000
    words = split_words(text)
    rows = np.tile(distributions(LABELS, {}), (len(words), 1))
    rows[:2] = distributions(LABELS, {"B-Disease": 0.9}, {"I-Disease": 0.9})
    begin = time.perf_counter()
    assert len(Decoder(LABELS).decode(text, words, rows).entities) == 30_002
    assert time.perf_counter() - begin < 5, "0.7 s, or half a minute if each short form is compared with each entity"


def test_transitions_are_counted_from_annotated_texts():
    scores = count_transitions(LABELS, [np.array([0, 1, 2, 0]), np.array([0, 1, 2, 2])], weight=1)
    assert scores.shape == (5, 5)
    assert scores[1, 2] > 0 > scores[0, 2]
    assert count_transitions(LABELS, [np.array([0, 1])], weight=0.5) == pytest.approx(
        count_transitions(LABELS, [np.array([0, 1])], weight=1) / 2
    )
