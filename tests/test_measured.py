"""The numbers in the README and on the model card are those of the report that they link to, and so is its command."""

from pathlib import Path

import pandas as pd
import pytest

from eval.render.conclusions import pace, points

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "docs" / "bc5cdr-test"
PAGES = (ROOT / "README.md", ROOT / "weights" / "minilm-l6-bc5cdr" / "README.md")


def measured() -> list[list[str]]:
    """The cells of the table, from the report's files."""
    results = pd.read_csv(REPORT / "results.csv", dtype={"point": str}, keep_default_na=False, na_values={"f1": ""})
    intervals = {
        (row["strategy"], row["batch_size"]): row
        for row in pd.read_csv(REPORT / "intervals.csv").to_dict("records")
        if row["against"] == "dense"
    }
    rows = []
    for row in results[results["batch_size"] == 1].to_dict("records"):
        name, promised = row["strategy"], row["promised_speedup"]
        rows.append(
            [
                f"`{name}`" + (f" ({row['point']})" if row["point"] and ":" not in name else ""),
                f"{row['f1']:.4f}",
                points(intervals[name, 1]),
                pace(intervals[name, 1]),
                pace(intervals[name, 32]),
                f"{float(promised):.2f}×" if promised else "",
                f"{float(row['token_layers_kept']):.1%}" if promised else "",
            ]
        )
    return rows


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_number_is_that_of_the_report(page):
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `") and "×" in line]
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines] == measured()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_the_command_is_that_of_the_report(page):
    report = (REPORT / "report.md").read_text(encoding="utf-8")
    (command,) = (line for line in report.splitlines() if line.startswith("- command: "))
    assert command.removeprefix("- command: `").removesuffix("`") in page.read_text(encoding="utf-8")
