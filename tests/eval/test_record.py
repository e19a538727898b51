"""The record holds what variants found and how long they took."""

import pytest

from engine.corpora import load_corpus
from engine.paths import State
from eval.config import SAMPLE
from eval.measure.run import measure
from eval.measure.taggers import random_exits, strategy_tagger
from eval.record import dense_of
from tests.eval.conftest import SETTINGS


@pytest.fixture(scope="module")
def record(engine):
    """Dense, entropy and random on five documents, at two batch sizes."""
    entropy = engine.strategy("entropy", **SETTINGS)
    taggers = [strategy_tagger(engine, engine.strategy("dense")), strategy_tagger(engine, entropy)]
    taggers.append(random_exits(engine, entropy, seeds=2))
    return measure(taggers, load_corpus(str(SAMPLE), limit=5), dict.fromkeys((1, 4), range(5)))


def test_it_has_what_the_engine_found_its_cost_and_where_words_exited(engine, record):
    texts = [document.text for document in load_corpus(str(SAMPLE), limit=5).documents]
    for prediction, result in zip(record["entropy"].predictions, engine.tag_batch(texts, **SETTINGS), strict=True):
        assert [(e.key, e.text) for e in prediction.entities] == [(e.key, e.text) for e in result.entities]
        assert (prediction.cost, prediction.paths) == (result.cost, result.paths)
    assert set(record["dense"].predictions[0].paths.state) == {State.KEPT}
    assert dense_of(record, "float32") is dense_of(record, "int8") is record["dense"]


def test_every_batch_is_timed_and_random_runs_with_all_of_its_seeds(record):
    for measured in record.values():
        assert [len(measured.times[size]) for size in (1, 4)] == [5, 2]
        assert len(measured.runs) == (2 if measured.variant.kind == "random" else 1)
        assert {len(run) for run in measured.runs} == {5}
    first, other, *_ = record["random@entropy"].runs
    assert [prediction.paths for prediction in first] != [prediction.paths for prediction in other]
