"""Writes the pages of a report from its files: ``report.md`` with its plots, and ``summary.md``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from eval.render import plots, sections
from eval.render.folder import ReportFolder
from eval.render.pages import Parts, as_html, page, write_page
from eval.render.summary import headline, roles
from eval.render.text import escape, table
from eval.schema import DENSE

FIGURE = "f1_vs_latency.png"
SUMMARY = "summary.md"  # headline and roles, which README and docs include


def render(folder: Path, *, html: bool = False) -> str:
    """Writes the pages and plots of a folder's report, with ``html`` also ``report.html``.

    Returns:
        The tables of results, for the terminal.
    """
    report = ReportFolder(folder)
    documents, mentions = report.dense["documents"], int(report.table("documents")["gold"].sum())
    parts: dict[str, Parts] = {
        "F1 against speed-up": [f"![F1 against speed-up]({FIGURE})"],
        "Results": sections.results_parts(report),
        "Errors": sections.errors_parts(report),
        "Early exits": [
            *_draw(report, "exits", plots.plot_exits, "Words that have exited by each layer, by gold label"),
            *sections.exits_parts(report),
        ],
        "Groups": [
            *_draw(
                report, "subgroups", plots.plot_groups, "F1 against dense by group of mentions, with 95 % intervals"
            ),
            *sections.groups_parts(report),
        ],
        "Cost": sections.cost_parts(report),
        "How this was measured": sections.about_parts(report.about),
    }
    plots.save_png(
        plots.plot_f1_vs_latency(report.table("results"), report.table("intervals")), folder / FIGURE, 130, 64
    )
    write_page(folder / SUMMARY, summary(report))
    title = f"{report.dense['corpus']} {report.dense['split']}: F1 against speed-up"
    counted = f"{documents:,} documents with {mentions:,} entities."
    text = page(title, parts, [f"**{escape(headline(report))}**", counted, roles(report)], report.notes)
    write_page(folder / "report.md", text)
    if html:
        write_page(folder / "report.html", as_html(text))
    shown = [f"Batch size {size}\n{table(of.columns, of.rows)}" for size, of in sections.results_tables(report).items()]
    return "\n\n".join([*report.notes, *shown])


def summary(report: ReportFolder) -> str:
    """The headline and the roles of a report in Markdown, as README and docs include them."""
    shown = roles(report)
    return f"{escape(headline(report))}\n\n{table(shown.columns, shown.rows)}\n\n{shown.caption}\n"


def _draw(report: ReportFolder, name: str, plot: Callable[[pd.DataFrame], Figure], title: str) -> list[str]:
    """Draws our own strategies from a table, if there are others than dense."""
    own = report.table(name)
    if (own["kind"] == DENSE).all():
        return []
    file = f"{name}.png"
    plots.save_png(plot(own), report.folder / file)
    return [f"**{title}**\n\n![{title}]({file})"]
