"""The evaluator's published reports: what they are called, what they measured, and what they say of the default."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from engine import Engine
from engine.data.corpora import NAMED
from eval.render.conclusions import Opening
from eval.render.files import BASE, CASCADE, CASCADE_MANY, SMALL, read_table, read_tables

REPORTS = Path(__file__).resolve().parents[2] / "docs"
RESULTS = "results.csv"
TITLES = {
    SMALL: "Shipped model on BC5CDR",
    "ncbi-disease-test": "Shipped model on NCBI-disease",
    "biored-dev": "Shipped model on BioRED",
    BASE: "BERT-base size, no gold, on BC5CDR",
    CASCADE: "Cascade with a model of BERT-base size, on BC5CDR",
    CASCADE_MANY: "The same cascade, 32 texts at a time",
}
CONDITIONS = ("corpus", "split", "documents", "timed_documents", "device", "threads", "torch", "commit")


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
        """What the report is about."""
        return TITLES.get(self.folder.name) or f"{self.about.get('model', self.folder.name)} on {self.corpus}"

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
            return "This report does not name its weights."
        if digest.startswith(known[0]):
            return ""
        return "This report measured another model than this page runs: its figures do not apply here."

    @cached_property
    def opening(self) -> Opening:
        """The report's conclusions and rows."""
        return Opening.of(read_tables(self.folder, "results", "intervals", "errors"))


def find_reports(folder: Path = REPORTS) -> dict[str, ReportFolder]:
    """The reports in a folder, by name: its subfolders with a ``results.csv``."""
    return {path.parent.name: ReportFolder(path.parent) for path in sorted(folder.glob(f"*/{RESULTS}"))}


def own_report(engine: Engine, folder: Path = REPORTS) -> ReportFolder | None:
    """The first report, by name, on the engine's weights; None if there is none."""
    return next((one for one in find_reports(folder).values() if not one.other_weights(engine.digest)), None)
