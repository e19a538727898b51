"""The compiled pass: equal to PyTorch's where nothing is quantised, in every family and under every strategy."""

from __future__ import annotations

import numpy as np
import pytest

from engine.tagger import Engine
from tests.conftest import TEXT
from tests.engine.compiled.compiling import both
from tests.engine.model.families import FAMILIES

pytest.importorskip("openvino")

TEXTS = [TEXT, "Nausea.", TEXT[20:] * 4]  # the last has several windows
PLACING = ("bert", "mpnet", "deberta-v2", "modernbert")  # each has positions in its own way
families = pytest.mark.parametrize(
    "family", [one if one in PLACING else pytest.param(one, marks=pytest.mark.slow) for one in FAMILIES]
)
STRATEGIES = {
    "dense": {},
    "truncate-2": {},
    "entropy": {"gates": (1, 2), "max_entropy": (0.5, 0.7), "neighbours": 2, "exit_entities": True},
    "entropy+recovery": {"gates": (1, 2), "max_entropy": 0.8, "trigger": "any", "recovery_limit": 3},
    "rule": {"gates": (1, 2), "received": 0.0, "lambda_": 0.5, "min_keep_ratio": 0.3},
}


def assert_equal(expected: Engine, compiled: Engine, name: str, **settings: object) -> None:
    for one, other in zip(*(e.tag_batch(TEXTS, name, **settings) for e in (expected, compiled)), strict=True):
        np.testing.assert_allclose(other.probabilities, one.probabilities, atol=1e-4)
        assert other.entities == pytest.approx(one.entities) or [e.key for e in one.entities] == [
            e.key for e in other.entities
        ]
        words = zip(one.trace.words, other.trace.words, strict=True)
        for ours, theirs in words:
            assert (ours.layer, ours.state, ours.label) == (theirs.layer, theirs.state, theirs.label)
            assert [g.exited for g in ours.gates] == [g.exited for g in theirs.gates]
            importance = ([g.importance for g in of.gates] for of in (ours, theirs))
            np.testing.assert_allclose(*importance, atol=1e-3)
        assert one.recovered == other.recovered
        if not one.recovered:
            assert one.cost == other.cost


@families
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_compiled_pass_equals_pytorchs(family, name):
    assert_equal(*both(family), name, **STRATEGIES[name])
