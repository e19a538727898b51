"""The sentence that the page opens with: speed-up and loss, from the report on these weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from demo.results.reports import REPORTS, opening, other_weights, report_names
from engine import Engine
from engine.data.corpora import NAMED
from eval.render.conclusions import WITHIN, Opening
from eval.render.files import ResultRow

_DEVICES = {"cpu": "CPU", "cuda": "GPU"}


@dataclass(frozen=True)
class Headline:
    """What the report says about the fastest strategy whose F1 is certainly close to that of ``dense``.

    If there is none, it is the fastest of those measured to be close.

    ``strategy``: its name in the report, e.g. ``entropy:fast``.
    ``dense``: the name of its reference in the report, e.g. ``dense (float32)``.
    ``speedup``: end-to-end, against ``dense``, one text at a time; ``same_dtype``: against dense in the same dtype.
    ``points``, ``low``, ``high``: its F1 minus that of ``dense``, with the 95 % interval, in points.
    """

    report: str
    strategy: str
    dense: str
    speedup: float
    same_dtype: float | None
    device: str
    corpus: str
    points: float
    low: float
    high: float
    significant: bool

    @property
    def loss(self) -> str:
        """The change in F1, in words and points."""
        words = "a significant difference in F1" if self.significant else "no significant loss of F1"
        doubt = "" if self.low >= -WITHIN else f"; a loss of more than {WITHIN} points cannot be ruled out"
        return f"{words} on {self.corpus}: {self.points:+.2f} points [{self.low:+.2f}, {self.high:+.2f}]{doubt}"


def headline(engine: Engine, folder: Path = REPORTS) -> Headline | None:
    """The headline from the first report, by name, on these weights in this dtype; nothing if there is none."""
    for name in report_names(folder):
        if other_weights(folder / name, engine.digest) is None:
            found = opening(folder / name, engine.dtype)
            if near := found.near:
                sure = (row for row in near if 100 * found.against_dense(row["label"])["low"] >= -WITHIN)
                return _headline(name, next(sure, near[0]), found)
    return None


def _corpus(name: str, split: str) -> str:
    """A corpus as readers know it: its name, or its file's name, and its split unless that is ``test``."""
    shown = name.upper() if name in NAMED else Path(name).name
    return shown if split == "test" else f"{shown} {split}"


def _headline(report: str, row: ResultRow, found: Opening) -> Headline:
    interval, same_dtype = found.against_dense(row["label"]), row["speedup_vs_dense_same_dtype"]
    return Headline(
        report,
        row["label"],
        interval["against_label"],
        row["speedup_vs_dense"],
        None if pd.isna(same_dtype) else same_dtype,
        _DEVICES.get(row["device"].partition(":")[0], row["device"]),
        _corpus(row["corpus"], row["split"]),
        100 * interval["difference"],
        100 * interval["low"],
        100 * interval["high"],
        interval["significant"],
    )
