"""A strategy's entities against those of dense: what happened to each, and why."""

from dataclasses import replace

import numpy as np
import pytest

from demo.common.differences import differences

LONG = {"O": "O", "B": "B-Disease", "I": "I-Disease", "C": "B-Chemical"}


def results(engine, labels, dense_labels):
    """Results with these labels, a letter per word; under the strategy all words exited at layer 1."""
    names = engine.labels.names

    def result(strategy, letters):
        found = engine.tag("severe acute renal failure", strategy)
        probabilities = np.eye(len(names), dtype=np.float32)[[names.index(LONG[letter]) for letter in letters]]
        entities = engine.labels.decode(found.text, found.words, probabilities)
        return replace(found, probabilities=probabilities, entities=entities)

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
    found = differences(*results(engine, labels, dense_labels))
    assert [(one.kind, one.entity.text) for one in found] == expected


def test_reasons_name_the_word_its_layer_and_its_labels(engine):
    (changed,) = differences(*results(engine, "OOBO", "OOBI"))
    assert changed.reason == "“failure” exited after layer 1, labelled no entity instead of inside Disease"
    pruned, dense = results(engine, "OOBO", "OOBI")
    unpruned = replace(dense, probabilities=pruned.probabilities, entities=pruned.entities)
    (changed,) = differences(unpruned, dense)
    assert changed.reason == "“failure” reached the last layer, labelled no entity instead of inside Disease"
    (lost,) = differences(*results(engine, "OOOO", "OOOB"))
    assert lost.reason == "“failure” exited after layer 1, labelled no entity instead of begin Disease"
    (long,) = differences(*results(engine, "OOOO", "BIII"))
    assert long.reason.endswith("; and 2 more")


@pytest.mark.parametrize(("labels", "dense_labels"), [("OBOI", "OBII"), ("OBII", "OBOI"), ("OOBB", "OOBI")])
def test_where_one_has_become_several_or_several_one_the_reason_covers_all(engine, labels, dense_labels):
    found = differences(*results(engine, labels, dense_labels))
    assert {one.reason for one in found} == {found[0].reason}
    assert found[0].reason.startswith(("“renal” exited after layer 1, labelled", "“failure” exited"))


def test_reasons_of_the_same_entities_tell_where_they_were_decided(engine):
    pruned, dense = results(engine, "OOBI", "OOBI")
    assert differences(pruned, dense)[0].reason == "exited after layer 1, with the same labels as dense"
    assert differences(dense, dense)[0].reason == "reached the last layer"
