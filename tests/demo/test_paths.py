"""A word has one path: reports, the trace and the page take its layer from the object that the engine made."""

import re

import pytest

from demo.tabs.why import listbox
from engine.paths import State
from eval.measure.taggers import of_strategy
from tests.conftest import TEXT, cascade
from tests.demo.tabs.conftest import beside

SETTINGS = {"gates": (1, 2), "max_entropy": 0.5, "exit_entities": True}
RECOVERY = SETTINGS | {"trigger": "confidence", "min_confidence": 1.0, "recovery_limit": 4}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("dense", {}),
        ("truncate-1", {}),
        ("rule", {"gates": (1, 2)}),
        ("attention", {"gates": (1, 2)}),
        ("entropy", SETTINGS),
        ("entropy+recovery", RECOVERY),
        ("cascade", {}),
    ],
)
def test_a_word_has_the_same_layer_and_state_in_report_trace_and_page(name, settings, engine, both, monkeypatch):
    if name == "cascade":
        engine = both
        small = both.stages[0].strategy("entropy", **SETTINGS)
        doubts = sorted(window.doubt for window in both.tag(TEXT * 4, cascade(0, small=small)).windows)
        result = both.tag(TEXT * 4, cascade(doubts[len(doubts) // 2], small=small))
    else:
        result = engine.tag(TEXT * 4, name, **settings)
    tagger = of_strategy(engine, result.strategy)
    monkeypatch.setattr(engine, "tag_batch", lambda *_, **__: [result])
    assert [tagged.paths for tagged in tagger.tag([TEXT * 4])[0]] == [result.paths]
    expected = [
        (int(layer), State(state).name.lower(), str(label))
        for layer, state, label in zip(*vars(result.paths).values(), strict=True)
    ]
    assert [(word.layer, word.state, word.label) for word in result.trace.words] == expected
    page = listbox(beside(result, result), engine.labels.types)
    shown = re.findall(r'data-state="(\w+)"(?: data-exit="(\d+)")?', page)
    assert [(state, int(layer) if layer else result.paths.layer.max()) for state, layer in shown] == [
        (state, layer) for layer, state, _ in expected
    ]
    layers = {layer for layer, state, _ in expected if state != "kept"}
    assert layers <= set(result.exit_layers)
