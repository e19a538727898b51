from unittest.mock import patch

import pytest
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from engine import load_engine
from engine.pruning.controllers import EntropyController, RuleController
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.pytorch import backend as pytorch
from engine.pytorch import linear
from tests.conftest import TEXT
from tests.engine.pytorch.families import every_family

EVERYTHING = Recovery("confidence", min_confidence=1.0)


def counted(engine, strategy):
    # The counter knows attention on CPUs only as plain matrix multiplies, and counts the rows that rounding adds.
    with (
        FlopCounterMode(display=False) as counter,
        sdpa_kernel(SDPBackend.MATH),
        patch.object(linear, "PACKABLE", False),
        # The counter counts in its own thread alone.
        patch.object(pytorch, "at_once", lambda one, chunks, *_: map(one, chunks)),
    ):
        result = engine.tag(TEXT, strategy)
    return counter.get_total_flops() // 2, result.cost.macs


@pytest.mark.parametrize(
    "strategy",
    [
        "truncate-1",
        Strategy("rule", (1, 2), RuleController(1.0)),
        Strategy("entropy", (1,), EntropyController(0.4, 0, exit_entities=True), recovery=EVERYTHING),
    ],
)
def test_formula_equals_torchs_own_counter(engine, strategy):
    measured, formula = counted(engine, strategy)
    assert formula == measured


# The formula ÷ torch's counter. The formula omits ELECTRA's projection of embeddings.
COUNTED = {"electra": (0.95, 1.0)}


@every_family
def test_formula_is_close_to_torchs_own_counter_for_every_family(family, folders):
    engine = load_engine(folders(family), "float32")
    engine.model.requires_grad_(False)  # the counter asks module inputs for gradients
    engine.tag(TEXT, "dense")  # DeBERTa builds its distance table once
    for one in ("dense", Strategy("entropy", (1, 2), EntropyController(0.9, 0, exit_entities=True))):
        measured, formula = counted(engine, one)
        low, high = COUNTED.get(family, (1.0, 1.0))
        assert low <= formula / measured <= high


def test_windows_of_long_texts_add_up(engine):
    result = engine.tag(TEXT * 20, "dense")
    assert result.cost.rows[0] == sum(len(slot.window.input_ids) for slot, _ in result._runs)
    assert result.cost.macs == result.cost.dense_macs
