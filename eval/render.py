"""The report of a folder, from its files alone: plots, ``report.md``, ``report.html``, ``results.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from engine.errors import InputError
from eval.markdown import cost_tables, frame, report, results_table
from eval.page import page
from eval.plots import plot_f1_vs_latency

# Files that other modules may have left in the folder: heading → name of the CSV file, title of its table.
SECTIONS = {
    "Ablations": (("ablations", ""),),
    "Errors": (
        ("errors", "Outcomes, and what pruning caused and cured"),
        ("confusion", "Types taken for others"),
        ("exits", "Gold entity words that left"),
    ),
    "Groups": (("gaps", "Gaps between groups"), ("subgroups", "F1 by group")),
    "Recovery": (("recovery", ""),),
}
TABLES = ("results", "intervals", "cost", *(name for tables in SECTIONS.values() for name, _ in tables))


def render(folder: Path) -> str:
    """Makes everything of a folder's report that people and machines read.

    Returns:
        The table for the terminal and the names of the files.

    Raises:
        InputError: the folder has no results.
    """
    try:
        facts = json.loads((folder / "results.json").read_text())
        tables = {name: pd.read_csv(folder / f"{name}.csv") for name in TABLES if (folder / f"{name}.csv").is_file()}
        rows, intervals = _records(tables["results"]), _records(tables["intervals"])
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"expected a finished run in {folder}, got none: {error}; run it first") from error
    plot_f1_vs_latency(folder, folder / "f1_vs_latency.png")
    text = report(rows, intervals, _sections(tables), facts["about"], facts["notes"])
    (folder / "report.md").write_text(text)
    (folder / "report.html").write_text(page(text, folder))
    everything = {"about": facts["about"], "notes": facts["notes"]}
    everything |= {name: json.loads(table.to_json(orient="records")) for name, table in tables.items()}
    (folder / "results.json").write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n")
    files = "\n".join(str(folder / name) for name in ("results.csv", "f1_vs_latency.png", "report.md", "report.html"))
    return "\n\n".join([*facts["notes"], results_table(rows, intervals), files])


def _sections(tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    sections = {}
    for heading, named in SECTIONS.items():
        found = [(title, tables[name]) for name, title in named if name in tables and not tables[name].empty]
        parts = [part for title, table in found for part in (f"### {title}" if title else "", frame(table))]
        if parts:
            sections[heading] = "\n\n".join(part for part in parts if part)
    if "cost" in tables:
        sections["Cost"] = cost_tables(tables["cost"])
    return sections


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with nothing for an empty text."""
    if "point" in table:
        table = table.assign(point=table["point"].astype(object).fillna(""))
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
