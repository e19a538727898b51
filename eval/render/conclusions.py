"""What a report opens with: three sentences and five rows, from the numbers and their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from eval.render.markdown import escape, table
from eval.render.numbers import pace, points, verdict
from eval.schema import BASELINE, DENSE, HF, TRUNCATE, Interval, Result

WITHIN = 0.3  # points of F1 that may be lost, as at the operating point ``balanced``


@dataclass(frozen=True)
class Opening:
    """What a reader in a hurry needs, from the rows of ``results.csv`` and ``intervals.csv``.

    All is chosen at the smallest batch size.
    """

    rows: Sequence[Result]
    intervals: Sequence[Interval]

    @property
    def sizes(self) -> list[int]:
        """Batch sizes, ascending."""
        return sorted({row["batch_size"] for row in self.rows})

    @property
    def _first(self) -> list[Result]:
        return [row for row in self.rows if row["batch_size"] == self.sizes[0]]

    def _interval(self, name: str, against: str = DENSE, size: int | None = None) -> Interval | None:
        key = name, against, size or self.sizes[0]
        found = (i for i in self.intervals if (i["strategy"], i["against"], i["batch_size"]) == key)
        return next(found, None)

    def _against_dense(self, name: str, size: int | None = None) -> Interval:
        found = self._interval(name, DENSE, size)
        assert found is not None, "every variant is compared with dense"
        return found

    @property
    def fastest(self) -> Result | None:
        """The fastest strategy that prunes, loses at most ``WITHIN`` and is significantly faster than dense."""
        near = [row for row in self._first if row["prunes"] and self._is_near(self._against_dense(row["strategy"]))]
        return max(near, key=lambda row: row["speedup_vs_dense"], default=None)

    @staticmethod
    def _is_near(interval: Interval) -> bool:
        faster = interval["speedup_significant"] and interval["speedup"] > 1
        return faster and interval["difference"] * 100 >= -WITHIN

    def _truncation(self, row: Result) -> Result | None:
        """The depth of ``truncate`` whose F1 is nearest."""
        depths = (one for one in self._first if one["kind"] == TRUNCATE)
        return min(depths, key=lambda one: abs(one["f1"] - row["f1"]), default=None)

    def _fastest_baseline(self) -> Result | None:
        baselines = (row for row in self._first if row["kind"] in (BASELINE, HF))
        return max(baselines, key=lambda row: row["speedup_vs_dense"], default=None)

    def sentences(self) -> list[str]:
        """At most three."""
        size = self.sizes[0]
        if all(math.isnan(i["speedup_low"]) for i in self.intervals if i["batch_size"] == size):
            return [f"Nothing can be concluded on speed: the corpus has too few batches of {size} for intervals."]
        if self.fastest is None:
            return [f"No strategy within {WITHIN} points of dense F1 is significantly faster at batch size {size}."]
        name = self.fastest["strategy"]
        intervals = [self._against_dense(name, size) for size in self.sizes]
        speeds = [f"{one['speedup']:.2f}× at batch size {one['batch_size']}" for one in intervals]
        found = [f"`{name}` is the fastest strategy within {WITHIN} points of dense F1: {_and(speeds)}."]
        first = intervals[0]
        low, high = first["low"] * 100, first["high"] * 100
        interval_text = f"95 % interval {low:+.2f} to {high:+.2f}, {'' if first['significant'] else 'not '}significant"
        doubt = f"; a loss of more than {WITHIN} points cannot be ruled out" if low < -WITHIN else ""
        found.append(
            f"Its F1 differs from that of dense by {first['difference'] * 100:+.2f} points ({interval_text}){doubt}."
        )
        truncated, baseline = self._truncation(self.fastest), self._fastest_baseline()
        others = [(truncated, "`{}` (every word exits there)"), (baseline, "`{}` (the fastest baseline)")]
        compared: dict[str, list[str]] = {}
        for other, text in others:
            interval = self._interval(name, other["strategy"]) if other else None
            if other and interval:
                compared.setdefault(verdict(interval), []).append(text.format(other["strategy"]))
        if compared:
            verdicts = [f"against {_and(of)} it is {words}" for words, of in compared.items()]
            found.append(f"At batch size {size}, {'; '.join(verdicts)}.")
        return found

    def table(self) -> str:
        """Dense, the fastest strategy, and what it must beat: at most five rows."""
        dense = next(row for row in self._first if row["kind"] == DENSE)
        roles: list[tuple[str, Result | None]] = [("reference", dense)]
        chosen, role = self.fastest, f"fastest within {WITHIN} points"
        if chosen is None:
            pruning = (row for row in self._first if row["prunes"])
            chosen, role = max(pruning, key=lambda row: row["speedup_vs_dense"], default=None), "fastest strategy"
        if chosen:
            replayed = (row for row in self._first if row["replays"] == chosen["strategy"])
            roles.append((role, chosen))
            roles.append(("every word exits at one layer", self._truncation(chosen)))
            roles.append(("as many words, chosen at random", next(replayed, None)))
        roles.append(("fastest baseline", self._fastest_baseline()))
        cells = []
        for role, row in roles:
            if row is not None:
                intervals = [self._against_dense(row["strategy"], size) for size in self.sizes]
                speeds = [pace(interval) for interval in intervals]
                cells.append([role, escape(row["strategy"]), f"{row['f1']:.4f}", points(intervals[0]), *speeds])
        heads = [f"speed-up, batch {size} [95 %]" for size in self.sizes]
        return table(["", "strategy", "F1", "F1 against dense, points [95 %]", *heads], cells)


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
