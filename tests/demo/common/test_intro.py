"""The head of the page repeats the published report on these weights, or claims nothing."""

import re
import shutil
from copy import copy
from types import SimpleNamespace

import pandas as pd
import pytest

from demo.common.intro import claim, intro, own_model
from demo.common.reports import REPORTS, Report, own_report
from eval.render import headline
from tests.demo.tabs.conftest import text_of


def in_dtype(engine, dtype):
    """What the head of the page needs of an engine, as if it computed in this dtype."""
    names = ("digest", "sizes", "has_gates", "labels", "source", "stages", "runnable")
    return SimpleNamespace(dtype=dtype, why="", **{name: getattr(engine, name) for name in names})


@pytest.fixture(scope="module")
def eight_bits(shipped):
    """The engine that the report measured, in 8 bits, in which its default is fastest."""
    engine = in_dtype(shipped, "int8")
    (engine.digest,) = re.findall("[0-9a-f]{16}", Report(REPORTS / "bc5cdr-test").about["weights"])
    return engine


def test_the_first_sentences_are_the_reports_and_all_baselines_and_links_are_folded_away(eight_bits):
    report = own_report(eight_bits)
    opening, _, folded = intro(eight_bits, {"README": "readme"}).partition("<details")
    assert f"Finds chemicals and diseases. {headline(report)}" in text_of(opening)
    assert folded.index(f'href="docs/{report.name}/report.md">Report') < folded.index('href="readme">README')


def test_a_report_too_small_to_conclude_from_says_so_on_the_page(eight_bits, tmp_path):
    shutil.copytree(REPORTS / "bc5cdr-test", small := tmp_path / "bc5cdr-test")
    results = pd.read_csv(small / "results.csv")
    results.assign(documents=12).to_csv(small / "results.csv", index=False)
    assert "12 documents are too few" in claim(eight_bits, Report(small))


def test_another_dtype_or_model_claims_nothing_and_one_without_gates_no_exits(shipped, engine, plain_engine):
    for other in (in_dtype(shipped, "float32"), engine):
        assert "as fast" not in intro(other, {})
    assert "Finds chemicals and diseases. Words leave the network" in intro(engine, {})
    assert "It finds chemicals and diseases, and nothing else. It computes in float32" in intro(engine, {})
    assert "every word goes through all 3 layers" in intro(plain_engine, {})
    assert f"accelerate {plain_engine.source} --dtype=int8 --texts FILE" in own_model(plain_engine)


def test_the_command_for_an_own_model_is_one_that_runs(both, plain_engine):
    assert f"cascade CHECKPOINT --small {both.small.source} --texts FILE" in own_model(both)
    other = copy(plain_engine)
    object.__setattr__(folder := copy(other.folder), "labels_file", "my.txt")
    vars(other).update(source="my runs/x", folder=folder)
    assert "accelerate &#x27;my runs/x&#x27; --labels=my.txt --dtype=int8" in own_model(other)


@pytest.mark.parametrize(("types", "said"), [(["<b>"], "&lt;b&gt;"), ([f"T{i}" for i in range(40)], "40 types")])
def test_the_types_are_named_unless_they_are_many(engine, types, said):
    other = copy(engine)
    other.labels = SimpleNamespace(types=types)
    assert f"Finds {said}. " in claim(other, None)
