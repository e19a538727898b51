"""What a report measured, one mark per variant and batch size."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from demo.common.reports import ReportFolder
from demo.settings import format_value
from engine.pruning.strategy_names import OLD_NAMES, parse
from eval.render.files import IntervalRow, ResultRow
from eval.render.text import ratio, score, share
from eval.schema import BASELINE, MODEL, RANDOM


@dataclass(frozen=True)
class Mark:
    """A variant at one batch size.

    ``row``: its figures. ``against_dense``: its intervals against dense in the first dtype.
    ``settings``: gates, controller and recovery, in words.
    """

    row: ResultRow
    against_dense: IntervalRow
    settings: str

    @property
    def label(self) -> str:
        """Its name, with the dtype if it ran in several."""
        return self.row["label"]

    @property
    def kind(self) -> str:
        """As in ``results.csv``."""
        return self.row["kind"]

    @property
    def f1(self) -> float | None:
        """F1 against gold, 0–1; None if only speed was measured."""
        return None if math.isnan(self.row["f1"]) else self.row["f1"]

    @property
    def speedup(self) -> float:
        """End-to-end, against dense in the first dtype."""
        return self.row["speedup_vs_dense"]

    @property
    def recovers(self) -> bool:
        """Whether words may come back."""
        return "+recovery" in self.row["strategy"]

    def runnable_as(self, runnable: Collection[str], points: Collection[str]) -> tuple[str, str] | None:
        """The strategy and operating point (empty: none) with which the page can run it; None if it cannot."""
        if self.kind in (BASELINE, MODEL, RANDOM):
            return None
        parts = parse(self.row["strategy"])
        name = self.row["strategy"] if parts.layer else parts.without_point
        point = OLD_NAMES.get(self.row["point"], self.row["point"])
        return (name, point) if name in runnable and (not point or point in points) else None

    def figures(self) -> dict[str, str]:
        """Its measured figures in words, by name."""
        row, against = self.row, self.against_dense
        speedup, dtype, unclear = "speed-up", row["dtype"], "" if against["significant"] else ", not significant"
        figures = {
            "F1": "",
            "F1 against dense": "",
            speedup: ratio(self.speedup) + _interval(against["speedup_low"], against["speedup_high"]),
            f"{speedup} against dense ({dtype})": "",
            f"theoretical {speedup}": ratio(row["theoretical_speedup"]),
            "token-layers kept": share(row["token_layers_kept"]),
            "time per document": f"{row['latency_ms_median'] / row['batch_size']:.1f} ms",
            "dtype": dtype,
            "settings": self.settings,
        }
        if self.f1 is not None:
            figures["F1"] = score(self.f1) + _interval(against["f1_low"], against["f1_high"], ".4f")
            if against["label"] != against["against_label"]:
                change, low, high = (100 * against[name] for name in ("difference", "low", "high"))
                figures["F1 against dense"] = f"{change:+.2f} pp" + _interval(low, high, "+.2f") + unclear
        if row["speedup_vs_dense_same_dtype"] != self.speedup:
            figures[f"{speedup} against dense ({dtype})"] = ratio(row["speedup_vs_dense_same_dtype"])
        return {name: value for name, value in figures.items() if value}


def read_marks(report: ReportFolder) -> list[Mark]:
    """All marks of a report, by increasing speed-up."""
    opening, settings = report.opening(), report.about.get("settings", {})
    marks = [
        Mark(row, opening.against_dense(row["label"], row["batch_size"]), _in_words(settings.get(row["strategy"])))
        for row in opening.rows
    ]
    return sorted(marks, key=lambda mark: mark.speedup)


def _in_words(record: dict[str, Any] | None) -> str:
    """Settings as ``gates 2, 3; max_entropy 0.03, 0.13``; empty if there are no gates."""
    if not record or "gates" not in record:
        return ""
    own = {"gates": record["gates"]} | record.get("controller", {}) | record.get("recovery", {})
    return "; ".join(f"{name} {format_value(value)}" for name, value in own.items() if name != "kind")


def _interval(low: float, high: float, form: str = ".2f") -> str:
    return f" [{low:{form}}, {high:{form}}]" if low < high else ""
