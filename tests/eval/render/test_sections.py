from eval.render.files import read_tables
from eval.render.plots import plot_exits, plot_groups
from eval.render.sections import errors_parts, exits_parts, groups_parts, reading


def sections(tables):
    """Errors, exits and groups."""
    return errors_parts(tables["errors"]), exits_parts(tables["exits"]), groups_parts(tables["subgroups"])


def text_of(parts):
    return "\n".join(part if isinstance(part, str) else f"{part.caption} {part.columns} {part.rows}" for part in parts)


def test_sections_and_plots_come_from_the_files_alone_and_say_what_is_missing(analysed):
    _, (_, *pruning), out = analysed
    tables = read_tables(out, "errors", "exits", "subgroups")
    (changes,), (exited,), (table,) = sections(tables)
    assert [row[0] for row in changes.rows] == pruning
    assert exited.rows[-1][:3] == ["truncate-1", "100.0%", "100.0%"]
    assert table.columns[-3:] == pruning
    assert [row[:2] for row in table.rows] == [
        ["type", "Chemical"], ["type", "Disease"], ["training split", "seen"], ["training split", "unseen"],
    ]  # fmt: skip
    assert "occurs in the corpus' own training split" in table.caption
    for plot, name in ((plot_groups, "subgroups"), (plot_exits, "exits")):
        assert [axis.get_title() for axis in plot(tables[name]).axes][:3] == pruning
    alone = {name: table[table["strategy"] == "dense"] for name, table in tables.items()}
    alone["subgroups"] = alone["subgroups"].query("dimension == 'type'")
    errors, exits, groups = sections(alone)
    assert "Groups by training mentions are left out" in text_of(groups)
    assert exits == ["No strategy with gates ran."]
    assert "caused" not in text_of(errors)
    assert groups_parts(alone["subgroups"].iloc[:0]) == ["No mentions, no groups."]


def test_intervals_over_few_batches_are_said_to_be_narrow():
    rows = [{"kind": "dense", "label": "dense", "batch_size": size, "timed_documents": 150} for size in (1, 32, 64)]
    # Over three batches of 64 there is no interval.
    assert reading(rows).endswith("Intervals over few batches are too narrow; there are 5 batches of 32.")
