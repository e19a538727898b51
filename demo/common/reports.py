"""The evaluator's reports: what they measured, and the strategy that the one on these weights recommends."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from engine import Engine, Strategy
from engine.data.corpora import NAMED
from engine.pruning.strategy_names import OLD_NAMES, StrategyName, parse
from eval.render.conclusions import Opening
from eval.render.files import IntervalRow, ResultRow, labelled, read_table, reference_row, rows_of

REPORTS = Path(__file__).resolve().parents[2] / "docs"
RESULTS = "results.csv"
CONDITIONS = ("corpus", "split", "documents", "timed_documents", "device", "threads", "dtype", "torch", "commit")


@dataclass(frozen=True)
class ReportFolder:
    """A folder that ``eval.report`` has written."""

    folder: Path

    @cached_property
    def results(self) -> pd.DataFrame:
        """``results.csv``."""
        return read_table(self.folder, "results")

    @cached_property
    def about(self) -> dict[str, Any]:
        """What ``results.json`` says about the run; empty if there is no such file."""
        path = self.folder / "results.json"
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["about"] if path.is_file() else {}
        return about

    @property
    def title(self) -> str:
        """Model, corpus, dtypes and the folder's name."""
        model, corpus = self.about.get("model"), f"{self.results['corpus'].iloc[0]} {self.results['split'].iloc[0]}"
        return f"{', '.join(filter(None, [model, corpus, *self.results['dtype'].unique()]))} ({self.folder.name})"

    @property
    def conditions(self) -> str:
        """A sentence on what was measured where, according to the columns of ``results.csv``."""
        known = [(name, self.results[name].dropna().unique()) for name in CONDITIONS if name in self.results]
        parts = [f"{name.replace('_', ' ')} {', '.join(map(str, values))}" for name, values in known if len(values)]
        return f"Measured on: {'; '.join(parts)}."

    @property
    def corpus(self) -> str:
        """The corpus as readers know it: its name, or its file's name, and its split unless that is ``test``."""
        name, split = self.results["corpus"].iloc[0], self.results["split"].iloc[0]
        shown = name.upper() if name in NAMED else Path(name).name
        return shown if split == "test" else f"{shown} {split}"

    def other_weights(self, digest: str) -> str:
        """A warning if the report did not measure the weights with this SHA-256; empty if it did."""
        known = re.search("[0-9a-f]{16,64}", self.about.get("weights", ""))
        if known is None:
            return f"The report {self.folder.name} does not name its weights, so no setting is ringed."
        if digest.startswith(known[0]):
            return ""
        return (
            f"The report {self.folder.name} measured other weights than this page uses (SHA-256 {known[0]}…, not "
            f"{digest[:16]}…): its figures do not apply here, and no setting is ringed."
        )

    def opening(self, dtype: str | None = None) -> Opening:
        """The report's conclusions; with a dtype that it measured, only on variants in that one and the reference."""
        intervals = read_table(self.folder, "intervals")
        rows, against = (rows_of(labelled(table, self.results)) for table in (self.results, intervals))
        if dtype in {row["dtype"] for row in rows}:
            dense = reference_row(rows)["label"]
            rows = [row for row in rows if row["dtype"] == dtype or row["label"] == dense]
        return Opening(rows, against)

    def rows_of(self, strategy: Strategy, dtype: str) -> pd.DataFrame:
        """The rows of ``results.csv`` of a strategy at its operating point, in a dtype."""
        table = self.results[self.results["dtype"] == dtype]
        if not strategy.prunes:
            return table[table["strategy"] == strategy.name]
        point = table["point"].astype(object).fillna("").replace(OLD_NAMES)
        family = parse(strategy.name).without_point
        return table[table["prunes"] & (table["family"] == family) & (point == strategy.point)]

    def average_speedup(self, strategy: Strategy, dtype: str) -> str:
        """A sentence on a strategy's speed-up over dense in the same dtype; empty if it was not measured."""
        rows = self.rows_of(strategy, dtype)
        if rows.empty or not strategy.prunes:
            return ""
        first = labelled(rows, self.results).sort_values("batch_size").iloc[0]
        speedup = first["speedup_vs_dense_same_dtype"]
        return (
            f"On average over {self.corpus}, {first['label']} was {speedup:.2f}× as fast as dense ({dtype}). A short "
            "text gains less, and so does one full of entities."
        )


def find_reports(folder: Path = REPORTS) -> dict[str, ReportFolder]:
    """The reports in a folder, by name: its subfolders with a ``results.csv``."""
    return {path.parent.name: ReportFolder(path.parent) for path in sorted(folder.glob(f"*/{RESULTS}"))}


def own_report(engine: Engine, folder: Path = REPORTS) -> ReportFolder | None:
    """The first report, by name, on the engine's weights; None if there is none."""
    return next((one for one in find_reports(folder).values() if not one.other_weights(engine.digest)), None)


@dataclass(frozen=True)
class Recommendation:
    """The strategy that the engine's report recommends in the engine's dtype.

    ``row``: its figures at the smallest batch size. ``against_dense``: the same with intervals.
    ``against_full_model``: it against the fastest full-model baseline, if the report has one.
    """

    report: ReportFolder
    row: ResultRow
    against_dense: IntervalRow
    against_full_model: IntervalRow | None

    @property
    def name(self) -> StrategyName:
        """Its name, which may include an operating point."""
        return parse(self.row["strategy"])


def recommendation(engine: Engine, folder: Path = REPORTS) -> Recommendation | None:
    """What `own_report` recommends; None if there is no such report or it recommends nothing."""
    report = own_report(engine, folder)
    if report is None:
        return None
    opening = report.opening(engine.dtype)
    row = opening.recommended
    if row is None:
        return None
    full = opening.baseline(truncated=False)
    beaten = opening.interval(row["label"], full["label"]) if full else None
    return Recommendation(report, row, opening.against_dense(row["label"]), beaten)
