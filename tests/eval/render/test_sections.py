import numpy as np

from engine.data.corpora import Corpus, load_corpus
from eval.measure.analyses import analyse
from eval.render.files import read_table
from eval.render.plots import plot_exits, plot_groups
from eval.render.sections import errors_section, exits_section, groups_section, largest_gap
from eval.report import SAMPLE
from tests.eval.analysis.analysis_cases import DRUG, GOLD
from tests.eval.analysis.test_subgroups import alone_and_wavering, grouped


def sections(out):
    """Errors, exits and groups."""
    errors, confusion, exits, groups, gaps = (
        read_table(out, name) for name in ("errors", "confusion", "exits", "subgroups", "gaps")
    )
    return errors_section(errors, confusion), exits_section(exits), groups_section(groups, gaps)


def test_sections_and_plots_come_from_the_files_alone(analysed, tmp_path):
    _, strategies, out = analysed
    errors, exits, groups = sections(out)
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
        figure = plot(read_table(out, name))
        assert [axis.get_title() for axis in figure.axes] == ["entropy", "truncate-1"]


def test_sections_say_what_is_missing(engine, tmp_path):
    analyse({engine: []}, load_corpus(str(SAMPLE), limit=2), tmp_path)
    errors, exits, groups = sections(tmp_path)
    assert "Groups by training mentions are left out" in groups
    assert exits == "No strategy with gates ran."
    assert "caused" not in errors
    analyse({engine: []}, Corpus("none", "all", ("Disease",), ()), tmp_path)
    assert sections(tmp_path)[2] == "No mentions, no groups."


def test_the_largest_gap_is_named_where_it_is_significant():
    alone, wavering = alone_and_wavering(np.random.default_rng(0))
    assert largest_gap("entropy", alone.rows(seed=0)[1]).startswith("`entropy`: the largest significant gap is ")
    text = largest_gap("entropy", wavering.rows(seed=0)[1])
    assert text.startswith("`entropy`: no significant gap. The largest of ")


def test_groups_without_support_and_equal_ones_have_no_gap():
    _, gaps = grouped(own=[DRUG], times=5)
    assert gaps == []
    assert "no two groups of a kind have 20 mentions and 5 documents each" in largest_gap("entropy", gaps)
    _, gaps = grouped(own=GOLD, times=30)
    assert largest_gap("entropy", gaps) == "`entropy`: no gap. All 3 pairs of groups lose alike."
