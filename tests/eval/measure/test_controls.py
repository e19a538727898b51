"""Controls: as many words exit, or come back, but they are chosen at random."""

import time
from dataclasses import replace

import pytest

from engine.errors import InputError
from engine.pruning.controllers import EntropyController
from engine.pruning.strategy import Strategy
from eval.measure.taggers import RandomExits, RandomWords
from tests.conftest import TEXT

TEXTS = [TEXT, TEXT * 9, "x", ""]
REPLAYED = Strategy((1, 2), EntropyController(0.4, neighbours=0, exit_entities=True))


def exits(result) -> list[list[int]]:
    """For each window of a text and each layer, how many words exited."""
    return [sorted(record.exit_at.tolist()) for record in result.passes[0].records]


def layers(result) -> list[int]:
    return [word.layer for word in result.trace.words]


@pytest.mark.parametrize("replayed", [REPLAYED, "rule"])
def test_as_many_other_words_exit_of_each_window_at_each_gate(engine, replayed):
    strategy = engine.strategy(replayed)
    reference = engine.tag_batch(TEXTS, strategy)
    seeds = [RandomExits(engine, strategy).prepare(TEXTS, seed)() for seed in (0, 1)]
    for found in seeds:
        assert [exits(result) for result in found] == [exits(result) for result in reference]
    assert len({tuple(layers(results[0])) for results in (reference, *seeds)}) == 3


def test_the_words_that_are_chosen_do_not_depend_on_the_batch(engine):
    control = RandomExits(engine, REPLAYED)
    for text, together in zip(TEXTS, control.prepare(TEXTS, 0)(), strict=True):
        (alone,) = control.prepare([text], 0)()
        assert layers(alone) == layers(together)


@pytest.mark.parametrize("name", ["dense", "truncate-1", "entropy+recovery"])
def test_rejects_what_does_not_prune_or_brings_words_back(engine, name):
    with pytest.raises(InputError, match="random@"):
        RandomExits(engine, engine.strategy(name))


def test_what_comes_before_a_call_is_not_timed(engine):
    control = RandomExits(engine, REPLAYED)
    call = control.prepare(["x"], 0)
    control.prepare = lambda *_: time.sleep(0.2) or call
    assert 0 < control.tag(["x"])[1] < 200


def test_as_many_random_words_come_back(engine):
    recovering = engine.strategy("entropy+recovery", gates=(1, 2), max_entropy=0.4, min_confidence=1.0)
    random = replace(recovering, recovery=RandomWords(**vars(recovering.recovery)))
    own, control = ([result.paths for result in engine.tag_batch(TEXTS, of)] for of in (recovering, random))
    came_back = [[int(paths.recovered.sum()) for paths in side] for side in (own, control)]
    assert came_back[0] == came_back[1] != [0] * len(TEXTS)
