import shutil

from eval.render import ReportFolder
from eval.render.plots import plot_exits, plot_groups
from eval.render.sections import errors_parts, exits_parts, groups_parts, reading


def test_sections_and_plots_come_from_the_files_alone_and_say_what_is_missing(analysed, tmp_path):
    _, (_, *pruning), out = analysed
    report = ReportFolder(out)
    (changes,), (exited,), (table,) = (of(report) for of in (errors_parts, exits_parts, groups_parts))
    assert [row[0] for row in changes.rows] == pruning
    assert exited.rows[-1][:3] == ["truncate-1", "100.0%", "100.0%"]
    assert table.columns[-3:] == pruning
    assert [row[:2] for row in table.rows] == [
        ["type", "Chemical"], ["type", "Disease"], ["training split", "seen"], ["training split", "unseen"],
    ]  # fmt: skip
    for plot, name in ((plot_groups, "subgroups"), (plot_exits, "exits")):
        assert [axis.get_title() for axis in plot(report.table(name)).axes][:3] == pruning

    alone = ReportFolder(shutil.copytree(out, tmp_path / "alone"))
    for name in ("errors", "exits", "subgroups"):
        own = report.table(name).query("variant == 'dense'").drop(columns="kind")
        (own.query("dimension == 'type'") if name == "subgroups" else own).to_csv(alone.folder / f"{name}.csv")
    (table,) = groups_parts(alone)
    assert "Groups by training mentions are left out" in table.caption
    assert exits_parts(alone) == ["No strategy with gates ran."]
    assert errors_parts(alone) == ["No strategy ran beside dense."]


def test_intervals_over_few_batches_are_said_to_be_narrow(analysed):
    assert reading(ReportFolder(analysed[-1])).endswith(
        "Intervals over few batches are too narrow; there are 8 batches of 1."
    )
