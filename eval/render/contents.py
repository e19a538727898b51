"""Renders ``report.md`` and ``report.html`` with their plots from a folder's files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from engine.errors import InputError
from eval.render import plots, sections
from eval.render.conclusions import Opening
from eval.render.files import ResultRow, documents_per_second, read_table, read_tables
from eval.render.pages import Parts, write_pages
from eval.render.text import bullets, code, escape, table
from eval.schema import DENSE, FILES, RESIDENT

FIGURE = "f1_vs_latency.png"
TITLES = {  # of plots of our own strategies, by file name
    "exits": "Words that have exited by each layer, by gold label",
    "groups": "F1 against dense by group of mentions, with 95 % intervals",
}


def render(folder: Path) -> str:
    """Writes all pages and plots of a folder's report.

    Returns:
        The tables of results and the names of the files, for the terminal.
    """
    try:
        facts = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        about, notes = dict(facts["about"]), list(facts["notes"])
        tables = read_tables(folder, *(name for name in FILES if name != "ablations"))
        opening = Opening.of(tables)
        rows, intervals = opening.rows, opening.intervals
        mentions = int(read_table(folder, "documents")["gold"].sum())
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"expected a finished run in {folder}, got none: {error}; run it first") from error
    plots.save_png(plots.plot_f1_vs_latency(tables["results"], tables["intervals"]), folder / FIGURE, 130, 64)
    parts: dict[str, Parts] = {
        "F1 against speed-up": [f"![F1 against speed-up]({FIGURE})"],
        "Results": sections.results_parts(rows, intervals),
        "Errors": sections.errors_parts(tables["errors"]),
        "Early exits": [
            *_draw("exits", plots.plot_exits, tables["exits"], folder),
            *sections.exits_parts(tables["exits"]),
        ],
        "Groups": [
            *_draw("groups", plots.plot_groups, tables["subgroups"], folder),
            *sections.groups_parts(tables["subgroups"]),
        ],
        "Cost": sections.cost_parts(rows, tables["cost"]),
        "How this was measured": sections.about_parts(about),
    }
    title = f"{rows[0]['corpus']} {rows[0]['split']}: F1 against speed-up"
    said = opening.sentences()
    if opening.shown:
        wanted = opening.shown["label"], opening.sizes[-1]
        row = next(row for row in rows if (row["label"], row["batch_size"]) == wanted)
        said.append(_pace(row, tables["times"], tables["cost"], escape(about["machine"])))
    counted = f"{rows[0]['documents']:,} documents with {mentions:,} entities."
    write_pages(folder, "report", title, parts, [counted, bullets(said), opening.table()], notes)
    by_size = sections.results_tables(rows, intervals).items()
    shown = [f"Batch size {size}\n{table(of.columns, of.rows)}" for size, of in by_size]
    files = "\n".join(str(folder / name) for name in ("results.csv", FIGURE, "report.md", "report.html"))
    return "\n\n".join([*notes, *shown, files])


def _pace(row: ResultRow, times: pd.DataFrame, cost: pd.DataFrame, machine: str) -> str:
    """How many documents a second a variant reads at a batch size, and the memory of a process with it alone."""
    held = cost.loc[(cost["label"] == row["label"]) & (cost["group"] == RESIDENT), "value"]
    memory = f", and a process that runs only it takes {held.iloc[0]:.0f} MiB" if len(held) else ""
    return (
        f"{code(row['label'])} reads {documents_per_second(row, times):.0f} documents a second, "
        f"{row['batch_size']} a call, on {machine}, {row['threads']} threads{memory}."
    )


def _draw(name: str, plot: Callable[[pd.DataFrame], Figure], table: pd.DataFrame, folder: Path) -> Iterator[str]:
    """Draws our own strategies, if there are others than dense."""
    if (table["strategy"] != DENSE).any():
        plots.save_png(plot(table), folder / f"{name}.png")
        yield f"**{TITLES[name]}**\n\n![{TITLES[name]}]({name}.png)"
