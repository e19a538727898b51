"""A report's chart: every variant is a button with its figures, none squashes the axes, and a table has them all."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from demo.common.reports import REPORTS
from demo.tabs.frontier.chart import CHARACTER, LINE, chart
from demo.tabs.frontier.variants import Variant, read_variants, runnable_as
from eval.render.choice import LABELS, REACH

SHIPPED = REPORTS / "bc5cdr-test"


@pytest.fixture(scope="module")
def variants() -> list[Variant]:
    """The float32 variants and the baselines."""
    found = [one for one in read_variants(SHIPPED) if one.batch_size == 1]
    return [replace(one, label=one.name) for one in found if one.kind == "baseline" or one.dtype == "float32"]


def places(page: str) -> dict[str, tuple[float, float]]:
    """Positions of the marks, in percent from the left and the top."""
    found = re.findall(r"--x:([\d.]+)%;--y:([\d.]+)%.*?aria-label=\"([^:\"]+(?::\w+)?): ", page)
    return {name: (float(x), float(y)) for x, y, name in found}


def test_every_variant_is_a_button_that_names_its_figures(variants: list[Variant]) -> None:
    page = chart(variants, (), {"entropy:fast": ("entropy", "fast")}, "")
    assert page.count("<button") == len(variants)
    fast = next(one for one in variants if one.name == "entropy:fast")
    assert fast.f1 is not None
    assert f'aria-label="entropy:fast: F1 {fast.f1:.4f} [' in page
    assert f"speed-up {fast.speedup:.2f}×" in page
    assert page.count("press to try it") == page.count("Click to try it") == 1


def test_fast_lies_to_the_right_and_accurate_above(variants: list[Variant]) -> None:
    at = places(chart(variants, (), {}, ""))
    assert at["entropy:fast"][0] > at["entropy"][0] > at["dense"][0] > at["hf-pipeline"][0]
    assert at["entropy"][1] < at["dense"][1] < at["truncate-3"][1]


def test_one_bad_variant_does_not_squash_the_axes(variants: list[Variant]) -> None:
    bad = replace(variants[0], name="bad", label="bad", f1=0.1, speedup=500.0)
    page = chart([*variants, bad], (), {}, "")
    before, after = places(chart(variants, (), {}, "")), places(page)
    assert {name: after[name] for name in before} == before
    assert "F1 0.1000" in page
    assert "speed-up 500.00×" in page


def test_few_variants_are_named_each_near_its_mark() -> None:
    found = [one for one in read_variants(SHIPPED) if one.batch_size == 1]
    page = chart(found, (), {}, "")
    named = re.findall(r'class="name" style="--dx:(-?\d+)px;--dy:(-?\d+)px" aria-hidden="true">([^<]+)<', page)
    assert 1 < len(named) <= LABELS
    for dx, dy, text in named:
        aside = max(0.0, abs(float(dx)) - CHARACTER * len(text) / 2)
        assert max(aside, abs(float(dy)) - LINE / 2) <= REACH + 1, text


def test_nothing_measured_twice_is_drawn_as_one(tmp_path: Path) -> None:
    """A report with two dtypes has a mark and a label for each."""
    results, intervals = (
        pd.read_csv(SHIPPED / f"{name}.csv").query("dtype == 'float32'") for name in ("results", "intervals")
    )
    int8 = results[results["kind"].isin(["dense", "entropy"])].assign(
        dtype="int8", speedup_vs_dense_same_dtype=results["speedup_vs_dense"]
    )
    int8["speedup_vs_dense"] *= 1.7
    pd.concat([results, int8]).to_csv(tmp_path / "results.csv", index=False)
    marked = [intervals.assign(dtype=dtype, against_dtype="float32") for dtype in ("float32", "int8")]
    foreign = intervals.assign(dtype="int8", against_dtype="int8", speedup_low=-1.0)
    pd.concat([*marked, foreign]).to_csv(tmp_path / "intervals.csv", index=False)
    found = [one for one in read_variants(tmp_path) if one.batch_size == 1]
    labels = [one.label for one in found]
    assert len(labels) == len(set(labels))
    assert {"dense (float32)", "dense (int8)", "entropy:fast (int8)"} <= set(labels)
    compared = {one.label: one.loss_interval for one in found}
    assert compared["dense (float32)"] is None
    assert compared["dense (int8)"] is not None
    assert all(one.speedup_interval is None or one.speedup_interval[0] > 0 for one in found)
    page = chart(found, (), {}, "")
    assert "speed-up against dense (int8)" in page
    assert page.count('class="marker kind-entropy light"') == 5  # three points, two with recovery


def test_what_the_page_runs_is_told_apart(variants: list[Variant]) -> None:
    runnable = ("dense", "entropy", "entropy+recovery", "truncate-3")
    found = {one.name: runnable_as(one, runnable, ("careful", "balanced", "fast")) for one in variants}
    assert found["entropy:fast"] == ("entropy", "fast")
    assert (found["dense"], found["truncate-3"]) == (("dense", ""), ("truncate-3", ""))
    assert [found[name] for name in ("hf-pipeline", "onnx-int8", "openvino-int8")] == [None] * 3
