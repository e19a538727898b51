"""A cascade is made from two models and plain texts, and holds both unchanged."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from engine.cascade import DISAGREEMENT, Cascade, Doubt
from engine.errors import InputError
from engine.models.checksums import SUMS
from engine.models.folder import SMALL
from engine.pruning.cost import Cost
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.tagger import load_engine
from engine.text.scoring import Counts
from engine.training import cascade, trials
from engine.training.cascade import Curve, Pair, fit_disagreement, main, parse_shares
from engine.training.trials import Reference, Trial
from tests.conftest import TEXT, contents
from tests.engine.training.conftest import quick
from tests.engine.training.corpora import write_texts

SMALL_STRATEGY = "truncate-1"
WORDS = TEXT.split()
TEXTS = [" ".join(np.random.default_rng(seed).choice(WORDS, 12)) for seed in range(120)]


@pytest.fixture(scope="module")
def pair(engine):
    """The first layers of a model are the small one: both agree on most words."""
    return Pair(engine, engine, Strategy("dense"), engine.strategy(SMALL_STRATEGY))


@pytest.fixture(scope="module")
def reference(pair):
    return Reference.agreement(pair.large, TEXTS)


def test_makes_a_folder_that_runs_without_openvino_and_knows_the_small_one(model_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr(trials, "MIN_ENTITIES", 0)
    monkeypatch.setattr(cascade, "SHARES", (0.2, 0.4, 0.6))
    monkeypatch.setattr(cascade, "WEIGHT", 0.0)  # where it reads, the large model alone decides
    texts, out = tmp_path / "texts.txt", tmp_path / "cascade"
    texts.write_text("\n".join(TEXTS))
    options = f"--small {model_folder} --small-strategy {SMALL_STRATEGY} --texts {texts} --out {out}"
    assert main([str(model_folder), *options.split(), "--dtype", "float32"]) == 0
    assert "| disagreement |" in capsys.readouterr().out
    for name, raw in contents(model_folder).items():
        assert (out / SMALL / name).read_bytes() == raw
        assert name == SUMS or (out / name).read_bytes() == raw
    engine = load_engine(out, "float32")
    thresholds = [engine.strategy(f"cascade:{point}").settings()["threshold"] for point in OPERATING_POINTS]
    assert 0 < thresholds[0] <= thresholds[1] <= thresholds[2]
    results = engine.tag_batch(TEXTS, "cascade:careful")
    assert {window.read for result in results for window in result.trace.windows} == {True, False}
    sums = out / SMALL / SUMS
    sums.write_text(sums.read_text() + "\n")
    with pytest.raises(InputError, match="small/SHA256SUMS with SHA-256"):
        load_engine(out, "float32")


def test_measures_what_the_cascade_then_does(pair, reference):
    tagged = pair.tag(TEXTS)
    made = pair.cascade(Doubt("wrong"))
    assert made.weight == 0.25
    curve = Curve.of(replace(made, weight=0.0), tagged, reference, pair)
    assert (curve.trials[0].f1, curve.shares[0], curve.shares[-1]) == (1, 1, 0)
    assert list(curve.shares) == sorted(curve.shares, reverse=True)
    assert len(curve.trials) > 10
    large, small = pair.large.tag_batch(TEXTS, "dense"), pair.small.tag_batch(TEXTS, SMALL_STRATEGY)
    everything, nothing = curve.trials[0].cost, curve.trials[-1].cost
    assert nothing.macs == sum(one.cost.macs for one in small)
    assert everything.macs == nothing.macs + sum(one.cost.macs for one in large)
    assert everything.dense_macs == nothing.dense_macs == sum(one.cost.macs for one in large)


def test_the_reference_is_the_large_models_dense_pass_whatever_its_strategy(pair, reference):
    for one in (pair, replace(pair, strategy=pair.large.strategy(SMALL_STRATEGY))):
        found = one.agreement(one.tag(TEXTS))
        for own, other in zip(found.documents, reference.documents, strict=True):
            assert [entity.key for entity in own.entities] == [entity.key for entity in other.entities]
        assert found.dense == reference.dense


def test_the_regression_ranks_words_that_the_large_model_labels_otherwise(pair):
    tagged = pair.tag(TEXTS)
    doubt = fit_disagreement(tagged)
    assert doubt.kind == DISAGREEMENT
    scores = np.concatenate([doubt(one.small) for one in tagged])
    other = np.concatenate([one.small.argmax(1) != one.large.argmax(1) for one in tagged])
    assert scores.sum() == pytest.approx(other.sum(), rel=0.1)
    assert scores[other].mean() > scores[~other].mean()


def curve():
    """Ten documents with 100 entities each, some of which are lost as the large model reads less."""
    strategy = Cascade(name="cascade", small=Strategy("dense"), doubt=Doubt("wrong"))
    shares, found = (1.0, 0.6, 0.4, 0.2, 0.0), (100, 99, 98, 95, 90)
    dense = (Counts(100, 100, 100),) * 10
    costs = [Cost((1,), 1, 2, 10 + round(100 * share), 100) for share in shares]
    counts = [(Counts(correct, 100, 100),) * 10 for correct in found]
    return Curve(
        tuple(Trial(strategy, *one, dense, cost) for one, cost in zip(zip(counts), costs, strict=True)), shares
    )


def test_each_operating_point_sends_the_share_nearest_to_its_own_and_f1_is_interpolated():
    chosen = curve().choose(parse_shares("0.65,0.33,0.2"))
    shares = {one.strategy.point: share for one, share in chosen.values()}
    assert shares == {"careful": 0.6, "balanced": 0.4, "fast": 0.2}
    np.testing.assert_allclose(curve().f1_at((0.1, 0.5, 1)), (0.925, 0.985, 1))


@pytest.mark.parametrize("shares", ["0.9,0.4,0.2", "0.6,0.4,0.05"])
def test_rejects_shares_at_which_everything_or_nothing_goes_on(shares):
    with pytest.raises(InputError, match="some windows go on and both models compute less than the large one"):
        curve().choose(parse_shares(shares))


def test_a_student_learns_from_the_large_model_and_stays(model_folder, encoder, tmp_path, monkeypatch, capsys):
    quick(monkeypatch)
    monkeypatch.setattr(cascade, "SHARES", (0.05, 0.1, 0.15, 0.2, 0.25, 0.3))  # it has two of three layers
    monkeypatch.setattr(cascade, "WEIGHT", 0.0)
    texts = write_texts(tmp_path / "texts.txt", 360)
    out, student = tmp_path / "cascade", tmp_path / "cascade-student"
    options = ["--student", str(encoder), "--texts", str(texts), "--out", str(out), "--dtype", "float32"]
    assert main([str(model_folder), *options, "--share", "0.99,0.2,0.1"]) == 2
    assert "expected --share of careful" in capsys.readouterr().err
    assert not out.exists()
    made = contents(student)
    assert "A student of" in made["README.md"].decode()
    assert load_engine(student, "float32").sizes.layers == 2
    assert main([str(model_folder), *options, "--share", "0.3,0.2,0.1"]) == 0
    assert contents(student) == made
    assert (out / SMALL / "model.safetensors").read_bytes() == made["model.safetensors"]
    assert load_engine(out, "float32").tag(TEXT, "cascade:fast").words


@pytest.mark.parametrize("more", [[], ["--small", "one", "--student", "other"]])
def test_rejects_a_small_model_and_a_student_both_or_neither(more, tmp_path):
    with pytest.raises(SystemExit) as error:
        main(["large", *more, "--texts", "texts.txt", "--out", str(tmp_path / "out")])
    assert error.value.code == 2
