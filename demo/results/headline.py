"""The one sentence that the page opens with: the speed-up and its loss, from the report of these weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from demo.results.reports import REPORTS, other_weights, report_names
from engine import Engine
from eval.render.conclusions import Opening
from eval.render.files import ResultRow, labelled, read_table, records, reference

_DEVICES = {"cpu": "CPU", "cuda": "GPU"}


@dataclass(frozen=True)
class Headline:
    """What the report says of the fastest strategy that stays close to ``dense``.

    ``strategy``: as the report names it, e.g. ``entropy:fast``.
    ``dense``: what it is compared with, as the report names it, e.g. ``dense (float32)``.
    ``speedup``: end-to-end, against ``dense``, one text at a time.
    ``points``, ``low``, ``high``: its F1 minus that of ``dense``, with the 95 % interval, in points.
    """

    report: str
    strategy: str
    dense: str
    speedup: float
    device: str
    corpus: str
    documents: int
    points: float
    low: float
    high: float
    significant: bool

    @property
    def loss(self) -> str:
        """What happens to F1, in words and points."""
        words = "a difference of F1" if self.significant else "no significant loss of F1"
        return f"{words} on {self.corpus}: {self.points:+.2f} points [{self.low:+.2f}, {self.high:+.2f}]"


def headline(engine: Engine, folder: Path = REPORTS) -> Headline | None:
    """From the first report, by name, of these weights in this dtype; nothing if there is none."""
    for name in report_names(folder):
        if other_weights(folder / name, engine.digest) is None:
            results = read_table(folder / name, "results")
            tables = (results, read_table(folder / name, "intervals"))
            rows, intervals = (records(labelled(table, results)) for table in tables)
            dense = reference(rows)
            of_dtype = [row for row in rows if row["dtype"] == engine.dtype or row["label"] == dense]
            opening = Opening(of_dtype, intervals)
            if opening.fastest is not None:
                return _headline(name, opening.fastest, dense, opening)
    return None


def _headline(report: str, row: ResultRow, dense: str, opening: Opening) -> Headline:
    interval = opening.against_dense(row["label"])
    return Headline(
        report,
        row["label"],
        dense,
        row["speedup_vs_dense"],
        _DEVICES.get(row["device"].partition(":")[0], row["device"]),
        row["corpus"].upper(),
        row["documents"],
        100 * interval["difference"],
        100 * interval["low"],
        100 * interval["high"],
        interval["significant"],
    )
