"""The record holds what variants found: every document comes back as it was written."""

import pytest

from engine.corpora import load_corpus
from engine.paths import State
from eval.config import SAMPLE
from eval.measure.taggers import RandomExits, of_strategy
from eval.record import dense_of
from tests.eval.conftest import SETTINGS, measured


@pytest.fixture(scope="module")
def record(engine, tmp_path_factory):
    """Dense, entropy and random on five documents, at two batch sizes."""
    entropy = engine.strategy("entropy", **SETTINGS)
    taggers = [of_strategy(engine, engine.strategy("dense")), of_strategy(engine, entropy)]
    taggers.append(RandomExits(engine, entropy, seeds=2))
    return measured(taggers, load_corpus(str(SAMPLE), limit=5), tmp_path_factory.mktemp("record"), (1, 4))


def test_it_has_what_the_engine_found_its_cost_and_where_words_exited(engine, record):
    texts = [document.text for document in load_corpus(str(SAMPLE), limit=5).documents]
    for one, result in zip(record.measured["entropy"].documents, engine.tag_batch(texts, **SETTINGS), strict=True):
        assert [(e.key, e.text) for e in one.entities] == [(e.key, e.text) for e in result.entities]
        assert (one.cost, one.paths) == (result.cost, result.paths)
    measured = record.measured
    assert set(measured["dense"].documents[0].paths.state) == {State.KEPT}
    assert dense_of(measured, "float32") is dense_of(measured, "int8") is measured["dense"]


def test_every_batch_is_timed_and_random_runs_with_all_of_its_seeds(record):
    for one in record.measured.values():
        assert [len(one.times(size)) for size in (1, 4)] == [5, 2]
        assert len(one.runs) == (2 if one.variant.kind == "random" else 1)
        assert {len(run) for run in one.runs} == {5}
    first, other, *_ = record.measured["random@entropy"].runs
    assert [one.paths for one in first] != [one.paths for one in other]
