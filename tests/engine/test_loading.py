import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import BertForTokenClassification

from engine import InputError, load_engine
from engine.base import Engine
from engine.graph import backend as graph
from engine.models.folder import read_folder
from engine.pruning.controllers import EntropyController
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.pytorch.checkpoint import load_weights
from engine.text.words import split_words
from tests.conftest import TEXT, tiny_config

PRUNES = Strategy((1, 2), EntropyController(0.4, neighbours=0, exit_entities=True))
RECOVERS = replace(PRUNES, recovery=Recovery("confidence", min_confidence=1.0))
STRANGE = [
    " \n\t\u3000",
    "a\x00b\x07 nausea\x1b[31m",
    "💊 aspirin 👩🏽‍⚕️ caused nausea 🤢",
    "الأسبرين سبب غثيان aspirin",
    "aspirin \ud800 nausea",
    "e\u0301 na\u0308usea",
]


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("strategy", ["dense", "rule", "truncate-1", PRUNES, RECOVERS, "cascade"], ids=str)
def test_a_batch_of_n_equals_n_batches_of_one_and_every_word_of_every_text_has_a_label(engine, both, strategy):
    engine = both if strategy == "cascade" else engine
    texts = [TEXT, "", TEXT[20:], "Nausea.", *(TEXT[i:] * 3 for i in range(6)), *STRANGE]
    together = engine.tag_batch((text for text in texts), strategy, batch_size=len(texts))
    assert any(result.paths.recovered.any() for result in together) or strategy is not RECOVERS
    reads = {window.read for result in together for window in result.trace.windows}
    assert reads == ({True, False} if engine is both else set())
    for text, result in zip(texts, together, strict=True):
        assert (result.text, result.words, len(result.probabilities)) == (text, split_words(text), len(result.words))
        np.testing.assert_allclose(result.probabilities.sum(1), 1, atol=1e-4)
        assert all(text[entity.start : entity.end] == entity.text for entity in result.entities)
        alone = engine.tag(text, strategy)
        np.testing.assert_allclose(result.probabilities, alone.probabilities, atol=1e-4)
        assert [e.key for e in result.entities] == [e.key for e in alone.entities]
        assert result.cost == alone.cost


@pytest.mark.parametrize("strategy", ["entropy:fast", "truncate-1"])
def test_a_checkpoint_without_gates_names_the_command_that_makes_them(plain_engine, strategy):
    with pytest.raises(
        InputError,
        match=r"--strategy dense, or train gates: bioner accelerate .*pl",
    ):
        plain_engine.tag(TEXT, strategy)


def test_settings_and_stored_points_reach_the_strategy(model_folder):
    points = {point: Strategy((1,), EntropyController(0.33), point) for point in ("fast", "slow")}
    engine = Engine(replace(read_folder(model_folder), points={"entropy": points, "rule": {}}))
    assert engine.strategy("entropy:slow") == engine.strategy("entropy", "slow")
    settings = engine.strategy("entropy", "slow", min_keep_ratio=0.5, neighbours=None).settings()
    assert (settings["max_entropy"], settings["min_keep_ratio"]) == (0.33, 0.5)
    assert engine.strategy("dense", "fast") == engine.strategy("dense")


def test_unchecked_thresholds_never_decide_without_a_word(model_folder, plain_engine, shipped, caplog):
    engine = load_engine(model_folder, "float32")
    for made in (shipped, plain_engine, engine):
        assert not caplog.records
        made.strategy()
    engine.strategy()
    assert [engine.source in record.getMessage() for record in caplog.records] == [True]


def test_the_default_strategy_is_what_the_folder_has(engine, plain_engine, cautious_folder, shipped, both):
    engines = [shipped, load_engine(cautious_folder), engine, plain_engine, both]
    assert [(chosen.kind, chosen.point) for chosen in (loaded.tag(TEXT).strategy for loaded in engines)] == [
        ("entropy", "balanced"),
        ("entropy", "careful"),
        ("entropy", ""),
        ("dense", ""),
        ("cascade", "balanced"),
    ]
    for made, problem in ((engines[1], "entropy .* 'balanced', only careful, fast"), (engine, "fast")):
        with pytest.raises(InputError, match=problem):
            made.strategy(point="balanced" if made is not engine else "fast")
    with pytest.raises(InputError, match="no gates, which 'entropy' needs"):
        plain_engine.strategy(point="fast")


def test_recovery_needs_words_that_go_on_after_the_first_gate(shipped):
    ends = {"gates": (3, 5), "max_entropy": 1.0, "exit_entities": True}
    assert shipped.strategy("entropy", **ends)
    with pytest.raises(InputError, match="a first gate that keeps some words"):
        shipped.tag(TEXT, "entropy+recovery", **ends)


def test_a_point_applies_to_the_default_strategy_and_two_that_differ_are_refused(shipped, both):
    assert shipped.tag(TEXT, point="fast").strategy == shipped.strategy("entropy", "fast")
    assert shipped.strategy("entropy:fast", "fast") == shipped.strategy("entropy:fast")
    with pytest.raises(InputError, match="'fast', not 'careful'"):
        shipped.strategy("entropy:fast", "careful")
    with pytest.raises(InputError, match="two operating points"):
        shipped.strategy(shipped.strategy("entropy:fast"), "careful")
    with pytest.raises(InputError, match="'' and 'careful' are two operating points"):
        shipped.strategy(PRUNES, "careful")
    for name in (None, "entropy", "dense", "truncate-3"):
        with pytest.raises(InputError, match="operating point 'quick'"):
            shipped.strategy(name, "quick")
    assert both.strategy(point="careful") == both.strategy("cascade", "careful")
    with pytest.raises(InputError, match="'balanced', not 'careful'"):
        both.strategy("cascade:balanced", "careful")


def test_an_engine_has_its_own_number_of_threads(model_folder, monkeypatch):
    made, session = [], graph.Session
    monkeypatch.setattr(graph, "Session", lambda *given: made.append(given[1]) or session(*given))
    engine = load_engine(model_folder, "float32", threads=3)
    for loaded in (engine, pickle.loads(pickle.dumps(engine)), load_engine(model_folder, "float32")):
        loaded.tag("Nausea.")
    assert made == [3, 3, torch.get_num_threads()]


@pytest.mark.parametrize(
    ("call", "keyword"),
    [
        (lambda e: e.tag(TEXT, "entropy", "lightning"), "operating points"),
        (lambda e: e.tag(TEXT, "truncate-99"), "truncate-99 .* 1 to 2"),
        (lambda e: e.tag(TEXT, Strategy((3,), EntropyController())), r"\(3,\)"),
        (lambda e: e.tag(TEXT, 7), "strategy 7"),
        (lambda e: e.tag(TEXT, point=7), "operating point 7"),
        (lambda e: e.tag_batch([TEXT], batch_size="3"), "batch size '3'"),
        (lambda e: e.tag_batch(TEXT), "no list of texts"),
        (lambda e: e.tag_batch([TEXT, None]), "Not all texts are strings"),
        (lambda e: load_engine(e.source, "int3"), "dtype 'int3'"),
        (lambda e: load_engine(e.source, threads=-1), "-1 threads"),
        (lambda e: load_engine(e.source, device=0), "device 0"),
        (lambda e: load_engine(e.source, device="abacus"), "the device '"),
        (lambda e: load_engine(e.source, device="meta"), "the device '"),
    ],
)
def test_what_cannot_be_tagged_or_loaded_is_refused(engine, call, keyword):
    with pytest.raises(InputError, match=keyword):
        call(engine)


def test_what_is_loaded_in_inference_mode_tags_like_anything_else(model_folder, engine):
    with torch.inference_mode():
        loaded = load_engine(model_folder)
        inside = loaded.tag(TEXT)
    assert inside.entities == loaded.tag(TEXT).entities == engine.tag(TEXT).entities


@pytest.mark.parametrize(("model", "strategy"), [("engine", PRUNES), ("both", "cascade:careful")], ids=str)
def test_a_pickled_result_keeps_what_it_tells_but_not_the_model(model, strategy, request):
    result = request.getfixturevalue(model).tag(TEXT * 6, strategy)
    pickled = pickle.dumps(result)
    again = pickle.loads(pickled)
    assert len(pickled) < 200_000
    assert (again.entities, again.cost, again.trace) == (result.entities, result.cost, result.trace)
    assert (again.paths, again.exit_layers) == (result.paths, result.exit_layers)


def test_an_encoder_of_one_layer_has_no_gates(tmp_path, tokenizer):
    torch.manual_seed(0)
    BertForTokenClassification(tiny_config(len(tokenizer), layers=1)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert load_engine(tmp_path, labels=["O", "Disease"]).runnable == ["dense"]


def test_an_engine_owns_its_weights(model_folder):  # rule 7
    first = load_engine(model_folder, "float32")
    before = first.tag(TEXT, "dense").probabilities
    with torch.no_grad():
        for parameter in load_weights(model_folder).model.parameters():
            parameter.zero_()
    first.tag(TEXT, "dense").probabilities[:] = 0
    for engine in (first, load_engine(model_folder, "float32")):
        np.testing.assert_array_equal(engine.tag(TEXT, "dense").probabilities, before)
