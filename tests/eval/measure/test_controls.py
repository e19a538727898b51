"""Controls: the plain Hugging Face model, and random exits in the number of another strategy's."""

import numpy as np
import pytest

from engine.errors import InputError
from engine.pruning.controllers import EntropyController
from engine.pruning.strategy import Strategy
from engine.tagger import load_engine
from eval.measure.controls import RandomExits, padded_costs, plain_model, replayed_by
from tests.conftest import TEXT

TEXTS = [TEXT, TEXT * 9, "x", ""]
REPLAYED = Strategy("entropy", (1, 2), EntropyController(0.4, neighbours=0, exit_entities=True))


def exits(result) -> list[list[int]]:
    """For each window of a text and each gate, how many words exited."""
    return [
        [int((memory.batch.words.window[record.decision.exits] == slot.index).sum()) for record in memory.gates]
        for slot, memory in result._runs
    ]


def test_random_lets_as_many_other_words_exit_of_each_window_at_each_gate(engine):
    reference = engine.tag_batch(TEXTS, REPLAYED)
    seeds = [RandomExits("random", REPLAYED, seed).tag_batch(engine, TEXTS) for seed in (0, 1)]
    for found in seeds:
        assert [exits(result) for result in found] == [exits(result) for result in reference]
        assert [result.strategy.kind for result in found] == ["random"] * len(TEXTS)
    layers = [[word.layer for word in results[0].trace.words] for results in (reference, *seeds)]
    assert len(set(map(tuple, layers))) == 3


def test_the_words_that_random_chooses_do_not_depend_on_the_batch(engine):
    control = RandomExits("random", REPLAYED)
    for text, together in zip(TEXTS, control.tag_batch(engine, TEXTS), strict=True):
        (alone,) = control.tag_batch(engine, [text])
        assert [word.layer for word in alone.trace.words] == [word.layer for word in together.trace.words]


def test_random_may_replay_any_controller(engine):
    for name in ("rule", "entropy"):
        strategy = engine.strategy(name)
        (found,) = RandomExits("random", strategy).tag_batch(engine, [TEXT])
        assert found.cost.rows[-1] <= engine.tag(TEXT, "dense").cost.rows[-1]


def test_the_plain_model_finds_what_dense_finds_also_with_labels_in_another_order(plain_folder):  # rule 1
    engine = load_engine(plain_folder)
    found, encoder_s = plain_model(engine)(TEXTS, {})
    dense = engine.tag_batch(TEXTS, "dense")
    assert encoder_s > 0
    assert any(found)
    assert [[e.key for e in of] for of in found] == [[e.key for e in one.entities] for one in dense]


def test_the_plain_models_costs_include_its_padding(engine):
    long, short, empty = padded_costs(engine, [TEXT, "Nausea.", ""])
    packed = [result.cost for result in engine.tag_batch([TEXT, "Nausea.", ""], "dense")]
    assert (long, empty) == (packed[0], packed[2])
    assert short.dense_token_layers == packed[1].token_layers
    assert short.rows == long.rows
    assert short.theoretical_speedup < 1
    np.testing.assert_allclose(packed[1].token_layers_kept, 1)


@pytest.mark.parametrize(
    "name", ["random@", "random@dense", "random@entropy+recovery", "random@random", "random@" * 999]
)
def test_random_replays_only_what_prunes_without_recovery(name):
    with pytest.raises(InputError, match="random@"):
        replayed_by(name)
