"""A strategy's entities against those of dense: what happened to each, and why."""

from dataclasses import replace

import numpy as np
import pytest

from demo.common.differences import differences
from demo.common.markup import label_name

LONG = {"O": "O", "B": "B-Disease", "I": "I-Disease", "C": "B-Chemical"}


def results(engine, labels, dense_labels):
    """Results with these labels, a letter per word; under the strategy all words exited at layer 1."""
    names = engine.labels.names

    def result(strategy, letters):
        found = engine.tag("severe acute renal failure", strategy)
        probabilities = np.eye(len(names), dtype=np.float32)[[names.index(LONG[letter]) for letter in letters]]
        entities = engine.labels.decode(found.text, found.words, probabilities)
        paths = replace(found.paths, label=np.array([LONG[letter] for letter in letters]))
        return replace(found, probabilities=probabilities, entities=entities, paths=paths)

    return result("truncate-1", labels), result("dense", dense_labels)


@pytest.mark.parametrize(
    ("labels", "dense_labels", "expected"),
    [
        ("OOBI", "OOBI", [("same", "renal failure")]),
        ("OOOO", "OOBI", [("lost", "renal failure")]),
        ("OOBI", "OOOO", [("new", "renal failure")]),
        ("OBII", "OOBI", [("changed", "acute renal failure")]),
        ("OOOC", "OOOB", [("changed", "failure")]),
        ("OOBB", "OOBI", [("changed", "renal"), ("changed", "failure")]),
        ("OBOI", "OBII", [("changed", "acute"), ("changed", "failure")]),
        ("OBII", "OBOI", [("changed", "acute renal failure")]),
        ("BOOO", "OOBI", [("lost", "renal failure"), ("new", "severe")]),
        ("OOOO", "OOOO", []),
    ],
)
def test_every_entity_of_either_has_one_fate(engine, labels, dense_labels, expected):
    assert [(one.kind, one.entity.text) for one in differences(*results(engine, labels, dense_labels))] == expected


@pytest.mark.parametrize(
    ("labels", "dense_labels", "reason"),
    [
        ("OOBO", "OOBI", "“failure” exited after layer 1, labelled no entity instead of inside Disease"),
        ("OOOO", "OOOB", "“failure” exited after layer 1, labelled no entity instead of begin Disease"),
        ("OOOO", "BIII", "; and 2 more"),
        # where one has become several or several one, it covers all
        ("OBOI", "OBII", "“renal” exited after layer 1, labelled no entity instead of inside Disease"),
        ("OBII", "OBOI", "“renal” exited after layer 1, labelled inside Disease instead of no entity"),
        ("OOBB", "OOBI", "“failure” exited after layer 1, labelled begin Disease instead of inside Disease"),
        ("OOBI", "OOBI", "exited after layer 1, with the same labels as dense"),
    ],
)
def test_a_reason_names_the_word_its_layer_and_its_labels(engine, labels, dense_labels, reason):
    assert all(one.reason.endswith(reason) for one in differences(*results(engine, labels, dense_labels)))


def test_a_reason_tells_words_that_reached_the_last_layer(engine):
    pruned, dense = results(engine, "OOBO", "OOBI")
    paths = replace(dense.paths, label=pruned.paths.label)
    unpruned = replace(dense, probabilities=pruned.probabilities, entities=pruned.entities, paths=paths)
    (changed,) = differences(unpruned, dense)
    assert changed.reason == "“failure” reached the last layer, labelled no entity instead of inside Disease"
    assert differences(dense, dense)[0].reason == "reached the last layer, with the same labels as dense"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("O", "no entity"),
        ("B-Chemical", "begin Chemical"),
        ("I-Chemical", "inside Chemical"),
        ("L-Chemical", "end Chemical"),
        ("U-Chemical", "single Chemical"),
        ("Chemical", "inside Chemical"),
    ],
)
def test_labels_of_every_scheme_have_a_name(label, name):
    assert label_name(label) == name
