import numpy as np
import pandas as pd
import pytest

from engine.data.corpora import Corpus, load_corpus
from eval.analysis import Analyses
from eval.measure.analyses import analyse
from eval.measure.variants import of_strategy
from eval.render.files import read_table
from eval.render.html import Table, write_pages
from eval.render.plots import plot_exits, plot_groups
from eval.render.sections import (
    KINDS_READING,
    cases_page,
    errors_parts,
    exits_parts,
    groups_parts,
    largest_gap,
    reading,
    results_parts,
)
from eval.report import SAMPLE
from eval.schema import BASELINE, HF, MODEL, RANDOM
from tests.eval.analysis.analysis_cases import DRUG, GOLD, compared, entity
from tests.eval.analysis.test_subgroups import alone_and_wavering, grouped


def read(out, name):
    """A table with the strategies' names as labels, and the gold label apart from them."""
    table = read_table(out, name).rename(columns={"label": "gold"})
    return table.assign(label=table["strategy"])


def sections(out):
    """Errors, exits and groups."""
    errors, confusion, exits, groups, gaps = (
        read(out, name) for name in ("errors", "confusion", "exits", "subgroups", "gaps")
    )
    return errors_parts(errors, confusion), exits_parts(exits), groups_parts(groups, gaps)


def text_of(parts):
    return "\n".join(part if isinstance(part, str) else f"{part.caption} {part.columns} {part.rows}" for part in parts)


def test_sections_and_plots_come_from_the_files_alone(analysed):
    _, strategies, out = analysed
    errors, exits, groups = sections(out)
    changes, outcomes, confusion = (part for part in errors if isinstance(part, Table))
    assert [row[0] for row in changes.rows] == [strategy.name for strategy in strategies]
    assert {tuple(row[:2]) for row in outcomes.rows} >= {("dense", "against gold"), ("entropy", "against dense")}
    assert ["dense", "none"] in [row[:2] for row in confusion.rows]
    summary, by_layer = exits
    assert summary.rows[1][:3] == ["truncate-1", "100.0%", "100.0%"]
    assert by_layer.rows[-1][:3] == ["truncate-1", 1, "100.0%"]
    (table,) = (part for part in groups if isinstance(part, Table))
    assert table.columns[-2:] == ["entropy", "truncate-1"]
    for strategy in strategies:
        assert f"- `{strategy.name}`: " in text_of(groups)
    assert "stands in the corpus' own training split" in text_of(groups)
    for plot, name in ((plot_groups, "subgroups"), (plot_exits, "exits")):
        assert [axis.get_title() for axis in plot(read(out, name)).axes][:2] == ["entropy", "truncate-1"]


def test_sections_say_what_is_missing(engine, tmp_path):
    dense = [of_strategy(engine, engine.strategy("dense"))]
    analyse(dense, load_corpus(str(SAMPLE), limit=2), tmp_path)
    errors, exits, groups = sections(tmp_path)
    assert "Groups by training mentions are left out" in text_of(groups)
    assert exits == ["No strategy with gates ran."]
    assert "caused" not in text_of(errors)
    analyse(dense, Corpus("none", "all", ("Disease",), ()), tmp_path)
    assert sections(tmp_path)[2] == ["No mentions, no groups."]


def gap_of(gaps):
    return largest_gap("entropy", [{**gap, "label": gap["strategy"]} for gap in gaps])


def test_the_largest_gap_is_named_where_it_is_significant():
    alone, wavering = alone_and_wavering(np.random.default_rng(0))
    assert gap_of(alone.rows(seed=0)[1]).startswith("`entropy`: the largest significant gap is ")
    assert gap_of(wavering.rows(seed=0)[1]).startswith("`entropy`: no significant gap. The largest of ")


def test_groups_without_support_and_equal_ones_have_no_gap():
    _, gaps = grouped(own=[DRUG], times=5)
    assert gaps == []
    assert "no two groups of a kind have 20 mentions and 5 documents each" in gap_of(gaps)
    _, gaps = grouped(own=GOLD, times=30)
    assert gap_of(gaps) == "`entropy`: no gap. All 3 pairs of groups lose alike."


@pytest.mark.parametrize("kinds", [(), (RANDOM,), (HF, BASELINE), (RANDOM, HF, BASELINE, MODEL)])
def test_each_kind_of_rows_is_explained_where_it_is_there(kinds):
    rows = [
        {"kind": kind, "label": kind, "batch_size": 1, "timed_documents": 150} for kind in ("dense", "entropy", *kinds)
    ]
    assert [kind for kind, words in KINDS_READING.items() if words in reading(rows)] == list(kinds)


def test_intervals_over_few_batches_are_said_to_be_narrow():
    rows = [{"kind": "dense", "label": "dense", "batch_size": size, "timed_documents": 150} for size in (1, 32, 64)]
    # Over three batches of 64 there is no interval.
    assert reading(rows).endswith("Intervals over few batches are too narrow; there are 5 batches of 32.")


def test_results_have_a_table_of_six_columns_for_each_batch_size():
    report = SAMPLE.parents[2] / "docs" / "biored-dev"
    rows, intervals = (read_table(report, name) for name in ("results", "intervals"))
    labels = {"label": lambda of: of["strategy"] + of["dtype"]}
    against = {"against_label": lambda of: of["against"] + of["against_dtype"]}
    rows = rows.assign(**labels).fillna({"point": "", "replays": ""}).to_dict("records")
    parts = results_parts(rows, intervals.assign(**labels, **against).to_dict("records"))
    assert [part for part in parts if str(part).startswith("### Batch")] == ["### Batch size 1", "### Batch size 32"]
    first, second, *_, pairs = (part for part in parts if isinstance(part, Table))
    assert len(first.columns) == len(second.columns) == 6
    assert pairs.folded


def cases_of(*documents):
    analyses = Analyses(layers=6)
    for document in documents:
        analyses.add(document)
    return cases_page([{"dtype": "float32", **of} for of in analyses.cases()])


def test_cases_show_where_each_word_exits_and_escape_the_text(tmp_path):
    text = "Bad|<b>failure</b> after *doses* ."
    gold = entity("failure", "Disease", text)
    write_pages(
        cases_of(compared([gold], [gold], [], fates={5: (2, "exited")}, text=text, id_="<1>")), tmp_path, "cases"
    )
    page = (tmp_path / "cases.md").read_text()
    assert "### caused: missed, mislabelled at the gate" in page
    assert "| failure | B-Disease | B-Disease | O | 2 | 2: O 0.90 |" in page.splitlines()
    assert "Document &#60;1&#62;." in page
    assert "<b>" not in page + (tmp_path / "cases.html").read_text()
    assert "- entropy: nothing" in page


def test_cases_stay_few_and_are_counted():
    gold = entity("cisplatin", "Chemical")
    (section,) = cases_of(*[compared([gold], [gold], [])] * 9).sections
    assert sum(str(part).startswith("### ") for part in section.parts) == 3
    assert section.parts[0] == "In all: 9 caused (context lost)."


def test_without_cases_the_page_says_so():
    assert "No strategy differs from dense" in text_of(cases_of().opening)


def test_a_label_of_users_is_not_markup():
    page = groups_parts(
        pd.DataFrame([_group("dense"), _group("a*b*")]), pd.DataFrame(columns=["label", "significant", "gap"])
    )
    assert "`a*b*`: no two groups" in page[0]


def _group(label):
    kind = "dense" if label == "dense" else "entropy"
    group = {"strategy": kind, "label": label, "dtype": "float32", "dimension": "type", "group": "D", "support": 1}
    scores = dict.fromkeys(("f1", "f1_low", "f1_high", "recall", "keep_rate"), 0.5)
    return {**group, **scores, "difference": 0.0, "low": 0.0, "high": 0.0, "significant": False}
