"""What a report found, for a reader in a hurry: a few sentences and at most six rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eval.render.files import IntervalRow, ResultRow, reference_row
from eval.render.html import Table
from eval.render.markdown import code
from eval.render.numbers import NOT_SIGNIFICANT, SPEED_ONLY, brackets, pp, speedup
from eval.schema import BASELINE, HF, RANDOM, TRUNCATE

WITHIN = 0.3  # pp of F1 that may be lost, as at the operating point ``balanced``
COMPARABLE = 1.0  # pp of F1 that a baseline may lose to be worth beating


@dataclass(frozen=True)
class Opening:
    """The rows of ``results.csv`` and ``intervals.csv``; choices are made at the smallest batch size."""

    rows: Sequence[ResultRow]
    intervals: Sequence[IntervalRow]

    @property
    def sizes(self) -> list[int]:
        """Batch sizes, ascending."""
        return sorted({row["batch_size"] for row in self.rows})

    @property
    def _first(self) -> list[ResultRow]:
        """The rows at the smallest batch size, the fastest first."""
        size = self.sizes[0]
        return sorted((row for row in self.rows if row["batch_size"] == size), key=lambda row: -row["speedup_vs_dense"])

    @property
    def _dense(self) -> ResultRow:
        return reference_row(self.rows)

    def _interval(self, name: str, against: str, size: int | None = None) -> IntervalRow | None:
        key = name, against, size or self.sizes[0]
        found = (i for i in self.intervals if (i["label"], i["against_label"], i["batch_size"]) == key)
        return next(found, None)

    def against_dense(self, name: str, size: int | None = None) -> IntervalRow:
        """A variant, by its label, against dense; at the smallest batch size unless another is given."""
        found = self._interval(name, self._dense["label"], size)
        assert found is not None, "every variant is compared with dense"
        return found

    @property
    def near(self) -> list[ResultRow]:
        """Strategies that prune, lose at most ``WITHIN`` and are significantly faster than dense, the fastest first."""
        return [row for row in self._first if row["prunes"] and self._is_near(row)]

    def _is_near(self, row: ResultRow) -> bool:
        interval = self.against_dense(row["label"])
        faster = interval["speedup_significant"] and interval["speedup"] > 1
        return faster and interval["difference"] * 100 >= -WITHIN

    def is_certain(self, row: ResultRow) -> bool:
        """Whether a variant loses at most ``WITHIN`` with 95 % confidence."""
        return self.against_dense(row["label"])["low"] * 100 >= -WITHIN

    @property
    def recommended(self) -> ResultRow | None:
        """The fastest of `near` that is certain; if none is, the fastest of `near`."""
        return next(filter(self.is_certain, self.near), next(iter(self.near), None))

    @property
    def _shown(self) -> ResultRow | None:
        """The recommended strategy, else the fastest that prunes."""
        return self.recommended or next((row for row in self._first if row["prunes"]), None)

    def _truncation(self, row: ResultRow) -> ResultRow | None:
        """The depth of ``truncate`` whose F1 is nearest."""
        depths = (one for one in self._first if (one["kind"], one["dtype"]) == (TRUNCATE, row["dtype"]))
        return min(depths, key=lambda one: abs(one["f1"] - row["f1"]), default=None)

    def _baseline(self) -> ResultRow | None:
        """The fastest with comparable F1, which excludes random weights (F1 is NaN)."""
        return next((row for row in self._first if row["kind"] in (BASELINE, HF) and self._is_comparable(row)), None)

    def _is_comparable(self, row: ResultRow) -> bool:
        return self.against_dense(row["label"])["difference"] * 100 >= -COMPARABLE

    def sentences(self) -> list[str]:
        """At most five, as Markdown, about strategies that prune."""
        size, shown = self.sizes[0], self._shown
        if all(math.isnan(i["speedup_low"]) for i in self.intervals if i["batch_size"] == size):
            return [f"Nothing can be concluded on speed: too few batches of {size} were timed for intervals."]
        if shown is None:
            return ["No strategy that prunes ran."]
        name = shown["label"]
        first, *larger = ((one, self.against_dense(name, one)["speedup"]) for one in self.sizes)
        speeds = [f"{first[1]:.2f}× as fast as {code(self._dense['label'])} at batch size {first[0]}"]
        speeds += [f"{speed:.2f}× at batch size {one}" for one, speed in larger]
        found = [f"{code(name)} is {_and(speeds)}.", self._loss(self.against_dense(name)), self._why(shown)]
        beaten = (
            (self._baseline(), f"the fastest baseline that loses at most {COMPARABLE:g} pp"),
            (self._truncation(shown), "where every word exits at one layer"),
        )
        compared = ((self._interval(name, other["label"]), role) for other, role in beaten if other)
        if said := [_compared(interval, role) for interval, role in compared if interval]:
            found.append(f"It is {_and(said)}.")
        if faster := self._faster_than(name):
            found.append(f"Significantly faster than it: {_and(faster)}.")
        return found

    def _loss(self, against: IntervalRow) -> str:
        f1 = f"Its F1 is {against['f1']:.4f}, that of dense {self._dense['f1']:.4f}"
        words = "a significant difference" if against["significant"] else "no significant difference"
        near, certain = (100 * against[name] >= -WITHIN for name in ("difference", "low"))
        doubt = "" if certain or not near else f"; a loss of more than {WITHIN} pp cannot be ruled out"
        return f"{f1}: {_pp(against)}, {words}{doubt}."

    def _why(self, shown: ResultRow) -> str:
        """Why this strategy is shown, and what is faster at a higher risk."""
        if not self.near:
            return f"It is the fastest strategy; none that is faster than dense loses at most {WITHIN} pp of F1."
        fastest = self.near[0]
        if not self.is_certain(shown):
            return f"It is the fastest strategy that lost at most {WITHIN} pp of F1; none does so with 95 % confidence."
        why = f"It is the fastest strategy that loses at most {WITHIN} pp of F1 with 95 % confidence"
        if fastest is shown:
            return f"{why}."
        risk = self.against_dense(fastest["label"])
        return f"{why}; {code(fastest['label'])} is faster, {risk['speedup']:.2f}×, but may lose more: {_pp(risk)}."

    def _faster_than(self, name: str) -> list[str]:
        """Variants that a strategy must beat but that are significantly faster, fastest first."""
        found = []
        for row in self._first:
            interval = self._interval(name, row["label"])
            if interval and interval["speedup_significant"] and interval["speedup"] < 1 and row["kind"] != RANDOM:
                f1 = SPEED_ONLY if math.isnan(row["f1"]) else f"at F1 {row['f1']:.4f}"
                found.append(f"{code(row['label'])} by {1 / interval['speedup']:.2f}×, {f1}")
        return found

    def table(self) -> Table:
        """Dense, the strategy of `sentences`, and what it must beat."""
        shown, dense = self._shown, self._dense
        roles: list[tuple[str, ResultRow | None]] = [("reference", dense)]
        if shown:
            role = f"loses at most {WITHIN} pp" if self.near else "fastest strategy"
            roles.append((f"{role} with 95 % confidence" if self.near and self.is_certain(shown) else role, shown))
            faster = next(iter(self.near), shown)
            roles.append(("faster, at a higher risk", None if faster is shown else faster))
            roles.append(("every word exits at one layer", self._truncation(shown)))
            own = shown["strategy"], shown["dtype"]
            replayed = (row for row in self._first if (row["replays"], row["dtype"]) == own)
            roles.append(("as many words, chosen at random", next(replayed, None)))
        roles.append((f"fastest baseline within {COMPARABLE:g} pp", self._baseline()))
        cells = []
        for role, row in roles:
            if row is not None:
                intervals = [self.against_dense(row["label"], size) for size in self.sizes]
                speeds = [speedup(interval) for interval in intervals]
                cells.append([role, row["label"], f"{row['f1']:.4f}", pp(intervals[0]), *speeds])
        heads = [f"speed-up, batch {size} [95 %]" for size in self.sizes]
        return Table(["", "strategy", "F1", "against dense, pp [95 %]", *heads], cells)


def _compared(interval: IntervalRow, role: str) -> str:
    unclear = "" if interval["speedup_significant"] else f" {NOT_SIGNIFICANT}"
    name, f1 = code(interval["against_label"]), _pp(interval)
    if not interval["significant"]:
        words = f"with no significant difference in F1 ({f1})"
    else:
        words = f"and {'more' if interval['difference'] > 0 else 'less'} accurate ({f1})"
    return f"{interval['speedup']:.2f}×{unclear} as fast as {name}, {role}, {words}"


def _pp(interval: IntervalRow) -> str:
    low, high = (interval[end] * 100 for end in ("low", "high"))
    return f"{interval['difference'] * 100:+.2f} pp {brackets(low, high, '+.2f', 'documents')}"


def _and(parts: Iterable[str]) -> str:
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last
