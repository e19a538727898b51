import pytest

from engine.cli.progress import Progress
from engine.formats.corpora import Corpus
from engine.text.documents import Document
from eval.measure.setup import set_up, training_documents
from eval.options import SAMPLE, load_scored_corpus
from eval.report import make_parser


@pytest.fixture
def setup(model_folder):
    """Sets up what a command line names, in float32 without baselines unless told otherwise."""
    defaults = ["--model", str(model_folder), "--limit", "1", "--dtype", "float32", "--baselines", "none"]

    def start(*options):
        arguments = make_parser().parse_args([*defaults, *options])
        return set_up(arguments, load_scored_corpus(arguments), Progress())

    return start


def by_name(setup):
    return {one.name: one for one in setup.plan.variants}


def test_settings_reach_the_strategies_that_run_after_dense_and_their_controls(setup):
    settings = {"rule.lambda": "2", "rule.min_keep_ratio": "0.9"}
    for name in ("entropy", "entropy+recovery"):
        settings |= {f"{name}.max_entropy": "0.4,0.5", f"{name}.gates": "1,2", f"{name}.neighbours": "3"}
    settings |= {"entropy+recovery.trigger": "confidence"}
    options = [f"--set={name}={value}" for name, value in settings.items()]
    chosen = by_name(setup("--strategies", "rule,entropy,entropy+recovery,random@entropy", *options))
    assert (next(iter(chosen)), chosen["random@entropy"].replays) == ("dense", "entropy")
    rule, entropy, recovering = (chosen[name].strategy for name in ("rule", "entropy", "entropy+recovery"))
    assert (rule.settings()["lambda_"], rule.settings()["min_keep_ratio"], rule.point) == (2, 0.9, "")
    for strategy in (entropy, recovering):
        settings = strategy.settings()
        assert (settings["max_entropy"], strategy.gates, settings["neighbours"]) == ((0.4, 0.5), (1, 2), 3)
    assert recovering.recovery.trigger == "confidence"
    assert chosen["random@entropy"].strategy.controller.neighbours == 3, "it replays the strategy that runs"


def test_operating_points_of_a_strategy_stand_side_by_side_and_must_beat_their_own_controls(setup):
    names = "entropy,entropy:balanced,entropy+recovery:balanced,random@entropy:balanced,truncate-1"
    chosen = by_name(setup("--strategies", names, "--set", "entropy:balanced.max_entropy=0.4"))
    assert [one.strategy.point for one in chosen.values() if one.prunes] == ["", "", ""]
    found = {(one.name, other.name) for one in chosen.values() for other in chosen.values() if one.must_beat(other)}
    assert found == {
        ("entropy:balanced", "random@entropy:balanced"),
        ("entropy+recovery:balanced", "entropy:balanced"),
        *((name, "truncate-1") for name in ("entropy", "entropy:balanced", "entropy+recovery:balanced")),
    }


@pytest.mark.parametrize("options", [(), ("--corpus", str(SAMPLE))])
def test_the_defaults_are_the_same_with_and_without_a_corpus(model_folder, options):
    arguments = make_parser().parse_args(["--model", str(model_folder), "--limit", "1", *options])
    found = set_up(arguments, load_scored_corpus(arguments), Progress())
    assert arguments.dtype == "auto"
    assert list(by_name(found)) == ["dense", "entropy", "hf-pipeline"]
    assert found.plan.batch_sizes == [1, 32]


def test_the_default_strategy_is_the_models(plain_folder, cautious_folder):
    for folder, expected in ((plain_folder, ["dense"]), (cautious_folder, ["dense", "entropy:careful"])):
        arguments = make_parser().parse_args(["--model", str(folder), "--limit", "1", "--baselines", "none"])
        assert list(by_name(set_up(arguments, load_scored_corpus(arguments), Progress()))) == expected


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
