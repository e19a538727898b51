"""A strategy made worse on purpose is called worse, with its interval; one that is identical is not."""

import copy
from dataclasses import replace

import pytest
import torch

from engine.checkpoint import load_weights
from engine.data.corpora import Corpus, load_corpus
from engine.pruning.controllers import EntropyController
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from eval.measure.evaluate import collect, evaluate
from eval.measure.runlog import RunLog
from eval.measure.tables import interval_row
from eval.measure.variants import of_strategy
from eval.render.conclusions import conclusions, pace, points
from eval.report import SAMPLE

ENTROPY = Strategy("entropy", (1, 2), EntropyController(0.6, 0, exit_entities=True))


@pytest.fixture(scope="module")
def measured(engine, model_folder, tmp_path_factory):
    """``entropy`` twice, once more with the labels of its first gate shuffled; gold is what ``entropy`` finds."""
    texts = load_corpus(str(SAMPLE), limit=8).documents
    gold = engine.tag_batch([document.text for document in texts], ENTROPY)
    documents = tuple(replace(d, entities=result.entities) for d, result in zip(texts, gold, strict=True))
    corpus = Corpus("gold", "all", ("Chemical", "Disease"), documents)
    weights = load_weights(model_folder)
    shuffled = Engine(replace(weights, model=copy.deepcopy(weights.model)))
    head = shuffled.model.heads["1"]
    order = torch.tensor([0, 3, 4, 1, 2])  # chemicals become diseases
    head.weight.data, head.bias.data = head.weight.data[order], head.bias.data[order]
    variants = [
        replace(of_strategy(engine, ENTROPY), name="dense"),
        replace(of_strategy(engine, ENTROPY), name="identical"),
        replace(of_strategy(shuffled, ENTROPY), name="shuffled"),
    ]
    log = RunLog(tmp_path_factory.mktemp("out"), {})
    evaluate(corpus, variants, [1], log)
    return collect(corpus, variants, 1, log)


def test_labels_shuffled_at_one_gate_are_called_worse_with_the_interval(measured):
    row = interval_row(measured["shuffled"], measured["dense"], seed=0)
    assert row["f1"] < 1
    assert row["low"] <= row["difference"] <= row["high"] < 0
    assert row["beyond_chance"]
    assert (
        f"`shuffled` ({points(row)} points)"
        in conclusions([interval_row(measured["dense"], measured["dense"], 0), row])[2]
    )


def test_an_identical_strategy_is_not(measured):
    row = interval_row(measured["identical"], measured["dense"], seed=0)
    assert (row["low"], row["difference"], row["high"], row["beyond_chance"]) == (0, 0, 0, False)
    assert points(row) == "+0.00 [+0.00, +0.00] (none)"


def interval(strategy, against="dense", difference=0.0, chance=0.001, speedup=1.0, noise=0.05, size=1):
    return {
        "strategy": strategy,
        "batch_size": size,
        "f1": 0.85 + difference,
        "against": against,
        "difference": difference,
        "low": difference - chance,
        "high": difference + chance,
        "beyond_chance": abs(difference) > chance,
        "speedup": speedup,
        "speedup_low": speedup - noise,
        "speedup_high": speedup + noise,
        "speed_beyond_chance": abs(speedup - 1) > noise,
    }


def test_the_quickest_within_the_loss_is_named_and_what_loses_too():
    rows = [
        interval("dense"),
        interval("entropy", difference=-0.0005, speedup=1.8),
        interval("rule", difference=-0.0042, speedup=2.5),
        interval("hf", speedup=0.8),
        interval("entropy", "truncate-3", difference=0.005, speedup=1.02),
        interval("rule", "truncate-3", difference=-0.004, speedup=1.3),
        interval("rule", "truncate-4", difference=-0.004, speedup=0.9),
    ]
    quickest, truncation, losers = conclusions(rows)
    assert quickest == (
        "Within 0.3 points of dense (F1 0.8500) the quickest is `entropy` "
        "(1.80× [1.75, 1.85], F1 -0.05 [-0.15, +0.05] (none) points) at batch 1."
    )
    assert truncation == (
        "Against stopping early at batch 1, beyond chance: more accurate than and as quick as `truncate-3`: `entropy`; "
        "quicker but less accurate than `truncate-3`: `rule`; less accurate and slower than `truncate-4`: `rule`."
    )
    assert losers == (
        "At batch 1, F1 below dense beyond chance: `rule` (-0.42 [-0.52, -0.32] points); slower than dense: "
        "`hf` (0.80× [0.75, 0.85]); no F1 difference from dense beyond chance: `entropy`."
    )


def test_the_quickest_by_the_estimate_alone_is_called_so():
    rows = [interval("dense"), interval("entropy", difference=-0.002, chance=0.0075, speedup=1.8)]
    assert conclusions(rows)[0] == (
        "Within 0.3 points of dense (F1 0.8500) the quickest is `entropy` (1.80× [1.75, 1.85], F1 -0.20 [-0.95, +0.55] "
        "(none) points; by the estimate alone, its interval reaches -0.95) at batch 1."
    )


def test_those_that_are_as_quick_as_the_quickest_are_named_beside_it():
    rows = [
        interval("dense"),
        interval("entropy", speedup=1.8),
        interval("mlp", speedup=1.69),
        interval("entropy+recovery", speedup=1.75),
        interval("truncate-3", difference=-0.01, speedup=1.81),
        interval("truncate-4", speedup=1.72),
    ]
    assert conclusions(rows)[0].endswith(
        "`entropy` (1.80× [1.75, 1.85], F1 +0.00 [-0.10, +0.10] (none) points; overlapping in speed with "
        "`entropy+recovery` and `truncate-4`) at batch 1."
    )


def test_where_nothing_is_quicker_dense_is_named():
    rows = [interval("dense"), interval("entropy", speedup=1.04), interval("rule", difference=-0.01, speedup=2)]
    assert "the quickest is dense itself at batch 1" in conclusions(rows)[0]


def test_too_few_batches_for_an_interval_are_said():
    row = interval("entropy", speedup=2.0) | {"speedup_low": float("nan"), "speedup_high": float("nan")}
    assert pace(row) == "2.00× [too few batches]"
