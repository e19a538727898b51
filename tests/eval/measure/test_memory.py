import subprocess

import pytest

from engine.checkpoint import load_weights
from engine.model.onednn import PACKABLE, int8_works
from engine.tagger import Engine
from eval.measure import cost
from eval.measure.cost import ENGINE, LINEAR, RESIDENT, held_memory, resident_memory
from tests.conftest import TEXT

SIZE = 4  # bytes of a float32


def test_every_weight_is_counted_once_and_packed_copies_come_with_use(weights):
    engine = Engine(weights)
    parameters = sum(parameter.numel() * SIZE for parameter in engine.model.parameters())
    before = held_memory(engine)
    assert parameters <= before[ENGINE] < 1.05 * parameters + 4096
    engine.tag(TEXT, "dense")
    after = held_memory(engine)
    assert after[ENGINE] - before[ENGINE] == after[LINEAR] - before[LINEAR]
    assert (after[LINEAR] > before[LINEAR]) == PACKABLE
    assert after[LINEAR] < after[ENGINE]


@pytest.mark.skipif(not int8_works(), reason="needs a processor that multiplies in 8 bits")
def test_linear_layers_keep_less_in_8_bits(weights):
    kept = {}
    for dtype in ("float32", "int8"):
        engine = Engine(weights, dtype)
        engine.tag(TEXT, "dense")
        kept[dtype] = held_memory(engine)[LINEAR]
    assert kept["int8"] < 0.5 * kept["float32"]


def test_a_fresh_process_says_how_much_it_occupies_and_one_that_fails_nothing(model_folder, monkeypatch):
    engine = Engine(load_weights(model_folder))
    assert 2**26 < resident_memory(engine) < 2**33
    monkeypatch.setattr(cost, "resident_memory", resident_memory)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, "", ""))
    assert RESIDENT not in held_memory(engine)
