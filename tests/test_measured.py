"""Every figure in the README and Published reports matches its report; the card has all of its rows."""

from __future__ import annotations

import math
import re
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from eval.render.files import labelled, read_table, reference_row
from eval.seeds import average

ROOT = Path(__file__).resolve().parent.parent
REPORT, BASE = ROOT / "docs" / "bc5cdr-test", ROOT / "docs" / "bc5cdr-test-base"
BASE_WITH_GOLD = ROOT / "docs" / "bc5cdr-test-base-gold"
README, CARD = ROOT / "README.md", ROOT / "weights" / "minilm-l6-bc5cdr" / "README.md"
FIGURE = re.compile(r"(?<![\d.])0\.\d{4}(?!\d)|[-+]\d+\.\d\d|\d+\.\d\d×|\d+\.\d%")


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def shown(report: Path) -> str:
    """The text of a report, folded tables included."""
    return unescape(re.sub("<style>.*?</style>|<[^>]+>", " ", text(report / "report.html")))


def table(page: Path) -> list[list[str]]:
    """The cells of the rows about strategies."""
    lines = [line for line in text(page).splitlines() if line.startswith("| `") and "×" in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture(scope="module")
def measured() -> list[list[str]]:
    """The rows of the card's table, from the report's files."""
    results = read_table(REPORT, "results")
    rows = labelled(results.fillna({"point": ""}), results)
    dense = reference_row(rows.to_dict("records"))["label"]
    intervals = labelled(read_table(REPORT, "intervals"), results).query("against_label == @dense")
    intervals = intervals.set_index(["label", "batch_size"])

    def f1(row: pd.Series, against: pd.Series) -> list[str]:
        if math.isnan(row.f1):
            return ["speed only", ""]
        points = against[["difference", "low", "high"]] * 100
        return [f"{row.f1:.4f}", "—" if row.label == dense else "{:+.2f} [{:+.2f}, {:+.2f}]".format(*points)]

    def speedup(name: str, batch_size: int) -> str:
        row = intervals.loc[name, batch_size]
        if name == dense:
            return f"{row.speedup:.2f}×"
        return f"{row.speedup:.2f}× [{row.speedup_low:.2f}, {row.speedup_high:.2f}]"

    def cost(value: float, written: str) -> str:
        return "" if math.isnan(value) else written.format(value)

    return [
        [
            f"`{row.label}`",
            *f1(row, intervals.loc[row.label, 1]),
            speedup(row.label, 1),
            speedup(row.label, 32),
            cost(row.theoretical_speedup, "{:.2f}×"),
            cost(row.token_layers_kept, "{:.1%}"),
        ]
        for row in rows.query("batch_size == 1").itertuples()
    ]


def test_the_model_card_has_every_row_of_the_report(measured):
    assert table(CARD) == measured


def test_the_rows_of_the_readme_are_rows_of_the_report(measured):
    assert len(table(README)) == 10
    without_intervals = [[*row[:3], row[3].split(" [")[0], row[4].split(" [")[0]] for row in measured]
    assert [row for row in table(README) if row not in without_intervals] == []


def test_every_figure_of_the_readme_is_one_of_the_reports(measured):
    known = {figure for row in measured for cell in row for figure in FIGURE.findall(cell)}
    known |= set(FIGURE.findall(shown(REPORT) + shown(BASE) + shown(BASE_WITH_GOLD)))
    assert set(FIGURE.findall(text(README))) <= known


def check_figures(quoted: str, known: str, at_least: int) -> None:
    """Checks that every F1, speed-up and interval that is quoted is known."""
    figures = re.findall(r"[-+]\d\.\d\d \[.+?\]|\d\.\d\d×|0\.\d{4}|\d\.\d\d ± \d\.\d\d", quoted)
    assert len(figures) >= at_least
    assert [figure for figure in figures if figure not in known] == []


def test_every_figure_of_published_reports_is_one_of_a_report():
    page = text(ROOT / "docs" / "reports.md").partition("What they show:")[2].partition("\n##")[0]
    reports = "".join(shown(path.parent) for path in sorted((ROOT / "docs").glob("*/report.html")))
    ablations = text(ROOT / "docs" / "bc5cdr-test-ablations" / "ablations.md")
    check_figures(" ".join(page.replace("\u2212", "-").split()), reports + ablations, at_least=27)


def test_every_figure_about_accelerated_checkpoints_is_one_of_their_cards_or_report():
    cards = [*(ROOT / "docs" / "other-checkpoints").glob("*.md"), *BASE.glob("*.md")]
    check_figures(text(ROOT / "docs" / "training.md"), " ".join([*map(text, cards), shown(BASE)]), at_least=12)


@pytest.mark.parametrize("name", ["ncbi-disease-test", "biored-dev"])
def test_the_card_quotes_the_other_reports(name):
    (line,) = [line for line in text(CARD).splitlines() if line.startswith("|") and name in line]
    check_figures(line, shown(ROOT / "docs" / name), at_least=7)


REPORTS = sorted(path.parent.name for path in (ROOT / "docs").glob("*/results.csv"))
BY_SIZE = [pytest.param(name, marks=[pytest.mark.slow] * name.startswith("bc5cdr")) for name in REPORTS]


@pytest.mark.parametrize("name", BY_SIZE)
def test_the_intervals_of_published_reports_follow_from_their_documents_and_times(name):
    folder = ROOT / "docs" / name
    again, published = average([folder]), read_table(folder, "intervals")
    pd.testing.assert_frame_equal(again[list(published)], published, rtol=1e-5, check_dtype=False)


def test_the_report_states_the_command_that_the_card_quotes():
    (command,) = re.findall(r"^- command: `(.+)`$", text(REPORT / "report.md"), re.MULTILINE)
    assert command in text(CARD)
