"""Controls: as many words exit, or come back, but they are chosen at random."""

import time
from dataclasses import replace

import numpy as np
import pytest

from engine.errors import InputError
from engine.pruning.controllers import EntropyController
from engine.pruning.signals import normalised_entropy
from engine.pruning.strategy import Strategy
from engine.text.words import split_words
from eval.measure.taggers import RandomWords, random_exits, sentence_exits, sentences_of, with_argmax
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
    seeds = [random_exits(engine, strategy).prepare(TEXTS, seed)() for seed in (0, 1)]
    for found in seeds:
        assert [exits(result) for result in found] == [exits(result) for result in reference]
    assert len({tuple(layers(results[0])) for results in (reference, *seeds)}) == 3


def test_the_words_that_are_chosen_do_not_depend_on_the_batch(engine):
    control = random_exits(engine, REPLAYED)
    for text, together in zip(TEXTS, control.prepare(TEXTS, 0)(), strict=True):
        (alone,) = control.prepare([text], 0)()
        assert layers(alone) == layers(together)


@pytest.mark.parametrize("name", ["dense", "truncate-1", "entropy+recovery"])
def test_rejects_what_does_not_prune_or_brings_words_back(engine, name):
    with pytest.raises(InputError, match="random@"):
        random_exits(engine, engine.strategy(name))


def test_what_comes_before_a_call_is_not_timed(engine):
    control = random_exits(engine, REPLAYED)
    call = control.prepare(["x"], 0)
    control.prepare = lambda *_: time.sleep(0.2) or call
    assert 0 < control.tag(["x"])[1] < 200


def test_as_many_random_words_come_back(engine):
    recovering = engine.strategy("entropy+recovery", gates=(1, 2), max_entropy=0.4, min_confidence=1.0)
    random = replace(recovering, recovery=RandomWords(**vars(recovering.recovery)))
    recovered, control = ([result.paths for result in engine.tag_batch(TEXTS, of)] for of in (recovering, random))
    came_back = [[int(paths.recovered.sum()) for paths in side] for side in (recovered, control)]
    assert came_back[0] == came_back[1] != [0] * len(TEXTS)


def test_a_sentence_exits_whole_where_each_of_its_words_is_certain(shipped):
    text = "Aspirin is sold everywhere. We saw severe naloxone-precipitated delirium in nine of the patients."
    strategy = shipped.strategy("entropy:balanced")
    control = sentence_exits(shipped, strategy)
    (result,) = control.prepare([text], 0)()
    sentence, at = sentences_of(text, result.words), np.array(layers(result))
    assert set(sentence) == {0, 1}
    assert all(len(set(at[sentence == number])) == 1 for number in (0, 1)), "words of a sentence leave together"
    assert at.max() <= strategy.gates[-1]
    (single,) = shipped.tag_batch([text], strategy)
    assert result.cost.macs > single.cost.macs
    every = {number: at[sentence == number][0] for number in (0, 1)}
    all_stay = strategy.with_settings(min_keep_ratio=1.0, gates=strategy.gates)
    probabilities = shipped.tag(text, all_stay).passes[0].records[0].gates
    for number, layer in every.items():
        entropies = [normalised_entropy(gate.probabilities[sentence == number]).max() for gate in probabilities]
        thresholds = strategy.controller.max_entropy
        certain = [value <= threshold for value, threshold in zip(entropies, thresholds, strict=True)]
        assert strategy.gates[certain.index(True)] == layer


def test_a_sentence_ends_before_a_capital_alone():
    text = "Seen in 2.5 vs. 3 mg. Then B. subtilis"
    assert sentences_of(text, split_words(text)).tolist() == [0] * 10 + [1] * 4


def test_argmax_runs_without_constraints_and_abbreviations(shipped):
    control = with_argmax(shipped, shipped.strategy("dense"))
    assert control.variant.name == "argmax@dense"
    ((result),) = control.prepare([TEXT], 0)()
    assert result.entities == shipped.labels.decode(TEXT, result.words, result.probabilities)
    decoder = control.engine.decoder
    assert (decoder.constraints, decoder.abbreviations) == (False, False)


def test_sentences_are_refused_of_what_has_no_thresholds(engine):
    with pytest.raises(InputError, match="'rule'"):
        sentence_exits(engine, engine.strategy("rule"))
