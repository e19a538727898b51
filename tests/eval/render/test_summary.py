"""What a report says first: a headline in one form, and a table of at most six rows with plain names."""

import json

import pandas as pd
import pytest

from eval.render.folder import ReportFolder
from eval.render.summary import LEAST_DOCUMENTS, LEAST_F1, default, figures, headline, summary_rows, table
from eval.render.text import pp, speedup

FASTER = {"speedup": 3.14, "speedup_low": 3.0, "speedup_high": 3.3, "speedup_significant": True}
SAME = {"difference": 0.0, "low": -0.001, "high": 0.001, "significant": False, "loss_bound": 0.0031}
DEFAULT, FAST, CAREFUL = "entropy:balanced", "entropy:fast", "entropy:careful"
KINDS = {
    "dense": "dense", "cascade:balanced": "cascade", "hf-pipeline": "baseline", "openvino-int8": "baseline",
    "onnx-int8": "baseline", "openvino-int8=truncate-3": "baseline", "openvino-int8@student": "baseline",
    "truncate-4": "truncate", f"random@{DEFAULT}": "random", "rule:balanced": "rule",
}  # fmt: skip
FULL = (FAST, DEFAULT, "openvino-int8=truncate-3", "truncate-4", "openvino-int8@student", "openvino-int8", "onnx-int8",
        "rule:balanced", f"random@{DEFAULT}", CAREFUL, "dense", "hf-pipeline")  # fmt: skip


@pytest.fixture
def report(tmp_path):
    """Makes a report of some variants, the fastest first; all have these intervals against dense and the pipeline."""

    def make(*names, documents=500, f1=(), sizes=(1, 32), dtype="int8", about=(), **interval):
        kinds = {name: KINDS.get(name, "entropy") for name in names}
        rows = [
            {"variant": name, "kind": kind, "prunes": kind in ("entropy", "cascade", "rule"), "replays": "",
             "f1": dict(f1).get(name, 0.85), "batch_size": size, "speedup_vs_dense": 3 - place / 10,
             "dtype": dtype, "device": "cpu", "documents": documents, "timed_documents": 1, "threads": 2,
             "corpus": "bc5cdr", "split": "test", "commit": "",
             "point": name.partition(":")[2] if kind not in ("random", "baseline") else ""}
            for size in sizes
            for place, (name, kind) in enumerate(kinds.items())
        ]  # fmt: skip
        intervals = [
            {"variant": name, "against": other, "batch_size": size, **FASTER, "speedup": 3.14 * (1 + (size > 1)),
             **SAME, **interval}
            for size in sizes
            for name in names
            for other in ("dense", "hf-pipeline")
        ]  # fmt: skip
        for name, rows_of in {"results": rows, "intervals": intervals}.items():
            pd.DataFrame(rows_of).to_csv(tmp_path / f"{name}.csv", index=False)
        facts = {"machine": "Linux, CPU", **dict(about)}
        (tmp_path / "results.json").write_text(json.dumps({"about": facts, "notes": []}))
        return ReportFolder(tmp_path)

    return make


@pytest.mark.parametrize(("names", "facts", "said"), [
    (FULL, {},
     "3.1× / 6.3× as fast as the Hugging Face pipeline (1 / 32 texts a call), F1 .850 against .850; with the same "
     "decoding, early exit and 8 bits cost at most 0.4 points."),
    (("dense", DEFAULT), {"sizes": (1,), "dtype": "float32"},
     "3.1× as fast as the full network in float32 (1 text a call), F1 .850 against .850; early exit costs at most 0.4 "
     "points."),
    (("dense", DEFAULT), {"loss_bound": -0.001}, "early exit and 8 bits cost no F1."),
    (("dense", "cascade:balanced"), {}, "; asking the large model only in doubt and 8 bits cost at most 0.4 points."),
    (FULL, {"about": {"other processes": "others used 90 % of the processors"}},
     "points. Do not trust the times: others used 90 % of the processors."),
    (("dense",), {}, "No strategy that prunes was measured."),
    (FULL, {"documents": LEAST_DOCUMENTS - 1}, f"{LEAST_DOCUMENTS - 1} documents are too few"),
    (FULL, {"f1": {"dense": LEAST_F1 - 0.01}}, "F1 of the full network is .490, too low"),
    (FULL, {"speedup_low": float("nan")}, "Too few batches were timed"),
])  # fmt: skip
def test_the_headline_has_one_form_and_claims_no_more_than_the_data_support(report, names, facts, said):
    assert said in headline(report(*names, **facts))


def test_the_table_has_pipeline_runtime_cut_default_and_its_other_points(report):
    made = report(*FULL)
    assert [(name, row["variant"]) for name, row in summary_rows(made)] == [
        ("Hugging Face pipeline", "hf-pipeline"),
        ("fastest runtime, nothing removed", "openvino-int8"),
        ("network cut at layer 3", "openvino-int8=truncate-3"),
        ("early exit (default)", DEFAULT),
        ("early exit (fast)", FAST),
        ("early exit (careful)", CAREFUL),
    ]
    first, *_ = table(made).rows
    assert first[:3] == ["Hugging Face pipeline", "hf-pipeline", "0.8500"]


@pytest.mark.parametrize(("f1", "expected"), [
    ({"openvino-int8=truncate-3": 0.8485}, "truncate-4"),  # 0.15 points below
    ({"openvino-int8=truncate-3": 0.83, "truncate-4": 0.82}, "openvino-int8=truncate-3"),  # none is equal
])  # fmt: skip
def test_the_cut_is_the_fastest_of_equal_f1_or_else_the_one_with_the_highest(report, f1, expected):
    (cut,) = [row["variant"] for name, row in summary_rows(report(*FULL, f1=f1)) if "cut" in name]
    assert cut == expected


def test_figures_for_readme_are_five_rows_with_plain_numbers(report):
    made = figures([report(*FULL)])
    assert made.columns == ["", "F1", "times the pipeline, 1 text a call", "times the pipeline, 32 texts a call"]
    assert made.rows[3] == ["early exit (default)", ".850", "3.1", "6.3"]
    assert len(made.rows) == 5


def test_the_default_is_the_models_and_dense_is_none(report):
    defaults = [default(report(*FULL, about={"default strategy": name})) for name in (CAREFUL, "dense")]
    assert [row and row["variant"] for row in defaults] == [CAREFUL, None]


def test_figures_show_on_which_side_of_no_difference_an_interval_lies():
    compared = {"variant": "a", "against": "b"}
    for difference, low, high, text in (
        (-0.00513, -0.01024, -0.00002, "-0.51 [-1.024, -0.002]"),
        (0.00511, -0.00002, 0.01024, "+0.51 [-0.002, +1.024]"),
    ):
        assert pp(compared | {"difference": difference, "low": low, "high": high}) == text
    ends = {"speedup": 1.052, "speedup_low": 1.001, "speedup_high": 1.103, "speedup_significant": True}
    assert speedup(compared | ends) == "1.05× [1.001, 1.103]"
    assert speedup(compared | ends | {"speedup_low": float("nan")}) == "too few batches"


@pytest.mark.parametrize("name", ["NA", "nan", "null", "None"])
def test_names_that_pandas_takes_for_missing_are_names(report, name):
    made = report("dense")
    (made.folder / "confusion.csv").write_text(f"variant,gold,predicted,count\ndense,{name},none,1\n")
    assert made.frame("confusion")["gold"].tolist() == [name]
