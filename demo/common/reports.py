"""Finds the evaluator's reports, what they were measured on, and the rows that ran with given settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from engine import Engine, Strategy
from engine.data.corpora import NAMED
from engine.pruning.strategy_names import OLD_NAMES, parse
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
    """Names of the rows in ``results.csv`` that ran like a strategy, settings included; changed ones did not run."""
    if not strategy.prunes:
        return [name for name in table["strategy"].unique() if name == strategy.name]
    point = table["point"].astype(object).fillna("").replace(OLD_NAMES)
    ran = table["prunes"] & (table["family"] == parse(strategy.name).stored) & (point == strategy.point)
    return list(table["strategy"][ran].unique())


def own_report(engine: Engine, folder: Path = REPORTS) -> Path | None:
    """The first report, by name, on the engine's weights; nothing if there is none."""
    reports = (folder / name for name in report_names(folder))
    return next((report for report in reports if other_weights(report, engine.digest) is None), None)


def own_opening(report: Path, engine: Engine) -> Opening:
    """The opening of a report for the engine's dtype, or for all of its own if it did not measure that one."""
    measured = engine.dtype in set(read_table(report, "results")["dtype"])
    return opening(report, engine.dtype if measured else None)


def average_speedup(report: Path | None, engine: Engine, strategy: Strategy) -> str:
    """A sentence on how much faster than ``dense`` in the same dtype a strategy was on average; empty if unknown."""
    if report is None or not strategy.prunes:
        return ""
    table = read_table(report, "results")
    rows = table[table["strategy"].isin(measured_as(table, strategy)) & (table["dtype"] == engine.dtype)]
    if rows.empty:
        return ""
    row = rows.sort_values("batch_size").iloc[0]
    return (
        f"On average over {corpus_name(row['corpus'], row['split'])}, {strategy.name} was "
        f"{row['speedup_vs_dense_same_dtype']:.2f}× as fast as dense; the more entities a text has, the less it gains, "
        "and a single sentence gains less."
    )


def corpus_name(name: str, split: str) -> str:
    """A corpus as readers know it: its name, or its file's name, and its split unless that is ``test``."""
    shown = name.upper() if name in NAMED else Path(name).name
    return shown if split == "test" else f"{shown} {split}"
