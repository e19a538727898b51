"""Renders a folder's report from its files: plots, ``report.md``, ``report.html``, and the pages of cases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from engine.errors import InputError
from eval.render import plots, sections
from eval.render.ablations import ablations_parts, failures
from eval.render.conclusions import Opening
from eval.render.files import FILES, complete_table, labelled, read_table, records
from eval.render.html import Report, Section, write_pages
from eval.render.markdown import bullets, escape, table
from eval.schema import DENSE

CASES = (
    "`cases.md` and `cases.html`, made with every report and not published, since they hold text of the corpus, show "
    "real cases word by word."
)
ABLATIONS, FIGURE = "ablations", "f1_vs_latency.png"
TITLES = {
    "exits": "Words that have exited by each layer, by gold label",
    "groups": "F1 against dense by group of mentions, with 95 % intervals",
    "speed": "Speed-up against dense by length of the document, batch size 1",
}


def render(folder: Path) -> str:
    """Writes all files of a folder's report.

    Returns:
        The tables for the terminal and the names of the files.

    Raises:
        InputError: the folder has no results.
    """
    try:
        facts = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        about, notes, ablated = dict(facts["about"]), list(facts["notes"]), ABLATIONS in facts
        tables = {name: complete_table(folder, name) for name in FILES if name != ABLATIONS or ablated}
        tables["exits"] = tables["exits"].rename(columns={"label": "gold"})
        for name in set(tables) - {ABLATIONS}:
            tables[name] = labelled(tables[name], tables["results"])
        rows, intervals = records(tables["results"]), records(tables["intervals"])
        cases = json.loads((folder / "cases.json").read_text()) if (folder / "cases.json").is_file() else None
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"expected a finished run in {folder}, got none: {error}; run it first") from error
    plots.save_png(plots.plot_f1_vs_latency(tables["results"], tables["intervals"]), folder / FIGURE, 130, 64)
    opening = Opening(rows, intervals)
    errors, exits = sections.errors_parts(tables["errors"], tables["confusion"]), sections.exits_parts(tables["exits"])
    groups, cost = sections.groups_parts(tables["subgroups"], tables["gaps"]), sections.cost_parts(tables["cost"])
    dtypes = list(tables["results"].loc[tables["results"]["kind"] == DENSE, "dtype"].unique())
    by_length = partial(plots.plot_speed_by_length, results=tables["results"])
    parts = [
        Section("F1 against speed-up", [f"![F1 against speed-up]({FIGURE})"]),
        Section("Results", sections.results_parts(rows, intervals)),
        Section("Errors", [*errors, CASES]),
        Section("Early exits", [*_drawn("exits", plots.plot_exits, tables["exits"], dtypes, folder), *exits]),
        Section("Groups", [*_drawn("groups", plots.plot_groups, tables["subgroups"], dtypes, folder), *groups]),
        Section("Cost", [*_drawn("speed", by_length, tables["cost"], dtypes, folder), *cost]),
        Section("How this was measured", sections.about_parts(about)),
    ]
    if ablated:
        plots.save_png(plots.plot_ablations(tables[ABLATIONS]), folder / "ablations.png")
        parts.insert(2, Section("Ablations", ablations_parts(tables[ABLATIONS])))
    title = f"{rows[0]['corpus']} {rows[0]['split']}: F1 against latency"
    write_pages(Report(title, parts, [bullets(opening.sentences()), opening.table()], notes), folder, "report")
    if cases is not None:
        write_pages(sections.cases_page(cases), folder, "cases")
    shown = [
        f"Batch size {size}\n{table(of.columns, of.rows)}"
        for size, of in sections.results_tables(rows, intervals).items()
    ]
    files = "\n".join(str(folder / name) for name in ("results.csv", FIGURE, "report.md", "report.html"))
    return "\n\n".join([*notes, *shown, files])


def _drawn(
    name: str, plot: Callable[[pd.DataFrame], Figure], table: pd.DataFrame, dtypes: Sequence[str], folder: Path
) -> Iterator[str]:
    """Draws a plot of our own strategies for each dtype in which any ran; the first has a plain file name."""
    for number, dtype in enumerate(dtypes):
        own = table[table["dtype"] == dtype]
        if (own["strategy"] != DENSE).any():
            file, of = folder / f"{name}{f'-{dtype}' * bool(number)}.png", f", {escape(dtype)}" * (len(dtypes) > 1)
            yield _picture(plot(own), file, TITLES[name] + of)


def _picture(figure: Figure, file: Path, title: str) -> str:
    plots.save_png(figure, file)
    return f"**{title}**\n\n![{title}]({file.name})"


def failed_ablations(folder: Path) -> list[str]:
    """The failures in the ablations of a folder's run; empty if it made none."""
    made = ABLATIONS in json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return failures(read_table(folder, ABLATIONS)) if made else []
