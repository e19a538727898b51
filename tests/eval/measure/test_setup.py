import pytest

from engine.corpora import Corpus
from engine.errors import InputError
from engine.formats import WRITERS
from engine.text.documents import Document, Entity
from eval.config import SAMPLE, ReportConfig
from eval.measure.setup import BATCHES, draw, load_taggers, training_documents


def variants_of(folder, **asked):
    """The variants that are measured of a model, by name."""
    config = ReportConfig(model=str(folder), limit=1, **asked)
    return {tagger.variant.name: tagger.variant for tagger in load_taggers(config, config.load(), ())}


@pytest.fixture
def setup(model_folder):
    """Sets up strategies in float32 without baselines."""

    def start(*strategies, changed=()):
        return variants_of(model_folder, dtype=("float32",), baselines=("none",), strategies=strategies, set=changed)

    return start


def test_settings_reach_the_strategies_that_run_after_dense_and_their_controls(setup):
    settings = {"rule.lambda": "2", "rule.min_keep_ratio": "0.9"}
    for name in ("entropy", "entropy+recovery"):
        settings |= {f"{name}.max_entropy": "0.4,0.5", f"{name}.gates": "1,2", f"{name}.neighbours": "3"}
    settings |= {"entropy+recovery.trigger": "confidence"}
    changed = [f"{name}={value}" for name, value in settings.items()]
    chosen = setup("rule", "entropy", "entropy+recovery", "random@entropy", changed=changed)
    assert next(iter(chosen)) == "dense"
    rule, entropy, recovering = (chosen[name].strategy for name in ("rule", "entropy", "entropy+recovery"))
    assert (rule.settings()["lambda_"], rule.settings()["min_keep_ratio"], rule.point) == (2, 0.9, "")
    for strategy in (entropy, recovering):
        settings = strategy.settings()
        assert (settings["max_entropy"], strategy.gates, settings["neighbours"]) == ((0.4, 0.5), (1, 2), 3)
    assert recovering.recovery.trigger == "confidence"
    assert chosen["random@entropy"].strategy.controller.neighbours == 3, "it has the settings of the strategy that runs"


def test_operating_points_stand_side_by_side_and_settings_that_change_leave_the_point(setup):
    chosen = setup(
        "entropy", "entropy:balanced", "random@entropy:balanced", changed=["entropy:balanced.max_entropy=0.4"]
    )
    assert [(name, variant.point, variant.prunes) for name, variant in chosen.items()] == [
        ("dense", "", False),
        ("entropy", "", True),
        ("entropy:balanced", "", True),
        ("random@entropy:balanced", "", False),
    ]


def test_the_default_is_what_the_model_runs_by_default_beside_dense_and_the_pipeline(
    model_folder, plain_folder, cautious_folder
):
    for corpus in (None, str(SAMPLE)):
        assert list(variants_of(model_folder, corpus=corpus)) == ["dense", "entropy", "hf-pipeline"]
    for folder, expected in ((plain_folder, ["dense"]), (cautious_folder, ["dense", "entropy:careful"])):
        assert list(variants_of(folder, baselines=("none",))) == expected


def test_all_is_compared_with_dense_in_float32_in_whatever_order_dtypes_are_named(model_folder):
    chosen = variants_of(model_folder, dtype=("int8", "float32"), baselines=("none",), strategies=("dense",))
    assert list(chosen) == ["dense (float32)", "dense (int8)"]


def test_training_documents_share_none_with_the_split(monkeypatch):
    def load(name, split, data_dir):
        return Corpus(name, split, (), (Document(split, ""),))

    monkeypatch.setattr("eval.measure.setup.load_corpus", load)
    expected = {
        "bc5cdr": {"train": "", "dev": "train", "test": "fit", "fit": "", "calib": "fit"},
        "ncbi-disease": {"train": "", "dev": "train", "test": "train"},
        "biored": {"dev": "fit", "fit": ""},
        "file.txt": {"all": ""},
    }
    for name, splits in expected.items():
        for split, training in splits.items():
            documents = training_documents(Corpus(name, split, (), ()))
            assert "".join(document.id for document in documents) == training


def file_of(path, ids, *types):
    """A file of documents, each with an entity of each type; returns its path."""
    entities = tuple(Entity(0, 6, type_, "Nausea") for type_ in types)
    documents = (Document(id_, "Nausea", entities) for id_ in ids)
    path.write_text("".join(WRITERS["jsonl"].write(documents)))
    return str(path)


def test_documents_of_other_corpora_are_left_out_everywhere_and_types_that_are_not_annotated_elsewhere(tmp_path):
    home = file_of(tmp_path / "home.jsonl", "abc", "Chemical", "Disease")
    further = file_of(tmp_path / "further.jsonl", "cde", "Disease", "Gene")
    seen = file_of(tmp_path / "seen.jsonl", "bd", "Disease")
    config = ReportConfig(corpus=home, elsewhere=(further,), leave_out=(seen,))
    corpus = config.load()
    (other,) = config.load_elsewhere(corpus.types)
    assert [[document.id for document in each.documents] for each in (corpus, other)] == [["a", "c"], ["c", "e"]]
    assert (corpus.types, other.types) == (("Chemical", "Disease"), ("Disease",))
    with pytest.raises(InputError, match="has none of the types"):
        config.load_elsewhere(["Species"])
    with pytest.raises(InputError, match="leaves no document"):
        ReportConfig(corpus=further, leave_out=(further,)).load()


def test_at_least_ten_calls_are_timed_and_documents_are_drawn_again_only_if_there_are_no_more():
    for timed, size, count in ((160, 1, 160), (160, 32, BATCHES * 32), (None, 32, 500), (5, 1, BATCHES)):
        drawn = draw(500, timed, size)
        assert len(set(drawn)) == len(drawn) == count
    drawn = draw(100, 60, 32)
    assert len(drawn) == BATCHES * 32
    assert sorted(drawn[:100]) == list(range(100))
