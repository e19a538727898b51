"""The report of a folder, from its files alone: plots, ``report.md``, ``report.html``, ``results.json``."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from engine.errors import InputError
from eval import ablations
from eval.render.analysis_markdown import ablations_section, errors_section, exits_section, groups_section
from eval.render.analysis_plots import plot_ablations, plot_exits, plot_groups
from eval.render.html import page
from eval.render.markdown import cost_tables, report, results_table
from eval.render.plots import plot_f1_vs_latency, plot_speed_by_length

CASES = (
    "`cases.md` and `cases.html`, made with every report and not published, since they hold text of the corpus, show "
    "real cases word by word."
)
TABLES = ("results", "intervals", "cost", "errors", "confusion", "exits", "subgroups", "gaps", "ablations")


def render(folder: Path) -> str:
    """Makes everything of a folder's report that people and machines read.

    Returns:
        The table for the terminal and the names of the files.

    Raises:
        InputError: the folder has no results.
    """
    try:
        facts = json.loads((folder / "results.json").read_text())
        names = [name for name in TABLES if name != "ablations" or name in facts]
        tables = {name: pd.read_csv(folder / f"{name}.csv") for name in names if (folder / f"{name}.csv").is_file()}
        rows, intervals = _records(tables["results"]), _records(tables["intervals"])
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"expected a finished run in {folder}, got none: {error}; run it first") from error
    plot_f1_vs_latency(folder, folder / "f1_vs_latency.png")
    text = report(rows, intervals, dict(_sections(folder, tables)), facts["about"], facts["notes"])
    (folder / "report.md").write_text(text)
    (folder / "report.html").write_text(page(text, folder))
    everything = {"about": facts["about"], "notes": facts["notes"]}
    everything |= {name: json.loads(table.to_json(orient="records")) for name, table in tables.items()}
    (folder / "results.json").write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n")
    files = "\n".join(str(folder / name) for name in ("results.csv", "f1_vs_latency.png", "report.md", "report.html"))
    return "\n\n".join([*facts["notes"], results_table(rows, intervals), files])


def failures(folder: Path) -> list[str]:
    """What the ablations of a folder's run show not to work; nothing where it made none."""
    if "ablations" not in json.loads((folder / "results.json").read_text()):
        return []
    table = pd.read_csv(folder / "ablations.csv", dtype={"value": str}, keep_default_na=False)
    return ablations.failures(_records(table))


def _sections(folder: Path, tables: Container[str]) -> Iterator[tuple[str, str]]:
    """Headings and texts of the tables, with their plots."""
    if "ablations" in tables:
        plot_ablations(folder / "ablations.csv", folder / "ablations.png")
        yield "Ablations", f"![Ablations](ablations.png)\n\n{ablations_section(folder, failures(folder))}"
    if "errors" in tables:
        yield "Errors", f"{errors_section(folder)}\n\n{CASES}"
        picture = _picture(plot_exits, folder / "exits.csv", "exits.png", "Words that left")
        yield "Entity words that left", f"{picture}{exits_section(folder)}"
    if (folder / "cases.md").is_file():
        (folder / "cases.html").write_text(page((folder / "cases.md").read_text(), folder))
    if "subgroups" in tables:
        picture = _picture(plot_groups, folder / "subgroups.csv", "groups.png", "F1 by group")
        yield "Groups", f"{picture}{groups_section(folder)}"
    if "cost" in tables:
        plot_speed_by_length(folder / "cost.csv", folder / "speed.png")
        yield "Cost", f"![Speed-up by length](speed.png)\n\n{cost_tables(pd.read_csv(folder / 'cost.csv'))}"


def _picture(plot: Callable[[Path, Path], None], table: Path, file: str, title: str) -> str:
    """Draws a table beside it and gives the picture in Markdown; nothing for an empty table."""
    if pd.read_csv(table).empty:
        return ""
    plot(table, table.with_name(file))
    return f"![{title}]({file})\n\n"


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with nothing for an empty text."""
    if "point" in table:
        table = table.assign(point=table["point"].astype(object).fillna(""))
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
