import pytest

from engine.cli.progress import Progress
from engine.corpora import Corpus
from engine.text.documents import Document
from eval.config import SAMPLE, ReportConfig
from eval.measure.setup import set_up, training_documents


def set_up_of(folder, **asked):
    """What is set up to measure a model on one document."""
    config = ReportConfig(model=str(folder), limit=1, **asked)
    return set_up(config, config.load(), Progress())


@pytest.fixture
def setup(model_folder):
    """Sets up strategies in float32 without baselines."""

    def start(*strategies, changed=()):
        return set_up_of(model_folder, dtype=("float32",), baselines=("none",), strategies=strategies, set=changed)

    return start


def by_name(setup):
    return {one.name: one for one in setup.schedule.variants}


def test_settings_reach_the_strategies_that_run_after_dense_and_their_controls(setup):
    settings = {"rule.lambda": "2", "rule.min_keep_ratio": "0.9"}
    for name in ("entropy", "entropy+recovery"):
        settings |= {f"{name}.max_entropy": "0.4,0.5", f"{name}.gates": "1,2", f"{name}.neighbours": "3"}
    settings |= {"entropy+recovery.trigger": "confidence"}
    changed = [f"{name}={value}" for name, value in settings.items()]
    chosen = by_name(setup("rule", "entropy", "entropy+recovery", "random@entropy", changed=changed))
    assert (next(iter(chosen)), chosen["random@entropy"].replays) == ("dense", "entropy")
    rule, entropy, recovering = (chosen[name].strategy for name in ("rule", "entropy", "entropy+recovery"))
    assert (rule.settings()["lambda_"], rule.settings()["min_keep_ratio"], rule.point) == (2, 0.9, "")
    for strategy in (entropy, recovering):
        settings = strategy.settings()
        assert (settings["max_entropy"], strategy.gates, settings["neighbours"]) == ((0.4, 0.5), (1, 2), 3)
    assert recovering.recovery.trigger == "confidence"
    assert chosen["random@entropy"].strategy.controller.neighbours == 3, "it replays the strategy that runs"


def test_operating_points_of_a_strategy_stand_side_by_side_and_must_beat_their_own_controls(setup):
    names = "entropy", "entropy:balanced", "entropy+recovery:balanced", "random@entropy:balanced", "truncate-1"
    chosen = by_name(setup(*names, changed=["entropy:balanced.max_entropy=0.4"]))
    assert [one.strategy.point for one in chosen.values() if one.prunes] == ["", "", ""]
    found = {(one.name, other.name) for one in chosen.values() for other in chosen.values() if one.must_beat(other)}
    assert found == {
        ("entropy:balanced", "random@entropy:balanced"),
        ("entropy+recovery:balanced", "entropy:balanced"),
        *((name, "truncate-1") for name in ("entropy", "entropy:balanced", "entropy+recovery:balanced")),
    }


def test_the_default_is_what_the_model_runs_by_default_beside_dense_and_the_pipeline(
    model_folder, plain_folder, cautious_folder
):
    for corpus in (None, str(SAMPLE)):
        found = set_up_of(model_folder, corpus=corpus)
        assert list(by_name(found)) == ["dense", "entropy", "hf-pipeline"]
        assert found.schedule.batch_sizes == (1, 32)
    for folder, expected in ((plain_folder, ["dense"]), (cautious_folder, ["dense", "entropy:careful"])):
        assert list(by_name(set_up_of(folder, baselines=("none",)))) == expected


def test_training_documents_share_none_with_the_split(monkeypatch):
    def load(name, split, data_dir):
        return Corpus(name, split, (), (Document(split, ""),))

    monkeypatch.setattr("eval.measure.setup.load_corpus", load)
    expected = {
        "bc5cdr": {"train": None, "dev": "train", "test": "fit", "fit": None, "calib": "fit"},
        "ncbi-disease": {"train": None, "dev": "train", "test": "train"},
        "biored": {"dev": "fit", "fit": None},
        "file.txt": {"all": None},
    }
    for name, splits in expected.items():
        for split, training in splits.items():
            documents = training_documents(Corpus(name, split, (), ()))
            assert (documents and documents[0].id) == training
