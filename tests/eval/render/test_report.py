import shutil

from eval.render.folder import ReportFolder
from eval.render.plots import plot_exits, plot_groups
from eval.render.report import errors, exits, groups, render_folder


def test_sections_and_plots_come_from_the_files_alone_and_say_what_is_missing(analysed, tmp_path):
    counts, out = analysed
    (_, *names), report = counts, ReportFolder(out)
    assert [row[0] for row in errors(report).rows] == names
    assert exits(report).rows[-1][:3] == ["truncate-1", "100.0%", "100.0%"]
    assert groups(report).columns[-3:] == names
    assert [row[:2] for row in groups(report).rows] == [
        ["type", "Chemical"], ["type", "Disease"], ["training split", "seen"], ["training split", "unseen"],
    ]  # fmt: skip
    for plot, name in ((plot_groups, "subgroups"), (plot_exits, "exits")):
        assert [axis.get_title() for axis in plot(report.losses(name)).axes][:3] == names

    alone = ReportFolder(shutil.copytree(out, tmp_path / "alone"))
    for name in ("errors", "exits", "subgroups"):
        dense_rows = report.frame(name).query("variant == 'dense'")
        (dense_rows.query("dimension == 'type'") if name == "subgroups" else dense_rows).to_csv(
            alone.folder / f"{name}.csv"
        )
    render_folder(alone.folder)
    text = (alone.folder / "report.md").read_text(encoding="utf-8")
    for missing in (
        "Groups by training mentions are left out",
        "No strategy with gates",
        "No strategy ran beside dense.",
    ):
        assert missing in text
    assert "exits.png" not in text
