import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from eval.frontier import main, pareto

POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30)


@given(POINTS)
def test_the_frontier_is_what_nothing_beats(points):
    table = pd.DataFrame(points, columns=["theoretical_speedup", "f1_drop_points"])
    found = list(pareto(table).itertuples(index=False, name=None))
    assert found == sorted({p for p in points if not any(q != p and q[0] >= p[0] and q[1] <= p[1] for q in points)})


def test_frontiers_of_two_files_are_plotted_and_summed_up(tmp_path, capsys):
    rows = [("entropy", 2.0, 0.05), ("entropy", 3.0, 0.9), ("rule", 9.0, 0.0)]
    for name, factor in (("before", 1), ("after", 1.5)):
        table = pd.DataFrame(rows, columns=["strategy", "theoretical_speedup", "f1_drop_points"])
        table["theoretical_speedup"] *= factor
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    files = [f"{name}={tmp_path / name}.csv" for name in ("before", "after")]
    assert main([*files, "--out", str(tmp_path / "plot.png")]) == 0
    assert "after: 3.00× at 0.05 points lost, 4.50× at 0.90 points lost" in capsys.readouterr().out
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_files_are_named(tmp_path, capsys):
    (tmp_path / "file.csv").write_text("strategy,theoretical_speedup,f1_drop_points\nrule,1,0\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "other.csv").write_text("strategy,f1\nentropy,1\n")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("plot", "plot.foo"):
        assert main([f"a={tmp_path / 'file.csv'}", "--out", str(tmp_path / name)]) == 2
        assert "expected --out to end in .png, .pdf, .svg, got" in capsys.readouterr().err
    assert main(["a=1.csv", "a=2.csv"]) == 2
    assert "expected NAME=FILE, each name once" in capsys.readouterr().err
    for argument, message in (
        (f"a={tmp_path / 'empty.csv'}", "expected a frontier.csv"),
        (f"a={tmp_path / 'other.csv'}", "expected a frontier.csv"),
        (f"a={tmp_path / 'binary.csv'}", "expected a frontier.csv"),
        ("file.csv", "expected NAME=FILE"),
        (f"a={tmp_path / 'none.csv'}", "expected a frontier.csv"),
        (f"a={tmp_path / 'file.csv'}", "expected settings of entropy"),
    ):
        assert main([argument]) == 2
        assert message in capsys.readouterr().err
