"""What a report says first: a headline that its data support, and what each row is for.

`tests/test_measured.py` compares whole summaries with the published ones.
"""

import json
import re

import pandas as pd
import pytest

from eval.render import ReportFolder, headline, roles
from eval.render.summary import (
    BEST,
    FAST_CUT_ROLE,
    LEAST_DIFFERING,
    LEAST_DOCUMENTS,
    LEAST_F1,
    OF_TYPE,
    baselines,
    recommended,
    shown,
    static_baselines,
)
from eval.render.text import pp, speedup

FASTER = {"speedup": 3.14, "speedup_low": 3.0, "speedup_high": 3.3, "speedup_significant": True}
SLOWER = {"speedup": 0.9, "speedup_low": 0.8, "speedup_high": 0.95, "speedup_significant": True}
SAME = {"difference": 0.0, "low": -0.001, "high": 0.001, "significant": False, "loss_bound": 0.0009}
LOSS = {"difference": -0.02, "low": -0.03, "high": -0.01, "significant": True, "loss_bound": 0.028}
DEFAULT, SURE = "entropy:balanced", "entropy:careful"
KINDS = {
    "dense": "dense", DEFAULT: "entropy", SURE: "entropy", "truncate-3": "truncate", "truncate-5": "truncate",
    "hf-pipeline": "baseline", "onnx-int8": "baseline", "cascade:balanced": "cascade", "small": "model",
    f"random@{DEFAULT}": "random", "onnx-int8=truncate-4": "baseline",
    "onnx-int8@student": "baseline", "student": "model",
}  # fmt: skip
FULL = ("dense", DEFAULT, SURE, "truncate-3", f"random@{DEFAULT}", "hf-pipeline", "onnx-int8")


@pytest.fixture
def report(tmp_path):
    """Makes a report of some variants, the fastest first but for dense and for those that are ``slow``.

    The default strategy has these intervals against all others. ``f1``: of all, or of each. ``types``: name → mentions
    and what the default loses of them at most. ``end``: the last of six layers that a word reaches in the default.
    """

    def make(
        *names, documents=500, differing=500, f1=0.85, corpus="bc5cdr", types=(), settings=None, about=(),
        slow=("dense",), end=6, sizes=(1,), **interval,
    ):  # fmt: skip
        scores = f1 if isinstance(f1, dict) else dict.fromkeys(names, f1)
        rows = [
            {"variant": name, "kind": KINDS[name], "prunes": KINDS[name] in ("entropy", "cascade"),
             "replays": name.partition("@")[2], "f1": scores.get(name, 0.85), "batch_size": size,
             "speedup_vs_dense": (1 if name in slow else 3) - place / 10, "dtype": "float32", "device": "cpu",
             "documents": documents, "timed_documents": 1, "threads": 2, "corpus": corpus, "split": "test",
             "point": "", "commit": ""}
            for size in sizes
            for place, name in enumerate(names)
        ]  # fmt: skip
        intervals = [
            {"variant": one, "against": other, "batch_size": size,
             **FASTER, **SAME, **(interval if one != SURE else {})}
            for size in sizes
            for one in names
            for other in names
        ]  # fmt: skip
        errors = [{"variant": one, "part": "against dense", "outcome": "missed", "count": differing} for one in names]
        times = [{"variant": one, "batch_size": size, "latency_ms": 50} for one in names for size in sizes]
        cost = [
            {"variant": one, "measure": "token_layers", "group": f"layer {layer}",
             "value": float(one != DEFAULT or layer <= end)}
            for one in names
            for layer in range(1, 7)
        ]  # fmt: skip
        groups = [
            {"variant": DEFAULT, "against": "dense", "dimension": "type", "group": name, "support": of[0],
             "loss_bound": of[1]}
            for name, of in dict(types or {"Chemical": (600, 0.004)}).items()
        ]  # fmt: skip
        tables = {
            "results": rows, "intervals": intervals, "errors": errors, "times": times, "subgroups": groups,
            "cost": cost,
        }  # fmt: skip
        for name, table in tables.items():
            pd.DataFrame(table).to_csv(tmp_path / f"{name}.csv", index=False)
        facts = {"machine": "Linux, CPU", "settings": settings or {}, **dict(about)}
        (tmp_path / "results.json").write_text(json.dumps({"about": facts, "notes": []}))
        return ReportFolder(tmp_path)

    return make


@pytest.mark.parametrize(("end", "expected"), [
    (3, "3.1× by ending after layer 3 and 3.1× by words that leave before. It"),
    (5, "3.1× by exits, the last after layer 5. It"),  # that cut was not measured
    (6, "3.1× by exits. It"),
])  # fmt: skip
def test_what_is_gained_by_ending_the_pass_is_told_apart_from_words_that_leave_before(report, end, expected):
    made = report("dense", DEFAULT, "hf-pipeline", "truncate-3", end=end)
    assert expected in headline(made)
    assert "3.1× by" not in headline(made, brief=True)


def test_a_corpus_without_mentions_bounds_no_type(report):
    made = report(*FULL)
    (made.folder / "subgroups.csv").write_text("variant\n")
    assert BEST in [row[0].removeprefix("the default; ") for row in roles(made).rows]


def test_a_ratio_over_too_few_batches_is_given_nowhere(report):
    made = report(*FULL, speedup_low=float("nan"))
    assert "×" not in baselines(made)
    assert "(hf-pipeline) too few batches" in baselines(made)


def test_the_smallest_batch_size_counts_whichever_comes_first(report):
    made = report("dense", DEFAULT, "hf-pipeline", sizes=(32, 1))
    assert [row[1] for row in roles(made).rows] == ["hf-pipeline", "dense", DEFAULT]


@pytest.mark.parametrize(("facts", "said", "is_recommended"), [
    (LOSS, "F1 loses at most 2.80 pp (95 %, one-sided); above the limit for a default: 0.5 pp.", False),
    (SLOWER, "Tagging on a CPU is 0.9× as fast", False),
    ({"loss_bound": -0.001}, "On 500 PubMed abstracts, F1 loses at most 0.00 pp (95 %, one-sided).", True),
    ({"corpus": "mine"}, "On 500 documents of mine, F1 loses at most 0.09 pp (95 %, one-sided).", True),
    ({"loss_bound": float("nan")}, "F1 loses an unknown amount: too few documents to bound it", False),
    ({"speedup_low": float("nan")}, "Nothing can be concluded on speed: too few batches were timed.", False),
])  # fmt: skip
def test_a_strategy_that_loses_or_is_slower_is_said_to(report, facts, said, is_recommended):
    made = report(*FULL, **facts)
    assert said in headline(made)
    assert ((recommended(made) or {}).get("variant") == DEFAULT) == is_recommended


def test_types_with_many_mentions_are_bounded_too_and_a_default_that_loses_too_much_of_one_says_so(report):
    types = {"Chemical": (500, 0.006), "Disease": (499, 0.5), "Gene": (900, -0.1)}
    said = headline(report(*FULL, types=types))
    assert said.endswith("(95 %, one-sided), 0.60 on Chemical and 0.00 on Gene.")
    made = report(*FULL, types=types | {"Chemical": (500, 0.011)})
    assert headline(made).endswith(
        "1.10 on Chemical and 0.00 on Gene; above the limit for a default: 1 pp on Chemical."
    )
    assert headline(made, brief=True).endswith("(95 %, one-sided); above the limit for a default: 1 pp on Chemical.")
    assert recommended(made)["variant"] == SURE


@pytest.mark.parametrize("few", [
    {"documents": LEAST_DOCUMENTS - 1}, {"differing": LEAST_DIFFERING - 1}, {"f1": LEAST_F1 - 0.01}, {"f1": 0},
])  # fmt: skip
def test_nothing_is_recommended_that_the_data_cannot_support(report, few):
    made = report(*FULL, **few)
    assert headline(made).startswith("Too little to conclude from: ")
    assert recommended(made) is None
    assert BEST not in str(roles(made).rows)


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
        "fastest measured runtime that removes nothing": "onnx-int8",
        f"the default; {BEST}": DEFAULT,  # of one type, which needs no bound of its own
        "just stop at a layer": "truncate-3",
        "as many words, chosen at random": f"random@{DEFAULT}",
    }
    shown = {row[0]: row[1] for row in roles(report(*FULL, **LOSS)).rows}
    assert (shown["the default"], shown[BEST]) == (DEFAULT, SURE)
    of_types = roles(report(*FULL, types=dict.fromkeys("ab", (500, 0.0)))).rows
    assert f"the default; {BEST}{OF_TYPE}" in [row[0] for row in of_types]
    at_last_gate = report("dense", DEFAULT, "truncate-3", "truncate-5", end=5)
    assert [row[:2] for row in roles(at_last_gate).rows][-1] == ["stop where its last gate is", "truncate-5"]
    (*_, last) = roles(report("dense", "cascade:balanced", "small", settings={"small": {"strategy": "{}"}})).rows
    assert last[:2] == ["a model alone", "small"]
    assert headline(report("dense")) == "No strategy that prunes was measured."


STATIC = ("onnx-int8@student", "truncate-3", "onnx-int8=truncate-4", "student")  # the fastest first


@pytest.mark.parametrize(("f1", "expected"), [
    ({}, ["onnx-int8@student", "truncate-3"]),
    ({"onnx-int8@student": 0.8485}, ["truncate-3", "student"]),  # 0.15 pp below
    ({"truncate-3": 0.8489}, ["onnx-int8=truncate-4", "student"]),
    (dict.fromkeys(STATIC, 0.84) | {"student": 0.841, "truncate-3": 0.843}, ["truncate-3", "student"]),
])  # fmt: skip
def test_the_best_static_baseline_is_the_fastest_network_without_exits_that_has_the_same_f1(report, f1, expected):
    below = {name: f1.get(name, 0.85) for name in (DEFAULT, *STATIC)}
    if "truncate-3" in f1 and len(f1) == 1:
        below |= {"onnx-int8@student": 0.8}
    made = report("dense", DEFAULT, *STATIC, f1=below)
    assert [row["variant"] for _, row in static_baselines(made, shown(made))] == expected
    said = headline(made)
    assert f"({expected[0]})" in said
    assert f"({expected[0]}), and its F1 differs by +0.00 pp [-0.10, +0.10]." in said
    lower = {row[0] for row in roles(made).rows if "lower F1" in row[0]}
    assert len(lower) == 2 * (len(f1) > 2)


def test_the_fastest_cut_stands_in_the_table_even_where_its_f1_is_lower(report):
    made = report("dense", DEFAULT, *STATIC, f1={"truncate-3": 0.84})
    assert [FAST_CUT_ROLE, "truncate-3"] in [row[:2] for row in roles(made).rows]
    assert f"{FAST_CUT_ROLE} (truncate-3) 3.14×, F1 +0.00 pp [-0.10, +0.10]" in baselines(made)
    assert FAST_CUT_ROLE not in [row[0] for row in roles(report("dense", DEFAULT, *STATIC)).rows]


def test_a_model_slower_than_the_full_pass_is_no_static_baseline(report):
    made = report("dense", DEFAULT, "student", slow=("dense", "student"))
    assert static_baselines(made, shown(made)) == []
    assert ["another model, nothing removed", "student"] in [row[:2] for row in roles(made).rows]


def test_the_models_of_a_cascade_are_its_parts_not_other_networks(report):
    made = report("dense", "cascade:balanced", "small", about={"default strategy": "cascade:balanced"})
    assert static_baselines(made, shown(made)) == []
    assert [row[0] for row in roles(made).rows if row[1] == "small"] == ["a model alone"]


def test_a_model_that_exits_is_no_static_baseline(report):
    made = report("dense", DEFAULT, "student", settings={"student": {"strategy": "{}"}})
    assert static_baselines(made, shown(made)) == []
    assert baselines(made).endswith("Not measured: just stop at a layer and another network without exits.")


def test_a_line_names_every_baseline_with_its_ratio_and_the_one_measured_live(report):
    line = baselines(report("dense", DEFAULT, "hf-pipeline", "onnx-int8", "truncate-3", "student"))
    assert re.findall(r"\((\S+?)(, which the app with this model measures on your text)?\) 3.14×", line) == [
        ("hf-pipeline", ""), ("dense", ", which the app with this model measures on your text"), ("onnx-int8", ""),
        ("truncate-3", ""), ("student", ""),
    ]  # fmt: skip
    assert "Not measured" not in line
    assert baselines(report("dense")) == ""


def test_figures_show_on_which_side_of_no_difference_an_interval_lies():
    own = {"variant": "a", "against": "b"}
    for difference, low, high, text in (
        (-0.00513, -0.01024, -0.00002, "-0.51 [-1.024, -0.002]"),
        (0.00511, -0.00002, 0.01024, "+0.51 [-0.002, +1.024]"),
    ):
        assert pp(own | {"difference": difference, "low": low, "high": high}) == text
    ends = {"speedup": 1.052, "speedup_low": 1.001, "speedup_high": 1.103, "speedup_significant": True}
    assert speedup(own | ends) == "1.05× [1.001, 1.103]"
    assert speedup(own | ends | {"speedup_low": float("nan")}) == "too few batches"


@pytest.mark.parametrize("name", ["NA", "nan", "null", "None"])
def test_names_that_pandas_takes_for_missing_are_names(report, name):
    made = report("dense")
    (made.folder / "confusion.csv").write_text(f"variant,gold,predicted,count\ndense,{name},none,1\n")
    assert made.frame("confusion")["gold"].tolist() == [name]
