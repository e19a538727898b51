import pandas as pd
import pytest

import eval.analysis.errors
import eval.analysis.exits
import eval.analysis.subgroups
from engine.data.corpora import Corpus, load_corpus
from engine.text.documents import Document
from engine.text.scoring import Counts, count_documents
from eval.analysis.cases import Cases, escape
from eval.analysis.errors import Errors
from eval.analysis.exits import Exits
from eval.analysis.run import FILES, analyse, number_of_calls, training_documents
from eval.analysis.subgroups import Subgroups
from eval.render.analysis_markdown import errors_section, exits_section, groups_section
from eval.render.analysis_plots import plot_exits, plot_groups
from eval.report import SAMPLE
from tests.eval.analysis.analysis_cases import DENSE, ENTROPY, LAYERS, compared, entity

FAILURE, DRUG = entity("Renal failure", "Disease"), entity("cisplatin", "Chemical")
KNOBS = {"gates": (1, 2), "max_entropy": 0.45, "exit_entities": True}


@pytest.fixture(scope="module")
def analysed(engine, tmp_path_factory):
    out = tmp_path_factory.mktemp("analysis")
    corpus = load_corpus(str(SAMPLE), limit=34)
    strategies = [engine.strategy("entropy", **KNOBS), engine.strategy("truncate-1")]
    calls = []
    analyse(engine, corpus, strategies, out, corpus.documents[:2], progress=lambda: calls.append(1))
    assert len(calls) == number_of_calls(corpus, strategies)
    return corpus, strategies, out


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
        total = sum(count_documents(corpus.documents, found, corpus.types), Counts())
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
        analyse(engine, Corpus("none", "all", ("Disease",), documents), [engine.strategy("entropy", **KNOBS)], tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == set(FILES)
        for path in tmp_path.glob("*.csv"):
            assert list(pd.read_csv(path)) == list(pd.read_csv(full / path.name))


def test_every_column_that_is_counted_is_written():
    groups = Subgroups(LAYERS)
    collectors = Errors(), Exits(), groups
    for own, strategy in (([DRUG], DENSE), ([], ENTROPY)):
        for _ in range(20):
            for collector in collectors:
                collector.add(compared([DRUG, FAILURE], [DRUG], own, strategy, fates={0: (2, "left")}))
    rows, gaps = groups.rows(seed=0)
    errors, exits, _ = collectors
    for found, columns in (
        (errors.rows(), eval.analysis.errors.COLUMNS),
        (errors.confusion_rows(["Disease"]), eval.analysis.errors.CONFUSION_COLUMNS),
        (exits.rows(), eval.analysis.exits.COLUMNS),
        (rows, eval.analysis.subgroups.COLUMNS),
        (gaps, eval.analysis.subgroups.GAP_COLUMNS),
    ):
        assert list(next(iter(found))) == list(columns)


def test_cases_show_where_each_word_left_and_escape_the_text():
    text = "Bad|<b>failure</b> after *doses* ."
    gold = entity("failure", "Disease", text)
    cases = Cases()
    one = compared([gold], [gold], [], fates={5: (2, "left")}, text=text, id_="<1>")
    cases.add(one)
    page = cases.page()
    assert "### caused: missed, mislabelled at the gate" in page
    assert "| failure | B-Disease | B-Disease | O | 2 | 2: O 0.90 |" in page.splitlines()
    assert "Document &#60;1&#62;." in page
    assert "<b>" not in page
    assert "- entropy: nothing" in page
    assert escape("a|b\n<c>") == "a&#124;b &#60;c&#62;"


def test_cases_stay_few_and_are_counted():
    gold = entity("cisplatin", "Chemical")
    cases = Cases()
    for _ in range(9):
        cases.add(compared([gold], [gold], []))
    page = cases.page()
    assert page.count("### ") == 3
    assert "In all: 9 caused (context lost)." in page


def test_training_documents_share_none_with_the_split(monkeypatch):
    def load(name, split, data_dir):
        return Corpus(name, split, (), (Document(split, ""),))

    monkeypatch.setattr("eval.analysis.run.load_corpus", load)
    found = {}
    for name in ("bc5cdr", "ncbi-disease"):
        for split in ("train", "dev", "test", "fit", "calib"):
            documents = training_documents(Corpus(name, split, (), ()))
            found[name, split] = documents and documents[0].id
    assert [found["bc5cdr", split] for split in ("train", "dev", "test", "fit", "calib")] == [
        None, "train", "fit", None, "fit",
    ]  # fmt: skip
    assert [found["ncbi-disease", split] for split in ("train", "dev", "test")] == [None, "train", "train"]
    assert training_documents(Corpus("file.txt", "all", (), ())) is None


def test_sections_and_plots_come_from_the_files_alone(analysed, tmp_path):
    _, strategies, out = analysed
    errors, exits, groups = errors_section(out), exits_section(out), groups_section(out)
    assert "Mentions against gold." in errors
    assert "Mentions against dense." in errors
    assert "| entropy | caused | " in errors
    assert "| dense | none |" in errors
    assert "| truncate-1 | 1 | 100.0% | " in exits
    assert "| by | group | mentions | dense F1 [95 %] | dense recall | entropy | truncate-1 |" in groups
    for strategy in strategies:
        assert f"- `{strategy.name}`: " in groups
    assert "left out" not in groups
    assert "stands in the corpus' own training split" in groups
    for plot, name in ((plot_groups, "subgroups"), (plot_exits, "exits")):
        plot(out / f"{name}.csv", tmp_path / "plot.png")
        assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_sections_say_what_is_missing(engine, tmp_path):
    analyse(engine, load_corpus(str(SAMPLE), limit=2), [], tmp_path)
    assert "Groups by training mentions are left out" in groups_section(tmp_path)
    assert exits_section(tmp_path) == "No strategy with gates ran."
    assert "caused" not in errors_section(tmp_path)
    analyse(engine, Corpus("none", "all", ("Disease",), ()), [], tmp_path)
    assert groups_section(tmp_path) == "No mentions, no groups."
