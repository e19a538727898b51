import pandas as pd

from engine.data.corpora import Corpus
from engine.text.documents import Document
from engine.text.scoring import Counts, count_documents
from eval import schema
from eval.analysis import FILES
from eval.analysis.errors import Errors
from eval.analysis.exits import Exits
from eval.analysis.subgroups import Subgroups
from eval.measure.analyses import analyse, training_documents
from eval.measure.variants import of_strategy
from tests.eval.analysis.analysis_cases import DENSE, DRUG, ENTROPY, FAILURE, LAYERS, compared
from tests.eval.conftest import SETTINGS


def test_one_pass_writes_every_file_with_every_strategy(analysed):
    _, _, out = analysed
    assert {path.name for path in out.iterdir()} == set(FILES)
    for name in ("errors", "confusion", "subgroups"):
        assert list(pd.read_csv(out / f"{name}.csv")["strategy"].unique()) == ["dense", "entropy", "truncate-1"]
    for name in ("exits", "gaps"):
        assert list(pd.read_csv(out / f"{name}.csv")["strategy"].unique()) == ["entropy", "truncate-1"]


def test_its_sums_are_those_of_the_scorer(analysed, engine):
    corpus, strategies, out = analysed
    errors, groups = (pd.read_csv(out / f"{name}.csv") for name in ("errors", "subgroups"))
    texts = [document.text for document in corpus.documents]
    for strategy in strategies:
        found = [result.entities for result in engine.tag_batch(texts, strategy)]
        total = Counts.total(count_documents(corpus.documents, found, corpus.types))
        own = errors[(errors["strategy"] == strategy.name) & (errors["part"] == "against gold")]
        assert own.set_index("outcome")["count"]["exact"] == total.correct
        of = groups[groups["strategy"] == strategy.name]
        for dimension in ("type", "words", "document", "abbreviation", "pieces per word", "training split"):
            sums = of[of["dimension"] == dimension][["correct", "predicted", "support"]].sum()
            assert sums.tolist() == [total.correct, total.predicted, total.gold]
    assert (groups[groups["strategy"] == "truncate-1"]["keep_rate"].dropna() - 1 / 3).abs().max() < 1e-9


def test_a_corpus_without_gold_or_documents_still_gives_all_files_with_their_columns(engine, analysed, tmp_path):
    _, _, full = analysed
    for documents in ((), (Document("1", "Nausea after aspirin."),)):
        strategies = engine.strategy("dense"), engine.strategy("entropy", **SETTINGS)
        analyse(
            [of_strategy(engine, one) for one in strategies], Corpus("none", "all", ("Disease",), documents), tmp_path
        )
        assert {path.name for path in tmp_path.iterdir()} == set(FILES)
        for path in tmp_path.glob("*.csv"):
            assert list(pd.read_csv(path)) == list(pd.read_csv(full / path.name))


def test_every_column_that_is_counted_is_written():
    groups = Subgroups(LAYERS)
    collectors = Errors(), Exits(), groups
    for own, strategy in (([DRUG], DENSE), ([], ENTROPY)):
        for _ in range(20):
            for collector in collectors:
                collector.add(compared([DRUG, FAILURE], [DRUG], own, strategy, fates={0: (2, "exited")}))
    rows, gaps = groups.rows(seed=0)
    errors, exits, _ = collectors
    for found, row in (
        (errors.rows(), schema.ErrorCount),
        (errors.confusion_rows(["Disease"]), schema.Confusion),
        (exits.rows(), schema.Exit),
        (rows, schema.Group),
        (gaps, schema.Gap),
    ):
        assert tuple(next(iter(found))) == schema.columns(row)


def test_training_documents_share_none_with_the_split(monkeypatch):
    def load(name, split, data_dir):
        return Corpus(name, split, (), (Document(split, ""),))

    monkeypatch.setattr("eval.measure.analyses.load_corpus", load)
    found = {}
    for name in ("bc5cdr", "ncbi-disease"):
        for split in ("train", "dev", "test", "fit", "calib"):
            documents = training_documents(Corpus(name, split, (), ()))
            found[name, split] = documents and documents[0].id
    assert [found["bc5cdr", split] for split in ("train", "dev", "test", "fit", "calib")] == [
        None, "train", "fit", None, "fit",
    ]  # fmt: skip
    assert [found["ncbi-disease", split] for split in ("train", "dev", "test")] == [None, "train", "train"]
    assert training_documents(Corpus("biored", "dev", (), ()))[0].id == "fit"
    assert training_documents(Corpus("biored", "fit", (), ())) is None
    assert training_documents(Corpus("file.txt", "all", (), ())) is None
