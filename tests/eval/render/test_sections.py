import re

import pytest

from engine.data.corpora import load_corpus
from eval.analysis.errors import Errors
from eval.measure.analyses import analyse
from eval.measure.variants import of_strategy
from eval.options import SAMPLE
from eval.render.analyses import cases_page, errors_parts, exits_parts, groups_parts, largest_gap
from eval.render.files import read_table
from eval.render.pages import Table, write_pages
from eval.render.plots import plot_exits, plot_groups
from eval.render.sections import reading
from tests.eval.analysis.analysis_cases import DRUG, GOLD, compare, entity, gaps_if_lost, grouped


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
    _, (dense, *pruning), out = analysed
    errors, (summary, by_layer), groups = sections(out)
    changes, against_gold, against_dense, confusion = errors
    assert [row[0] for row in changes.rows] == [row[0] for row in against_dense.rows] == pruning
    assert [row[0] for row in against_gold.rows] == [dense, *pruning]
    assert against_dense.columns == ["strategy", "same", "changed", "lost", "new"]
    assert len({sum(row[1:5]) for row in against_gold.rows}) == 1, "gold mentions"
    assert len({sum(row[1:4]) for row in against_dense.rows}) == 1, "entities of dense"
    assert ["dense", "none"] in [row[:2] for row in confusion.rows]
    assert summary.rows[-1][:3] == ["truncate-1", "100.0%", "100.0%"]
    assert by_layer.rows[-1][:3] == ["truncate-1", 1, "100.0%"]
    (table,) = (part for part in groups if isinstance(part, Table))
    assert table.columns[-3:] == pruning
    for text in ("- `entropy`: ", "- `truncate-1`: ", "occurs in the corpus' own training split"):
        assert text in text_of(groups)
    for plot, name in ((plot_groups, "subgroups"), (plot_exits, "exits")):
        assert [axis.get_title() for axis in plot(read(out, name)).axes][:3] == pruning


def test_sections_say_what_is_missing(engine, tmp_path):
    analyse([of_strategy(engine, engine.strategy("dense"))], load_corpus(str(SAMPLE), limit=2), tmp_path)
    errors, exits, groups = sections(tmp_path)
    assert "Groups by training mentions are left out" in text_of(groups)
    assert exits == ["No strategy with gates ran."]
    assert "caused" not in text_of(errors)


@pytest.mark.parametrize(("gaps", "sentence"), [
    (lambda: gaps_if_lost(range(0, 60, 2)), r"by .+, \*.+\* loses .+: the largest significant gap of "),
    (lambda: gaps_if_lost([7]), "by .+ loses .+: the largest gap of 3 pairs, but not significant"),
    (lambda: grouped(*[(GOLD, GOLD, [DRUG])] * 5)[1], "no two groups of a kind have 20 mentions and 5 documents each"),
    (lambda: grouped(*[(GOLD, GOLD, GOLD)] * 30)[1], "no gap. All 3 pairs of groups lose alike."),
])  # fmt: skip
def test_the_largest_gap_is_named_with_its_significance(gaps, sentence):
    found = largest_gap("entropy", [{**gap, "label": gap["strategy"]} for gap in gaps()])
    assert re.match(f"`entropy`: {sentence}", found)
    assert largest_gap("a*b*", []).startswith("`a*b*`: "), "a label of users is no markup"


def test_intervals_over_few_batches_are_said_to_be_narrow():
    rows = [{"kind": "dense", "label": "dense", "batch_size": size, "timed_documents": 150} for size in (1, 32, 64)]
    # Over three batches of 64 there is no interval.
    assert reading(rows).endswith("Intervals over few batches are too narrow; there are 5 batches of 32.")


def cases_of(*comparisons):
    errors = Errors()
    for comparison in comparisons:
        errors.add(comparison)
    return cases_page([{"dtype": "float32", **of} for of in errors.cases()])


def test_cases_show_where_each_word_exits_and_escape_the_text(tmp_path):
    text = "Bad|<b>failure</b> after *doses* ."
    gold = entity("failure", "Disease", text)
    page = cases_of(compare([gold], [gold], [], exits={5: (2, "exited")}, text=text, id_="<1>"))
    write_pages(page, tmp_path, "cases")
    text = (tmp_path / "cases.md").read_text()
    assert "### caused: missed, mislabelled at the gate" in text
    assert "| failure | B-Disease | B-Disease | O | 2 | 2: O 0.90 |" in text.splitlines()
    assert "Document &#60;1&#62;." in text
    assert "<b>" not in text + (tmp_path / "cases.html").read_text()
    assert "- entropy: nothing" in text


def test_cases_stay_few_and_are_counted():
    gold = entity("cisplatin", "Chemical")
    (section,) = cases_of(*[compare([gold], [gold], [])] * 9).sections
    assert sum(str(part).startswith("### ") for part in section.parts) == 3
    assert section.parts[0] == "In all: 9 caused (context lost)."
    assert "No strategy differs from dense" in text_of(cases_of().opening)
