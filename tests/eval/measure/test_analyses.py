import json

from engine.data.corpora import Corpus
from engine.text.documents import Document
from eval.measure.analyses import training_documents
from eval.render.files import read_complete_table

TABLES = ("errors", "confusion", "exits", "subgroups", "gaps")


def test_one_pass_writes_every_file_with_every_strategy_and_column(analysed):
    _, (dense, *pruning), out = analysed
    assert {path.name for path in out.iterdir()} == {*(f"{name}.csv" for name in TABLES), "cases.json"}
    for name in TABLES:
        names = pruning if name in ("exits", "gaps") else [dense, *pruning]
        assert list(read_complete_table(out, name)["strategy"].unique()) == names
    assert {one["strategy"] for one in json.loads((out / "cases.json").read_text())} == set(pruning)


def test_the_counts_of_groups_are_those_of_the_scorer(analysed):
    _, counts, out = analysed
    groups = read_complete_table(out, "subgroups")
    for strategy, total in counts.items():
        of = groups[groups["strategy"] == strategy]
        for dimension in ("type", "words", "document", "abbreviation", "pieces per word", "training split"):
            sums = of[of["dimension"] == dimension][["correct", "predicted", "support"]].sum()
            assert sums.tolist() == [total.correct, total.predicted, total.gold]
    assert (groups[groups["strategy"] == "truncate-1"]["keep_rate"].dropna() - 1 / 3).abs().max() < 1e-9


def test_training_documents_share_none_with_the_split(monkeypatch):
    def load(name, split, data_dir):
        return Corpus(name, split, (), (Document(split, ""),))

    monkeypatch.setattr("eval.measure.analyses.load_corpus", load)
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
