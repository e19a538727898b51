"""A report's opening: a few sentences and five rows, from the numbers and their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from eval.render.files import IntervalRow, ResultRow, reference, reference_row
from eval.render.markdown import escape, table
from eval.render.numbers import SPEED_ONLY, points, speedup, verdict
from eval.schema import BASELINE, HF, RANDOM, TRUNCATE

WITHIN = 0.3  # points of F1 that may be lost, as at the operating point ``balanced``
COMPARABLE = 1.0  # points of F1 that a baseline may lose to be worth beating


@dataclass(frozen=True)
class Opening:
    """What a reader in a hurry needs, from the rows of ``results.csv`` and ``intervals.csv``.

    Choices are made at the smallest batch size.
    """

    rows: Sequence[ResultRow]
    intervals: Sequence[IntervalRow]

    @property
    def sizes(self) -> list[int]:
        """Batch sizes, ascending."""
        return sorted({row["batch_size"] for row in self.rows})

    @property
    def _first(self) -> list[ResultRow]:
        return [row for row in self.rows if row["batch_size"] == self.sizes[0]]

    @property
    def _dense(self) -> str:
        return reference(self.rows)

    def _interval(self, name: str, against: str, size: int | None = None) -> IntervalRow | None:
        key = name, against, size or self.sizes[0]
        found = (i for i in self.intervals if (i["label"], i["against_label"], i["batch_size"]) == key)
        return next(found, None)

    def against_dense(self, name: str, size: int | None = None) -> IntervalRow:
        """A variant, by its label, against dense; at the smallest batch size unless another is given."""
        found = self._interval(name, self._dense, size)
        assert found is not None, "every variant is compared with dense"
        return found

    @property
    def near(self) -> list[ResultRow]:
        """Strategies that prune, lose at most ``WITHIN`` and are significantly faster than dense, the fastest first."""
        return [row for row in self._all_near if row["prunes"]]

    @property
    def _all_near(self) -> list[ResultRow]:
        found = [row for row in self._first if self._is_near(self.against_dense(row["label"]))]
        return sorted(found, key=lambda row: -row["speedup_vs_dense"])

    @property
    def fastest(self) -> ResultRow | None:
        """The fastest of `near`."""
        return next(iter(self.near), None)

    @staticmethod
    def _is_near(interval: IntervalRow) -> bool:
        faster = interval["speedup_significant"] and interval["speedup"] > 1
        return faster and interval["difference"] * 100 >= -WITHIN

    def _truncation(self, row: ResultRow) -> ResultRow | None:
        """The depth of ``truncate`` whose F1 is nearest."""
        depths = (one for one in self._first if (one["kind"], one["dtype"]) == (TRUNCATE, row["dtype"]))
        return min(depths, key=lambda one: abs(one["f1"] - row["f1"]), default=None)

    def _fastest_baseline(self) -> ResultRow | None:
        """The fastest with comparable F1, which excludes random weights (F1 is NaN)."""
        comparable = (
            row
            for row in self._first
            if row["kind"] in (BASELINE, HF) and self.against_dense(row["label"])["difference"] * 100 >= -COMPARABLE
        )
        return max(comparable, key=lambda row: row["speedup_vs_dense"], default=None)

    def sentences(self) -> list[str]:
        """At most four, about strategies that prune, not dense in another dtype."""
        size = self.sizes[0]
        if all(math.isnan(i["speedup_low"]) for i in self.intervals if i["batch_size"] == size):
            return [f"Nothing can be concluded on speed: too few batches of {size} were timed for intervals."]
        if not any(row["prunes"] for row in self._first):
            return ["No strategy that prunes ran."]
        if self.fastest is None:
            dense = [f"`{row['label']}` ({row['speedup_vs_dense']:.2f}×)" for row in self._all_near]
            without = f"; without pruning, {_and(dense)} {'are' if len(dense) > 1 else 'is'}" if dense else ""
            return [
                f"At batch size {size}, no pruning strategy within {WITHIN} points of dense F1 is significantly faster"
                f"{without}."
            ]
        name = self.fastest["label"]
        first, *larger = (self.against_dense(name, size) for size in self.sizes)
        speeds = [f"{first['speedup']:.2f}×"]
        speeds += [f"{one['speedup']:.2f}× at batch size {one['batch_size']}" for one in larger]
        found = [
            f"At batch size {size}, `{name}` is the fastest pruning strategy within {WITHIN} points of dense F1: "
            f"{_and(speeds)}."
        ]
        low, high = first["low"] * 100, first["high"] * 100
        interval_text = f"95 % interval {low:+.2f} to {high:+.2f}, {'' if first['significant'] else 'not '}significant"
        if math.isnan(low):
            interval_text = "too few documents for an interval"
        doubt = "" if low >= -WITHIN else f"; a loss of more than {WITHIN} points cannot be ruled out"
        found.append(
            f"Its F1 differs from that of dense by {first['difference'] * 100:+.2f} points ({interval_text}){doubt}."
        )
        truncated, baseline = self._truncation(self.fastest), self._fastest_baseline()
        others = [
            (truncated, "`{}` (every word exits at one layer)"),
            (baseline, f"`{{}}` (the fastest baseline within {COMPARABLE:g} point)"),
        ]
        compared: dict[str, list[str]] = {}
        for other, text in others:
            interval = self._interval(name, other["label"]) if other else None
            if other and interval:
                compared.setdefault(verdict(interval), []).append(text.format(other["label"]))
        if compared:
            verdicts = [f"against {_and(of)} it is {words}" for words, of in compared.items()]
            found.append(f"At batch size {size}, {'; '.join(verdicts)}.")
        if faster := self._faster_than(name):
            found.append(f"Significantly faster than it at batch size {size}: {_and(faster)}.")
        return found

    def _faster_than(self, name: str) -> list[str]:
        """Variants that a strategy must beat but that are significantly faster, fastest first."""
        found = []
        for row in sorted(self._first, key=lambda row: -row["speedup_vs_dense"]):
            interval = self._interval(name, row["label"])
            if interval and interval["speedup_significant"] and interval["speedup"] < 1 and row["kind"] != RANDOM:
                f1 = SPEED_ONLY if math.isnan(row["f1"]) else f"at F1 {row['f1']:.4f}"
                found.append(f"`{row['label']}` by {1 / interval['speedup']:.2f}×, {f1}")
        return found

    def table(self) -> str:
        """Dense, the fastest strategy, and what it must beat: at most five rows."""
        roles: list[tuple[str, ResultRow | None]] = [("reference", reference_row(self._first))]
        chosen, role = self.fastest, f"fastest pruning strategy within {WITHIN} points"
        if chosen is None:
            pruning = (row for row in self._first if row["prunes"])
            chosen, role = (
                max(pruning, key=lambda row: row["speedup_vs_dense"], default=None),
                "fastest pruning strategy",
            )
        if chosen:
            own = chosen["strategy"], chosen["dtype"]
            replayed = (row for row in self._first if (row["replays"], row["dtype"]) == own)
            roles.append((role, chosen))
            roles.append(("every word exits at one layer", self._truncation(chosen)))
            roles.append(("as many words, chosen at random", next(replayed, None)))
        roles.append((f"fastest baseline within {COMPARABLE:g} point", self._fastest_baseline()))
        cells = []
        for role, row in roles:
            if row is not None:
                intervals = [self.against_dense(row["label"], size) for size in self.sizes]
                speeds = [speedup(interval) for interval in intervals]
                cells.append([role, escape(row["label"]), f"{row['f1']:.4f}", points(intervals[0]), *speeds])
        heads = [f"speed-up, batch {size} [95 %]" for size in self.sizes]
        return table(["", "strategy", "F1", "F1 against dense, points [95 %]", *heads], cells)


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
