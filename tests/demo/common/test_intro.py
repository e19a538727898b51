"""The headline repeats the committed report on these weights, or there is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from demo.common.intro import BASE, Headline, headline, headline_markup, how_it_works, own_model
from demo.common.reports import REPORTS
from engine import Engine, load_engine
from eval.render.files import labelled, read_table, reference

REPORT = "bc5cdr-test"


@pytest.fixture(scope="module")
def shipped() -> Any:
    """The shipped weights' digest, in float32."""
    return SimpleNamespace(digest=load_engine().digest, dtype="float32")


def test_numbers_are_those_of_the_report(shipped: Any) -> None:
    found = headline(shipped)
    assert found is not None
    folder = REPORTS / found.report
    results = read_table(folder, "results")
    intervals, results = labelled(read_table(folder, "intervals"), results), labelled(results, results)
    row = results[(results["label"] == found.strategy) & (results["batch_size"] == results["batch_size"].min())]
    assert found.speedup == row["speedup_vs_dense"].item()
    dense = reference(results.to_dict("records"))
    own = intervals[(intervals["label"] == found.strategy) & (intervals["against_label"] == dense)]
    own = own[own["batch_size"] == results["batch_size"].min()]
    assert (found.pp, found.low, found.high) == tuple(100 * own[part].item() for part in ("difference", "low", "high"))
    assert f"<code>{found.strategy}</code> is <strong>{found.speedup:.2f}× as fast" in headline_markup(
        found, "", "", {}
    )
    assert f"[{found.low:+.2f}, {found.high:+.2f}]" in headline_markup(found, "", "", {})


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_the_strategy_is_one_that_the_page_runs(shipped: Any, dtype: str) -> None:
    found = headline(SimpleNamespace(digest=shipped.digest, dtype=dtype))  # type: ignore[arg-type]
    assert found is not None
    assert found.strategy.endswith(f"({dtype})")
    assert found.dense == "dense (float32)"
    assert "<code>dense (float32)</code>" in headline_markup(found, "", "", {})


@pytest.fixture
def headline_if(shipped: Any, tmp_path: Path) -> Callable[..., Headline]:
    """The headline if the columns of a table of the report had other values."""
    shutil.copytree(REPORTS / REPORT, tmp_path / REPORT)

    def headline_if(name: str, **columns: Any) -> Headline:
        file = tmp_path / REPORT / f"{name}.csv"
        pd.read_csv(file).assign(**columns).to_csv(file, index=False)
        found = headline(shipped, tmp_path)
        assert found is not None
        return found

    return headline_if


@pytest.mark.parametrize(
    ("corpus", "split", "shown"),
    [("bc5cdr", "test", "BC5CDR"), ("bc5cdr", "calib", "BC5CDR calib"), ("data/My.jsonl", "all", "My.jsonl all")],
)
def test_the_corpus_is_named_as_it_was_given(
    headline_if: Callable[..., Headline], corpus: str, split: str, shown: str
) -> None:
    assert f" on {shown}: " in headline_if("results", corpus=corpus, split=split).loss


def test_a_significant_loss_is_called_no_other_name(headline_if: Callable[..., Headline]) -> None:
    found = headline_if("intervals", significant=True, difference=-0.002, low=-0.004, high=-0.0001)
    assert found.loss == (
        "a significant difference in F1 on BC5CDR: -0.20 pp [-0.40, -0.01]; "
        "a loss of more than 0.3 pp cannot be ruled out"
    )


def test_a_strategy_that_certainly_stays_close_goes_before_a_faster_one(
    headline_if: Callable[..., Headline], shipped: Any
) -> None:
    found = headline(shipped)
    assert found is not None
    assert found.low >= -0.3
    assert "ruled out" not in found.loss
    doubtful = headline_if("intervals", low=lambda table: table["low"] - 0.01)
    assert doubtful.speedup > found.speedup
    assert "ruled out" in doubtful.loss


def test_a_model_without_a_report_has_no_headline(engine: Engine, tmp_path: Path) -> None:
    assert headline(engine) is None
    assert headline(engine, tmp_path) is None
    assert "as fast" not in headline_markup(None, "", "", {"README": "readme"})


class TestHowItWorks:
    def test_says_what_happens_to_words_and_what_the_model_finds(self, engine: Engine) -> None:
        said = how_it_works(engine)
        assert "later layers compute only the others" in said
        assert "This model finds Chemical and Disease and computes in float32" in said
        assert "at the last gate all" not in said, "its thresholds let some stay"

    def test_says_so_if_all_words_exit_at_the_last_gate(self) -> None:
        assert "at the last gate all that are left" in how_it_works(load_engine())

    def test_without_gates_no_word_exits_and_the_command_names_the_checkpoint(self, plain_engine: Engine) -> None:
        said = how_it_works(plain_engine)
        assert "every word goes through every layer" in said
        assert "exit" not in said
        assert f"accelerate {plain_engine.source} --texts FILE" in own_model(plain_engine)


def test_what_to_expect_at_base_size_is_what_its_report_says(engine: Engine) -> None:
    table = read_table(REPORTS / BASE, "results").query("batch_size == 1")
    best = table[table["prunes"]]["speedup_vs_dense"].max()
    openvino = table[table["strategy"] == "openvino-int8"]["speedup_vs_dense"].item()
    said = own_model(engine)
    assert f" {best:.2f}× at " in said
    assert f" {openvino:.2f}× at " in said


@pytest.mark.parametrize(
    ("types", "said"),
    [
        (["Chemical", "Disease"], "Chemical and Disease"),
        (["<b>"], "&lt;b&gt;"),
        ([f"T{i}" for i in range(40)], "40 types"),
    ],
)
def test_the_types_are_named_unless_they_are_many(engine: Engine, types: list[str], said: str) -> None:
    model = SimpleNamespace(has_gates=False)
    other: Any = SimpleNamespace(
        labels=SimpleNamespace(types=types), model=model, dtype="float32", precision=SimpleNamespace(why="")
    )
    assert f"This model finds {said}" in how_it_works(other)
