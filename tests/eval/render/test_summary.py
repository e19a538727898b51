"""What a report says first: a headline in one form, and a table of at most six rows with plain names."""

import json

import pandas as pd
import pytest

from eval.render.folder import ReportFolder
from eval.render.summary import (
    LEAST_DOCUMENTS,
    LEAST_F1,
    decisive_rows,
    figures,
    has_equal_f1,
    headline,
    summary_rows,
    table,
)

FASTER = {"speedup": 3.14, "speedup_low": 3.0, "speedup_high": 3.3, "speedup_significant": True}
SAME = {"difference": 0.0, "low": -0.001, "high": 0.001, "significant": False, "loss_bound": 0.0031}
DEFAULT, FAST, CAREFUL = "entropy:balanced", "entropy:fast", "entropy:careful"
WHOLE, CUT3, CUT4 = "openvino-int8", "openvino-int8=truncate-3", "truncate-4"
KINDS = {
    "dense": "dense", "cascade:balanced": "cascade", "hf-pipeline": "baseline", WHOLE: "baseline", CUT3: "baseline",
    CUT4: "truncate", "student": "model", f"random@{DEFAULT}": "random", "rule:balanced": "rule",
}  # fmt: skip
SPEEDS = {FAST: 6, CUT3: 5.5, DEFAULT: 5, CUT4: 4.5, WHOLE: 2.5, "dense": 1.25, "hf-pipeline": 1}  # at one text a call
FULL = (*SPEEDS, "student", "rule:balanced", f"random@{DEFAULT}", CAREFUL)


@pytest.fixture
def report(tmp_path):
    """Makes a report of some variants; all have these intervals against dense, and the speeds above.

    ``lost``: other bounds of the loss, at home or elsewhere, by variant.
    """

    def make(*names, documents=500, f1=(), sizes=(1, 32), about=(), lost=(), elsewhere=0, **interval):
        rows = [
            {"variant": name, "kind": (kind := KINDS.get(name, "entropy")), "f1": dict(f1).get(name, 0.85),
             "prunes": kind in ("entropy", "cascade", "rule"), "default": name in (DEFAULT, "cascade:balanced"),
             "point": name.partition(":")[2] if kind not in ("random", "baseline") else "", "recovers": False,
             "layer": {CUT3: 3, CUT4: 4}.get(name, 0), "runtime": name.partition("=")[0] if kind == "baseline" else "",
             "control": kind if kind == "random" else "", "batch_size": size, "dtype": "int8", "device": "cpu",
             "speedup_vs_dense": SPEEDS.get(name, 2) / 1.25, "documents": documents, "timed_documents": 1, "threads": 2,
             "elsewhere_documents": elsewhere, "elsewhere_f1": 0.8, "corpus": "bc5cdr", "split": "test", "commit": ""}
            for size in sizes
            for name in names
        ]  # fmt: skip
        intervals = [
            {"variant": name, "against": other, "batch_size": size, **FASTER, **SAME,
             "speedup": SPEEDS.get(name, 2) / SPEEDS.get(other, 2) * (1.2 if (size > 1 and name == DEFAULT) else 1),
             **{f"elsewhere_{key}": value for key, value in SAME.items()}, **interval, **dict(lost).get(name, {})}
            for size in sizes
            for name in names
            for other in names
        ]  # fmt: skip
        for name, rows_of in {"results": rows, "intervals": intervals}.items():
            pd.DataFrame(rows_of).to_csv(tmp_path / f"{name}.csv", index=False)
        facts = {"machine": "Linux, CPU", **dict(about)}
        (tmp_path / "results.json").write_text(json.dumps({"about": facts, "notes": []}))
        return ReportFolder(tmp_path)

    return make


@pytest.mark.parametrize(("names", "facts", "said"), [
    (FULL, {},
     "Times as fast as the Hugging Face pipeline, 1 / 32 texts a call: full network in OpenVINO 2.5 / 2.5; cut "
     "(the fastest of equal F1: first 3 layers in OpenVINO) 5.5 / 5.5; early exit 5.0 / 6.0, which is 2.00 / 2.40 "
     "times the full pass and 0.91 / 1.09 times the cut. The cut is faster with 1 text a call. F1 .850 against the "
     "full network's .850: loses at most 0.4 points."),
    (("dense", DEFAULT), {"sizes": (1,)},
     "Times as fast as the full network in float32, 1 text a call: full network in our runtime 1.0; early exit "
     "4.0, which is 4.00 times the full pass. F1"),
    (FULL, {"elsewhere": 178, "lost": {DEFAULT: {"elsewhere_loss_bound": 0.0066}}},
     "loses at most 0.4 points, loses at most 0.7 points elsewhere. That is more than our limit, 0.5 points."),
    (FULL, {"elsewhere": 178, "lost": {CUT3: {"elsewhere_loss_bound": 0.0051}}},
     "cut (the fastest of equal F1: first 4 layers in our runtime) 4.5"),
    (FULL, {"loss_bound": 0.0052, "lost": {CUT3: {"loss_bound": 0.006}, CUT4: {"loss_bound": 0.0051}}},
     "cut (the fastest that loses no more: first 4 layers in our runtime) 4.5"),
    (FULL, {"loss_bound": 0.006, "lost": {DEFAULT: {"loss_bound": 0.004}}},
     "No cut that was measured loses so little."),
    (("dense", DEFAULT), {"loss_bound": -0.001}, ": loses nothing."),
    (FULL, {"about": {"other processes": "others used 90 % of the processors"}},
     "points. Do not trust the times: others used 90 % of the processors."),
    (("dense",), {}, "No strategy that prunes was measured."),
    (FULL, {"documents": LEAST_DOCUMENTS - 1}, f"{LEAST_DOCUMENTS - 1} documents are too few"),
    (FULL, {"f1": {"dense": LEAST_F1 - 0.01}}, "F1 of the full network is .490, too low"),
])  # fmt: skip
def test_the_headline_has_one_form_and_claims_no_more_than_the_data_support(report, names, facts, said):
    assert said in headline(report(*names, **facts))


@pytest.mark.parametrize(("lost", "equal"), [
    ({}, True),
    ({"loss_bound": 0.005, "elsewhere_loss_bound": 0.005}, True),
    ({"loss_bound": 0.0051}, False),
    ({"elsewhere_loss_bound": 0.0051}, False),
    ({"loss_bound": float("nan")}, False),
])  # fmt: skip
@pytest.mark.parametrize("name", [DEFAULT, CUT3, "student"])
def test_one_limit_decides_on_equal_f1_for_all_at_home_and_elsewhere(report, name, lost, equal):
    made = report(*FULL, elsewhere=178, lost={name: lost})
    (row,) = [row for row in made.variants if row["variant"] == name]
    assert has_equal_f1(made, row) == equal
    cells = next(cells for cells in table(made).rows if cells[1] == name)
    assert cells[table(made).columns.index("equal F1")] == ("yes" if equal else "no")


def test_the_table_has_every_cut_and_that_of_a_page_the_fastest_after_each_layer(report):
    made = report(*FULL)
    assert [row["variant"] for _, row in decisive_rows(made)] == [
        "hf-pipeline", WHOLE, CUT4, CUT3, "student", DEFAULT, FAST, CAREFUL,
    ]  # fmt: skip
    assert [name for name, _ in summary_rows(made)] == [
        "full network in the pipeline", "full network in OpenVINO", "first 4 layers in our runtime",
        "first 3 layers in OpenVINO",
        "early exit (default)", "early exit (fast)",
    ]  # fmt: skip
    assert len(figures(made).rows) == 6


@pytest.mark.parametrize("name", ["NA", "nan", "null", "None"])
def test_names_that_pandas_takes_for_missing_are_names(report, name):
    made = report("dense")
    (made.folder / "confusion.csv").write_text(f"variant,gold,predicted,count\ndense,{name},none,1\n")
    assert made.frame("confusion")["gold"].tolist() == [name]
