"""Renders a folder's report from its files: plots, ``report.md``, ``report.html``, ``results.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from engine.errors import InputError
from eval.render import plots
from eval.render.ablations import ablations_section, failures, plot_ablations
from eval.render.cases import cases_page
from eval.render.conclusions import Opening
from eval.render.files import FILES, complete_table, labelled, read_table, records, reference_row, write_page
from eval.render.html import page
from eval.render.markdown import (
    DTYPES_READING,
    TYPES_READING,
    about_list,
    escape,
    pairs_table,
    reading,
    results_table,
    types_table,
)
from eval.render.png import save_png
from eval.render.sections import cost_section, errors_section, exits_section, groups_section
from eval.schema import DENSE

CASES = (
    "`cases.md` and `cases.html`, made with every report and not published, since they hold text of the corpus, show "
    "real cases word by word."
)
ABLATIONS = "ablations"
IN_JSON = ("results", "intervals", ABLATIONS)


def render(folder: Path) -> str:
    """Writes all files of a folder's report.

    Returns:
        The table for the terminal and the names of the files.

    Raises:
        InputError: the folder has no results.
    """
    try:
        facts = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        about, notes, with_ablations = dict(facts["about"]), list(facts["notes"]), "ablations" in facts
        tables = {name: complete_table(folder, name) for name in FILES if name != ABLATIONS or with_ablations}
        rows, intervals = (records(labelled(tables[name], tables["results"])) for name in ("results", "intervals"))
        cases = json.loads((folder / "cases.json").read_text()) if (folder / "cases.json").is_file() else None
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise InputError(f"expected a finished run in {folder}, got none: {error}; run it first") from error
    save_png(
        plots.plot_f1_vs_latency(tables["results"], tables["intervals"], tables["times"]), folder / "f1_vs_latency.png"
    )
    opening, pairs = Opening(rows, intervals), pairs_table(rows, intervals)
    parts = [
        f"# {escape(rows[0]['corpus'])} {escape(rows[0]['split'])}: F1 against latency",
        *(f"> {escape(note)}" for note in notes),
        " ".join(opening.sentences()),
        opening.table(),
        "## Frontier",
        "![F1 against latency](f1_vs_latency.png)",
        "## Results",
        results_table(rows, intervals),
        reading(rows),
        *([DTYPES_READING.format(reference_row(rows)["dtype"])] if len({row["dtype"] for row in rows}) > 1 else []),
        "### By type",
        types_table(rows),
        TYPES_READING,
        *(("### Pair by pair", pairs) if pairs else ()),
        *_sections(folder, tables, cases),
        "## How this was measured",
        about_list(about),
    ]
    text = "\n\n".join(parts) + "\n"
    write_page(folder / "report.md", text)
    write_page(folder / "report.html", page(text, folder))
    summary = {"about": about, "notes": notes}
    summary |= {name: json.loads(tables[name].to_json(orient="records")) for name in IN_JSON if name in tables}
    write_page(folder / "results.json", json.dumps(summary, ensure_ascii=False, separators=(",", ":")) + "\n")
    files = "\n".join(str(folder / name) for name in ("results.csv", "f1_vs_latency.png", "report.md", "report.html"))
    return "\n\n".join([*notes, results_table(rows, intervals), files])


def failed_ablations(folder: Path) -> list[str]:
    """The failures in the ablations of a folder's run; empty if it made none."""
    made = "ablations" in json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return failures(read_table(folder, "ablations")) if made else []


def _sections(folder: Path, tables: Mapping[str, pd.DataFrame], cases: Any) -> Iterator[str]:
    """Headings, plots and texts of the tables, dtype by dtype."""
    if ABLATIONS in tables:
        yield "## Ablations"
        yield _picture(plot_ablations(tables[ABLATIONS]), folder / "ablations.png", "Ablations")
        yield ablations_section(tables[ABLATIONS])
    yield "## Errors"
    for heading, _, (errors, confusion) in _by_dtype(tables, "errors", "confusion"):
        yield from (*heading, errors_section(errors, confusion))
    yield CASES
    yield "## Early exits of entity words"
    for heading, suffix, (exits,) in _by_dtype(tables, "exits"):
        yield from heading
        if not exits.empty:
            yield _picture(plots.plot_exits(exits), folder / f"exits{suffix}.png", "Words that exit early")
        yield exits_section(exits)
    if cases is not None:
        text = cases_page(cases)
        write_page(folder / "cases.md", text)
        write_page(folder / "cases.html", page(text, folder))
    yield "## Groups"
    for heading, suffix, (groups, gaps) in _by_dtype(tables, "subgroups", "gaps"):
        yield from heading
        if not groups.empty:
            yield _picture(plots.plot_groups(groups), folder / f"groups{suffix}.png", "F1 by group")
        yield groups_section(groups, gaps)
    yield "## Cost"
    if 1 in set(tables["results"]["batch_size"]):
        for _, suffix, (cost,) in _by_dtype(tables, "cost"):
            figure = plots.plot_speed_by_length(cost, tables["results"])
            yield _picture(figure, folder / f"speed{suffix}.png", "Speed-up by length")
    cost = labelled(tables["cost"], tables["results"])
    yield cost_section(cost.assign(strategy=cost["label"]))


def _by_dtype(
    tables: Mapping[str, pd.DataFrame], *names: str
) -> Iterator[tuple[list[str], str, tuple[pd.DataFrame, ...]]]:
    """Yields each dtype's heading (if there are several), suffix of file names, and parts of some tables.

    Baselines in a dtype in which dense did not run are grouped with the first one.
    """
    results = tables["results"]
    dtypes = list(results.loc[results["kind"] == DENSE, "dtype"].unique())
    for number, dtype in enumerate(dtypes):
        found = []
        for name in names:
            own = tables[name]["dtype"]
            found.append(tables[name][own.where(own.isin(dtypes), dtypes[0]) == dtype])
        yield [f"### {escape(dtype)}"] if len(dtypes) > 1 else [], f"-{dtype}" if number else "", tuple(found)


def _picture(figure: Figure, file: Path, title: str) -> str:
    save_png(figure, file)
    return f"![{title}]({file.name})"
