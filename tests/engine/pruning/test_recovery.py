"""What makes words come back: triggers fire where they should."""

from dataclasses import replace

import numpy as np
import pytest

from engine.pruning.controllers import EntropyController
from engine.pruning.gate import Decision
from engine.pruning.record import GateRecord, WindowRecord
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.text.labels import LabelSet
from tests.engine.pytorch.families import window

ENTROPY = EntropyController(max_entropy=0.45, neighbours=0, exit_entities=True)
ALWAYS = Recovery("confidence", min_confidence=1.0)


def test_a_rerun_starts_at_the_gate_and_not_before(run):
    plain = Strategy((2,), ENTROPY)
    pairs = list(zip(run(plain), run(replace(plain, recovery=ALWAYS)), strict=True))
    assert any(record.recovered.any() for _, record in pairs)
    for without, record in pairs:
        doubtful = without.exited.any() and ALWAYS.fires(without)
        assert [number for number, _ in record.rows] == ([1, 2, 3, 3] if doubtful else [1, 2, 3])


def record_of(end: list[list[float]], gate: list[list[float]], exited: list[int]) -> WindowRecord:
    """A finished pass over one window: label distributions (O, B, I) at the end and at a gate where some exited."""
    exits = np.isin(np.arange(len(end)), exited)
    of_gate = np.array(gate, dtype=np.float32)
    return WindowRecord(
        window=window([1] * len(end)),
        labels=LabelSet(("Disease",)),
        layers=2,
        probabilities=np.where(exits[:, None], gate, end).astype(np.float32),
        exit_at=np.where(exits, 1, 2),
        recovered=np.zeros(len(end), dtype=bool),
        heads=(1, 2),
        gates=[GateRecord(1, np.ones(len(end), dtype=bool), of_gate, Decision(exits, np.zeros(len(end))))],
    )


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
    record = record_of(end, gate, exited=[2])
    assert recovery.fires(record) == fires
    assert recovery.choose(record).tolist() == [False, False, fires]


def test_if_all_words_exited_those_that_exited_last_are_doubted():
    record = record_of([OUT] * 3, [SPLIT, OUT, OUT], exited=[0])
    at = np.array([[0, 0, 0], SPLIT, OUT], dtype=np.float32)
    last = GateRecord(2, np.array([False, True, True]), at, Decision(np.array([False, True, True]), np.zeros(3)))
    ended = replace(record, probabilities=np.array([SPLIT, SPLIT, OUT]), layers=3, gates=[*record.gates, last])
    for recovery in (Recovery("confidence", min_confidence=0.6), Recovery("entropy_spike", max_rise=0.3)):
        assert recovery.fires(ended)
        assert recovery.choose(ended).all()
    sure = replace(ended, probabilities=np.array([SPLIT, OUT, OUT]))
    assert not Recovery("confidence", min_confidence=0.6).fires(sure)


def test_the_least_certain_words_come_back_first():
    record = record_of([SPLIT] * 4, [OUT, SPLIT, [0.8, 0.1, 0.1], OUT], exited=[0, 1, 2])
    for limit, back in ((1, [1]), (2, [1, 2]), (3, [0, 1, 2])):
        recovery = Recovery("confidence", min_confidence=0.6, recovery_limit=limit)
        assert np.flatnonzero(recovery.choose(record)).tolist() == back


@pytest.mark.parametrize(
    ("setting", "value"),
    [("trigger", "entity_loss"), ("min_confidence", 0.0), ("max_rise", 1.0), ("recovery_limit", 1)],
)
def test_every_setting_changes_which_words_come_back(run, setting, value):
    start = {"trigger": "entropy_spike"} if setting in ("trigger", "max_rise") else {"trigger": "confidence"}
    strategy = Strategy((1, 2), ENTROPY, recovery=Recovery(min_confidence=0.9, max_rise=-0.2, **start))
    before, after = (
        [record.recovered.tolist() for record in run(each)]
        for each in (strategy, strategy.with_settings(**{setting: value}))
    )
    assert any(map(any, before))
    assert before != after
