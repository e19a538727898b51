"""What a report says first: a headline that its data support, and what each row is for."""

import json

import pandas as pd
import pytest

from eval.render import ReportFolder, headline, roles
from eval.render.summary import LEAST_DIFFERING, LEAST_DOCUMENTS, LEAST_F1, recommended
from eval.render.text import pp, speedup

FASTER = {"speedup": 3.14, "speedup_low": 3.0, "speedup_high": 3.3, "speedup_significant": True}
SLOWER = {"speedup": 0.9, "speedup_low": 0.8, "speedup_high": 0.95, "speedup_significant": True}
SAME = {"difference": 0.0, "low": -0.001, "high": 0.001, "significant": False}
LOSS = {"difference": -0.02, "low": -0.03, "high": -0.01, "significant": True}
UNSURE = {"difference": -0.004, "low": -0.02, "high": 0.01, "significant": False}
DEFAULT, SURE = "entropy:balanced", "entropy:careful"
KINDS = {
    "dense": "dense", DEFAULT: "entropy", SURE: "entropy", "truncate-3": "truncate", "hf-pipeline": "baseline",
    "onnx-int8": "baseline", "cascade:balanced": "cascade", "small": "model", f"random@{DEFAULT}": "random",
}  # fmt: skip
FULL = ("dense", DEFAULT, SURE, "truncate-3", f"random@{DEFAULT}", "hf-pipeline", "onnx-int8")


@pytest.fixture
def report(tmp_path):
    """Makes a report of some variants; the default strategy has these intervals against all others."""

    def make(*names, documents=500, differing=500, f1=0.85, corpus="bc5cdr", about=(), **interval):
        rows = [
            {"variant": name, "kind": KINDS[name], "prunes": KINDS[name] in ("entropy", "cascade"),
             "replays": name.partition("@")[2], "f1": f1, "batch_size": 1, "speedup_vs_dense": 3 - place / 10,
             "dtype": "float32", "device": "cpu", "documents": documents, "timed_documents": 1, "threads": 2,
             "corpus": corpus, "split": "test", "point": "", "commit": ""}
            for place, name in enumerate(names)
        ]  # fmt: skip
        intervals = [
            {"variant": one, "against": other, "batch_size": 1, **FASTER, **SAME, **(interval if one != SURE else {})}
            for one in names
            for other in names
        ]
        errors = [{"variant": one, "part": "against dense", "outcome": "missed", "count": differing} for one in names]
        times = [{"variant": one, "batch_size": 1, "latency_ms": 50} for one in names]
        tables = {"results": rows, "intervals": intervals, "errors": errors, "times": times}
        for name, table in tables.items():
            pd.DataFrame(table).to_csv(tmp_path / f"{name}.csv", index=False)
        (tmp_path / "results.json").write_text(
            json.dumps({"about": {"machine": "Linux, CPU", **dict(about)}, "notes": []})
        )
        return ReportFolder(tmp_path)

    return make


def test_the_headline_has_one_reference_and_claims_no_loss_where_the_interval_supports_it(report):
    assert headline(report(*FULL)) == (
        "Easy words leave the network early, so tagging on a CPU is 3.1× as fast as the Hugging Face pipeline "
        "(3.1× as 8-bit ONNX Runtime), with no measurable loss on 500 PubMed abstracts."
    )
    assert "3.1× as fast as the same model without exits, with" in headline(report("dense", DEFAULT, corpus="mine"))
    assert headline(report("dense", "cascade:balanced")).startswith("A small model reads every text, and the large one")


@pytest.mark.parametrize(("interval", "said"), [
    (LOSS, "with a change of F1 of -2.00 pp [-3.00, -1.00] on 500"),
    (UNSURE, "with a change of F1 too uncertain to call (-0.40 pp [-2.00, +1.00]) on 500"),
    (SLOWER, "early, but tagging on a CPU is 0.9× as fast"),
    ({"speedup_low": float("nan")}, "Nothing can be concluded on speed: too few batches were timed."),
])  # fmt: skip
def test_a_strategy_that_loses_or_is_slower_is_said_to(report, interval, said):
    made = report(*FULL, **interval)
    assert said in headline(made)
    assert (recommended(made) or {}).get("variant") != DEFAULT


@pytest.mark.parametrize("few", [
    {"documents": LEAST_DOCUMENTS - 1}, {"differing": LEAST_DIFFERING - 1}, {"f1": LEAST_F1 - 0.01}, {"f1": 0},
])  # fmt: skip
def test_nothing_is_recommended_that_the_data_cannot_support(report, few):
    made = report(*FULL, **few)
    assert headline(made).startswith("Too little to conclude from: ")
    assert recommended(made) is None
    assert "no measurable loss" not in str(roles(made).rows)


def test_the_default_is_the_models_and_dense_has_no_such_role(report):
    def role(name):
        rows = roles(report(*FULL, about={"default strategy": name})).rows
        return [row[1] for row in rows if row[0].startswith("the default")]

    assert (role(SURE), role(DEFAULT), role("dense")) == ([SURE], [DEFAULT], [])


def test_the_roles_say_what_each_row_is_for(report):
    shown = {row[0]: row[1] for row in roles(report(*FULL)).rows}
    assert shown == {
        "Hugging Face pipeline": "hf-pipeline",
        "our full pass, with which F1 is compared": "dense",
        "fastest runtime that removes nothing": "onnx-int8",
        "the default; fastest with no measurable loss": DEFAULT,
        "just stop at a layer": "truncate-3",
        "as many words, chosen at random": f"random@{DEFAULT}",
    }
    shown = {row[0]: row[1] for row in roles(report(*FULL, **LOSS)).rows}
    assert (shown["the default"], shown["fastest with no measurable loss"]) == (DEFAULT, SURE)
    (*_, last) = roles(report("dense", "cascade:balanced", "small")).rows
    assert last[:2] == ["a model alone", "small"]
    assert headline(report("dense")) == "No strategy that prunes was measured."


def test_figures_show_on_which_side_of_no_difference_an_interval_lies():
    own = {"variant": "a", "against": "b"}
    for difference, low, high, significant, shown in (
        (-0.00513, -0.01024, -0.00002, True, "-0.51 [-1.024, -0.002]"),
        (0.00511, -0.00002, 0.01024, False, "+0.51 [-0.002, +1.024] (n.s.)"),
    ):
        assert pp(own | {"difference": difference, "low": low, "high": high, "significant": significant}) == shown
    ends = {"speedup": 1.052, "speedup_low": 1.001, "speedup_high": 1.103, "speedup_significant": True}
    assert speedup(own | ends) == "1.05× [1.001, 1.103]"
    assert speedup(own | ends | {"speedup_low": float("nan")}) == "too few batches"


@pytest.mark.parametrize("name", ["NA", "nan", "null", "None"])
def test_names_that_pandas_takes_for_missing_are_names(report, name):
    made = report("dense")
    (made.folder / "confusion.csv").write_text(f"variant,gold,predicted,count\ndense,{name},none,1\n")
    assert made.table("confusion")["gold"].tolist() == [name]
