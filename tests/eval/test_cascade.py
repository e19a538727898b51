"""A report on a cascade: both models, and the cascade between them."""

import json

import pandas as pd
import pytest

from engine.corpora import load_corpus
from engine.loading import load_engine
from engine.text.scoring import Counts, count_documents
from eval.report import main
from tests.eval.conftest import stub_slow_parts

OPTIONS = "--limit 6 --batch-size 1,3 --baselines none --dtype int8"
THRESHOLDS = {"careful": 7.5, "balanced": 9.0}  # about two thirds and a third of the words


@pytest.fixture(scope="module")
def run(tmp_path_factory, cascade_folder, beginnings):
    """A report with the default variants; no test may change its files."""
    out = tmp_path_factory.mktemp("run")
    options = [*OPTIONS.split(), "--model", str(cascade_folder), "--corpus", str(beginnings), "--out", str(out)]
    options += [f"--set=cascade:{point}.threshold={of}" for point, of in THRESHOLDS.items()]
    with pytest.MonkeyPatch.context() as patch:
        stub_slow_parts(patch)
        assert main(options) == 0
    return out


@pytest.fixture(scope="module")
def results(run):
    return pd.read_csv(run / "results.csv")


def test_its_parts_run_beside_it_and_it_is_compared_with_them(results, run):
    first = results[results["batch_size"] == 1]
    assert list(first[["variant", "dtype", "kind"]].itertuples(index=False, name=None)) == [
        ("dense (float32)", "float32", "dense"),
        ("dense (int8)", "int8", "dense"),
        ("cascade:careful", "int8", "cascade"),
        ("cascade:balanced", "int8", "cascade"),
        ("small", "int8", "model"),
    ]
    pairs = set(pd.read_csv(run / "intervals.csv")[["variant", "against"]].itertuples(index=False, name=None))
    for point in THRESHOLDS:
        name = f"cascade:{point}"
        assert {(name, "dense (float32)"), (name, "small")} <= pairs


def test_the_share_read_by_the_large_model_is_that_of_its_windows_and_small_is_the_small_one(
    results, cascade_folder, beginnings
):
    engine, corpus = load_engine(cascade_folder, "int8"), load_corpus(str(beginnings), limit=6)
    texts = [document.text for document in corpus.documents]
    of_variant = {(row.variant, row.batch_size): row.read_by_large for row in results.itertuples()}
    for point, threshold in THRESHOLDS.items():
        for size in (1, 3):
            found = engine.tag_batch(texts, f"cascade:{point}", batch_size=size, threshold=threshold)
            windows = [window for result in found for window in result.trace.windows]
            read = sum(window.end - window.first for window in windows if window.read)
            share = read / sum(len(result.words) for result in found)
            assert of_variant[f"cascade:{point}", size] == pytest.approx(share, abs=1e-6)
    assert results.loc[results["kind"].isin(["dense", "model"]), "read_by_large"].isna().all()
    found = [result.entities for result in engine.stages[0].tag_batch(texts, "dense", batch_size=1)]
    small = Counts.total(count_documents(corpus.documents, found, corpus.types)).f1
    assert results.set_index("variant")["f1"]["small"].iloc[0] == pytest.approx(small, abs=1e-6)


def test_cost_counts_both_models_and_words_that_the_large_one_does_not_read_exit_before_it(run, results):
    exits = pd.read_csv(run / "exits.csv")
    careful = exits[exits["variant"] == "cascade:careful"]
    assert set(careful["layer"]) == {3}
    row = results[(results["variant"] == "cascade:careful") & (results["batch_size"] == 1)].iloc[0]
    words = careful["words"].sum()
    assert careful["exited"].sum() / words == pytest.approx(1 - row["read_by_large"], abs=1e-6)
    layers = pd.read_csv(run / "cost.csv").query("variant == 'cascade:careful' and batch_size == 1")
    shares = layers[layers["measure"] == "token_layers"]["value"].tolist()
    assert shares[:3] == [1, 1, 1]
    assert len(set(shares[3:])) == 1
    assert pd.isna(row["token_layers_kept"])
    assert "token-layers kept | words read by the large model |" in (run / "report.md").read_text()
    assert json.loads((run / "results.json").read_text())["about"]["settings"]["cascade:careful"]["threshold"] == 7.5
