"""What makes words come back: triggers fire where they should, and a pass runs again from a gate."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.pruning.controllers import EntropyController
from engine.pruning.gate import Decision
from engine.pruning.record import GateRecord
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.pytorch.forward import run
from engine.pytorch.memory import MemoryBuffer
from engine.pytorch.packing import RaggedBatch
from engine.text.labels import LabelSet
from tests.engine.pytorch.test_packing import window

ENTROPY = EntropyController(0.45, neighbours=0, exit_entities=True)
ALWAYS = Recovery("confidence", min_confidence=1.0)


@torch.no_grad()
def test_a_rerun_starts_at_the_gate_and_not_before(engine, batch):
    plain = Strategy("entropy", (2,), ENTROPY)
    without = run(engine.model, batch, plain)
    memory = run(engine.model, batch, replace(plain, recovery=ALWAYS))
    assert [layer.number for layer in memory.layers] == [1, 2, 3, 3]
    doubtful = ALWAYS.fires(without)
    assert [rows > 0 for rows in memory.layers[-1].rows] == doubtful.tolist()
    assert not memory.matrices


def memory_of(end: list[list[float]], gate: list[list[float]], exited: list[int]) -> MemoryBuffer:
    """A finished pass over one window: label distributions (O, B, I) at the end and at a gate where some exited."""
    batch = RaggedBatch.from_windows([window([1] * len(end))])
    memory = MemoryBuffer.of(batch, LabelSet(("Disease",)), 2)
    exits = np.isin(np.arange(len(end)), exited)
    of_gate = np.array(gate, dtype=np.float32)
    memory.gates.append(GateRecord(1, np.arange(len(end)), of_gate, Decision(exits, np.zeros(len(end)))))
    memory.probabilities[:] = np.where(exits[:, None], gate, end)
    memory.alive, memory.exit_at = ~exits, np.where(exits, 1, 2)
    return memory


OUT, SPLIT, BEGIN, INSIDE = [0.98, 0.01, 0.01], [0.5, 0.4, 0.1], [0.01, 0.98, 0.01], [0.01, 0.01, 0.98]


@pytest.mark.parametrize(
    ("trigger", "end", "gate", "fires"),
    [
        ("confidence", [OUT, SPLIT, OUT], [OUT, OUT, OUT], True),
        ("confidence", [OUT, OUT, OUT], [OUT, SPLIT, SPLIT], False),  # the word that exited does not count
        ("entropy_spike", [OUT, SPLIT, OUT], [OUT, OUT, OUT], True),
        ("entropy_spike", [OUT, SPLIT, OUT], [OUT, SPLIT, OUT], False),
        ("entity_loss", [OUT, OUT, OUT], [OUT, BEGIN, OUT], True),
        ("entity_loss", [OUT, INSIDE, OUT], [OUT, INSIDE, OUT], True),
        ("entity_loss", [BEGIN, INSIDE, OUT], [BEGIN, INSIDE, OUT], False),
        ("any", [OUT, SPLIT, OUT], [OUT, OUT, OUT], True),
        ("any", [BEGIN, INSIDE, OUT], [BEGIN, INSIDE, OUT], False),
    ],
)
def test_a_trigger_fires_on_what_it_is_for(trigger, end, gate, fires):
    recovery = Recovery(trigger, min_confidence=0.6, max_rise=0.3)
    memory = memory_of(end, gate, exited=[2])
    assert recovery.fires(memory).tolist() == [fires]
    assert recovery.choose(memory).tolist() == [False, False, fires]


def test_if_all_words_exited_those_that_exited_last_are_doubted():
    memory = memory_of([OUT] * 3, [SPLIT, OUT, OUT], exited=[0])
    last = Decision(np.array([False, True, True]), np.zeros(3))
    memory.gates.append(GateRecord(2, np.array([1, 2]), np.array([SPLIT, OUT], dtype=np.float32), last))
    memory.probabilities[1:] = SPLIT, OUT
    memory.alive[:] = False
    for recovery in (Recovery("confidence", min_confidence=0.6), Recovery("entropy_spike", max_rise=0.3)):
        assert recovery.fires(memory).tolist() == [True]
        assert recovery.choose(memory).all()
    memory.probabilities[1] = OUT
    assert not Recovery("confidence", min_confidence=0.6).fires(memory).any()


def test_the_least_certain_words_come_back_first():
    memory = memory_of([SPLIT] * 4, [OUT, SPLIT, [0.8, 0.1, 0.1], OUT], exited=[0, 1, 2])
    for limit, back in ((1, [1]), (2, [1, 2]), (3, [0, 1, 2])):
        recovery = Recovery("confidence", min_confidence=0.6, recovery_limit=limit)
        assert np.flatnonzero(recovery.choose(memory)).tolist() == back


@torch.no_grad()
@pytest.mark.parametrize(
    ("setting", "value"),
    [("trigger", "entity_loss"), ("min_confidence", 0.0), ("max_rise", 1.0), ("recovery_limit", 1)],
)
def test_every_setting_changes_which_words_come_back(engine, batch, setting, value):
    start = {"trigger": "entropy_spike"} if setting in ("trigger", "max_rise") else {"trigger": "confidence"}
    recovery = Recovery(min_confidence=0.9, max_rise=-0.2, **start)
    strategy = Strategy("entropy", (1, 2), ENTROPY, recovery=recovery)
    before = run(engine.model, batch, strategy).recovered
    after = run(engine.model, batch, strategy.with_settings(**{setting: value})).recovered
    assert before.any()
    assert before.tolist() != after.tolist()
