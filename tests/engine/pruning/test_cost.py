import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from engine.pruning.controllers import CONTROLLERS, EntropyController
from engine.pruning.cost import cost_of
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from tests.conftest import TEXT
from tests.engine.pytorch.families import every_family

EVERYTHING = Recovery("any", min_confidence=1.0, max_rise=-1.0)
PRUNES = Strategy((1, 2), EntropyController(max_entropy=0.9, neighbours=0, exit_entities=True))
STRATEGIES = {
    "bert": [
        Strategy((1,), EntropyController(max_entropy=1.0, exit_entities=True)),
        Strategy((1, 2), CONTROLLERS["rule"](lambda_=1.0)),
        Strategy((1,), PRUNES.controller, recovery=EVERYTHING),
    ]
}
# The formula ÷ torch's counter. It omits ELECTRA's projection of embeddings, and DeBERTa's of distances, which no graph
# computes more than once.
COUNTED = {"bert": (1, 1), "electra": (0.95, 1), "deberta-v2": (0.8, 1)}


@every_family
def test_formula_is_close_to_torchs_own_counter(family, engines):
    engine, pytorch = engines(family)
    windows = engine.pieces.windows(TEXT.split())
    for strategy in (Strategy(), PRUNES, *STRATEGIES.get(family, [])):
        # The counter knows attention on CPUs only as plain matrix multiplies.
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
            records = pytorch.run(windows, strategy)
        cost = cost_of(engine.sizes, records, windows)
        assert cost == cost_of(engine.sizes, engine.backend.run(windows, strategy), windows)
        low, high = COUNTED.get(family, (0.99, 1.01))
        assert low <= cost.macs / (counter.get_total_flops() / 2) <= high


def test_windows_of_long_texts_add_up(engine):
    assert engine.tag(TEXT, "rule").cost.rows[0] == 2 + sum(word.pieces for word in engine.tag(TEXT).trace.words)
    result = engine.tag(TEXT * 20, "dense")
    assert result.cost.rows[0] == sum(len(record.window.input_ids) for record in result.passes[0].records)
    assert result.cost.macs == result.cost.dense_macs


@pytest.mark.parametrize("strategy", ["truncate-1", "rule", "attention"])
def test_a_strategy_computes_less_than_dense(engine, strategy):
    cost = engine.tag(TEXT, strategy).cost
    assert cost.macs < cost.dense_macs
    assert cost.token_layers_kept < 1 < cost.theoretical_speedup
