"""The strategies and controls that a command line names."""

from argparse import Namespace

import pytest

from engine.tagger import Engine
from eval.measure.setup import choose_variants

OPTIONS = {"corpus": "", "point": None, "set": []}


@pytest.mark.parametrize(
    ("named", "replayed"),
    [
        ("random", "entropy"),
        ("rule,random", "rule"),
        ("rule+recovery,entropy,random", "rule"),
        ("rule+recovery,random@entropy", "entropy"),
    ],
)
def test_random_replays_the_first_that_prunes_without_its_recovery(engine, named, replayed):
    chosen = {one.name: one for one in choose_variants([engine], Namespace(strategies=named, **OPTIONS))}
    assert next(iter(chosen)) == "dense"
    assert chosen[named.rpartition(",")[2]].replays == replayed


def test_the_plain_model_runs_once_in_each_of_its_dtypes(engine, weights):
    engines = [engine, Engine(weights, "bfloat16"), Engine(weights)]
    chosen = choose_variants(engines, Namespace(strategies="hf,dense", **OPTIONS))
    assert [one.key for one in chosen if one.kind == "hf"] == ["hf float32", "hf bfloat16"]
