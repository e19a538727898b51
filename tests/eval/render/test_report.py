import shutil

from eval.render.folder import ReportFolder
from eval.render.plots import plot_confusion, plot_exits, plot_groups
from eval.render.report import confusion, errors, exits, groups, render_folder


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
    assert "Groups by training mentions are left out" in text
    assert "exits.png" not in text


def test_confusion_is_shown_as_shares_and_counts_of_the_main_strategy(analysed):
    report = ReportFolder(analysed[-1])
    counts = report.frame("confusion").query("variant == 'entropy'").set_index(["gold", "predicted"])["count"]
    rows = confusion(report).rows
    assert [row[0] for row in rows] == ["Chemical", "Disease"]
    for (type_, mentions, found, other, missed, spurious), another in zip(rows, ("Disease", "Chemical"), strict=True):
        assert (found, other, missed) == tuple(counts[type_, name] for name in (type_, another, "none"))
        assert (mentions, spurious) == (counts[type_].sum(), counts["none", type_])
    (axis,) = plot_confusion(counts.reset_index()).axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["Chemical", "Disease", "missed"]
    shown = [text.get_text() for text in axis.texts]
    assert shown == [f"{count / row[1]:.1%}" for row in rows for count in counts[row[0]]]
