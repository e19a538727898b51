"""Finds the evaluator's reports, what they were measured on, and the rows that ran with given settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from engine import Strategy
from engine.pruning.resolve import parse
from eval.render.conclusions import Opening
from eval.render.files import labelled, read_table, records, reference

REPORTS = Path(__file__).resolve().parents[2] / "docs"
RESULTS, ABOUT = "results.csv", "results.json"
MEASURED_ON = ("corpus", "split", "documents", "timed_documents", "device", "threads", "dtype", "torch", "commit")


def report_names(folder: Path) -> list[str]:
    """The reports in a folder: its subfolders with a ``results.csv``."""
    return sorted(path.parent.name for path in folder.glob(f"*/{RESULTS}"))


def report_title(report: Path) -> str:
    """A report's model, corpus, dtypes and folder name."""
    table = pd.read_csv(report / RESULTS)
    model = about(report).get("model")
    parts = [*([str(model)] if model else []), f"{table['corpus'].iloc[0]} {table['split'].iloc[0]}"]
    return f"{', '.join([*parts, *table['dtype'].unique()])} ({report.name})"


def about(report: Path) -> dict[str, Any]:
    """What a report says about its run; empty if it says nothing."""
    path = report / ABOUT
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["about"] if path.is_file() else {}
    return found


def opening(report: Path, dtype: str | None = None) -> Opening:
    """A report's opening; given a dtype, only for the variants in it and their reference."""
    results = read_table(report, "results")
    rows, intervals = (records(labelled(table, results)) for table in (results, read_table(report, "intervals")))
    dense = reference(rows)
    return Opening([row for row in rows if dtype in (None, row["dtype"]) or row["label"] == dense], intervals)


def measured_on(table: pd.DataFrame) -> str:
    """Says what the rows of a CSV file were measured on, according to its columns."""
    known = [(name, table[name].dropna().unique()) for name in MEASURED_ON if name in table]
    parts = [f"{name.replace('_', ' ')} {', '.join(map(str, values))}" for name, values in known if len(values)]
    return f"Measured on: {'; '.join(parts)}." if parts else "The file does not say what it was measured on."


def other_weights(report: Path, digest: str) -> str | None:
    """A warning if a report did not measure the weights with this SHA-256."""
    known = re.search("[0-9a-f]{16,64}", about(report).get("weights", ""))
    if known is None:
        return f"The report {report.name} does not name its weights, so no setting is ringed."
    if digest.startswith(known[0]):
        return None
    return (
        f"The report {report.name} measured other weights than this page uses (SHA-256 {known[0]}…, not "
        f"{digest[:16]}…): its figures do not apply here, and no setting is ringed."
    )


def measured_as(table: pd.DataFrame, strategy: Strategy) -> list[str]:
    """Names of the rows in ``results.csv`` that ran like a strategy, settings included."""
    wanted = _ran_as(strategy)
    filled = table.assign(point=table["point"].astype(object).fillna(""))

    def ran_as(row: pd.Series) -> tuple[str, str]:
        return (row["family"], row["point"]) if row["prunes"] else (row["strategy"], "")

    return list(filled["strategy"][[ran_as(row) == wanted for _, row in filled.iterrows()]].unique())


def _ran_as(strategy: Strategy) -> tuple[str, str]:
    """A strategy's family and point as in ``results.csv``; changed settings have a point that no report has."""
    return (parse(strategy.name).stored, strategy.point) if strategy.prunes else (strategy.name, "")
