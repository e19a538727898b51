"""The opening of a report for a reader in a hurry: at most five sentences and seven rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from eval.render.files import IntervalRow, ResultRow, reference_row
from eval.render.pages import Table
from eval.render.text import NOT_SIGNIFICANT, SPEED_ONLY, code, join, pp, pp_brackets, speedup
from eval.schema import BASELINE, RANDOM, TRUNCATE

WITHIN = 0.3  # pp of F1 that a recommended strategy may lose
COMPARABLE = 1.0  # pp of F1 that a baseline may lose and still be worth beating
ABOUT = (
    "Everything is compared with {dense}, which removes nothing: F1 in percentage points (pp), speed as a ratio of "
    f"end-to-end times. Brackets are 95 % intervals; {NOT_SIGNIFICANT} means not significant."
)


@dataclass(frozen=True)
class Opening:
    """The opening of a report, from the rows of ``results.csv`` and ``intervals.csv``.

    Choices are made at the smallest batch size.
    """

    rows: Sequence[ResultRow]
    intervals: Sequence[IntervalRow]

    @property
    def sizes(self) -> list[int]:
        """Batch sizes, ascending."""
        return sorted({row["batch_size"] for row in self.rows})

    @property
    def _fastest_first(self) -> list[ResultRow]:
        """The rows at the smallest batch size, the fastest first."""
        size = self.sizes[0]
        return sorted((row for row in self.rows if row["batch_size"] == size), key=lambda row: -row["speedup_vs_dense"])

    @property
    def _dense(self) -> ResultRow:
        return reference_row(self.rows)

    def interval(self, label: str, against: str, size: int | None = None) -> IntervalRow | None:
        """Compares two variants, at the smallest batch size unless another is given; None if the report does not."""
        key = label, against, size or self.sizes[0]
        found = (row for row in self.intervals if (row["label"], row["against_label"], row["batch_size"]) == key)
        return next(found, None)

    def against_dense(self, label: str, size: int | None = None) -> IntervalRow:
        """Compares a variant with dense, at the smallest batch size unless another is given."""
        found = self.interval(label, self._dense["label"], size)
        assert found is not None, "every variant is compared with dense"
        return found

    @property
    def near(self) -> list[ResultRow]:
        """Strategies that prune, lost at most ``WITHIN`` and are significantly faster than dense, fastest first."""
        found = []
        for row in self._fastest_first:
            interval = self.against_dense(row["label"])
            faster = interval["speedup_significant"] and interval["speedup"] > 1
            if row["prunes"] and faster and interval["difference"] * 100 >= -WITHIN:
                found.append(row)
        return found

    def is_certain(self, row: ResultRow) -> bool:
        """Whether a variant loses at most ``WITHIN`` with 95 % confidence."""
        return self.against_dense(row["label"])["low"] * 100 >= -WITHIN

    def is_comparable(self, row: ResultRow) -> bool:
        """Whether a variant loses at most ``COMPARABLE``; one with random weights, whose F1 is NaN, does not."""
        return self.against_dense(row["label"])["difference"] * 100 >= -COMPARABLE

    @property
    def recommended(self) -> ResultRow | None:
        """The fastest of `near` that is certain; if none is, the fastest of `near`."""
        return next(filter(self.is_certain, self.near), next(iter(self.near), None))

    @property
    def _shown(self) -> ResultRow | None:
        """The recommended strategy, else the fastest that prunes."""
        return self.recommended or next((row for row in self._fastest_first if row["prunes"]), None)

    def _truncation(self, shown: ResultRow) -> ResultRow | None:
        """The depth of ``truncate`` with the nearest F1."""
        wanted = TRUNCATE, shown["dtype"]
        depths = (row for row in self._fastest_first if (row["kind"], row["dtype"]) == wanted)
        return min(depths, key=lambda row: abs(row["f1"] - shown["f1"]), default=None)

    def baseline(self, *, truncated: bool) -> ResultRow | None:
        """The fastest with comparable F1.

        Truncated baselines need gates, so that only the others can be had without this project.
        """
        for row in self._fastest_first:
            if row["kind"] == BASELINE and self.is_comparable(row) and (TRUNCATE in row["strategy"]) == truncated:
                return row
        return None

    def sentences(self) -> list[str]:
        """At most five sentences in Markdown about the strategy to use."""
        size, shown = self.sizes[0], self._shown
        if all(math.isnan(row["speedup_low"]) for row in self.intervals if row["batch_size"] == size):
            return [f"Nothing can be concluded on speed: too few batches of {size} were timed for intervals."]
        if shown is None:
            return ["No strategy that prunes ran."]
        label = shown["label"]
        first, *larger = ((one, self.against_dense(label, one)["speedup"]) for one in self.sizes)
        speeds = [f"{first[1]:.2f}× as fast as {code(self._dense['label'])} at batch size {first[0]}"]
        speeds += [f"{speed:.2f}× at batch size {one}" for one, speed in larger]
        found = [f"{code(label)} is {join(speeds)}.", self._say_loss(shown), self._say_why(shown)]
        beaten = (
            (self.baseline(truncated=False), f"the fastest full-model baseline that loses at most {COMPARABLE:g} pp"),
            (self._truncation(shown), "where every word exits at one layer"),
        )
        comparisons = (self._say_comparison(label, other["label"], role) for other, role in beaten if other)
        if said := list(filter(None, comparisons)):
            found.append(f"It is {join(said)}.")
        if faster := self._faster_than(label):
            found.append(f"At batch size {size}, significantly faster than {code(label)}: {join(faster)}.")
        return found

    def _say_loss(self, shown: ResultRow) -> str:
        interval = self.against_dense(shown["label"])
        verdict = "significant" if interval["significant"] else "not significant"
        is_near = interval["difference"] * 100 >= -WITHIN
        doubt = (
            f"; a loss of more than {WITHIN} pp cannot be ruled out" if is_near and not self.is_certain(shown) else ""
        )
        f1 = f"Its F1 is {interval['f1']:.4f}, against {self._dense['f1']:.4f} for {code(self._dense['label'])}"
        return f"{f1}: {in_pp(interval)}, {verdict}{doubt}."

    def _say_why(self, shown: ResultRow) -> str:
        """Why this strategy is shown, and which is faster at a higher risk."""
        if not self.near:
            return f"It is the fastest strategy; all that are faster than dense lose more than {WITHIN} pp of F1."
        if not self.is_certain(shown):
            return f"It is the fastest strategy that lost at most {WITHIN} pp of F1; none does so with 95 % confidence."
        why = f"It is the fastest strategy that loses at most {WITHIN} pp of F1 with 95 % confidence"
        fastest = self.near[0]
        if fastest is shown:
            return f"{why}."
        risk = self.against_dense(fastest["label"])
        faster = f"{code(fastest['label'])} is faster ({risk['speedup']:.2f}×)"
        return f"{why}; {faster} but may lose more: {in_pp(risk)}."

    def _faster_than(self, label: str) -> list[str]:
        """Variants that a strategy must beat but that are significantly faster, fastest first."""
        found = []
        for row in self._fastest_first:
            interval = self.interval(label, row["label"])
            if interval and interval["speedup_significant"] and interval["speedup"] < 1 and row["kind"] != RANDOM:
                f1 = SPEED_ONLY if math.isnan(row["f1"]) else f"F1 {row['f1']:.4f}"
                found.append(f"{code(row['label'])} ({1 / interval['speedup']:.2f}× as fast, {f1})")
        return found

    def _say_comparison(self, label: str, other: str, role: str) -> str:
        """Compares a strategy with another variant; empty if it need not beat that one."""
        interval, *larger = (self.interval(label, other, size) for size in self.sizes)
        if interval is None:
            return ""
        speeds = [_ratio(interval), *(f"{_ratio(one)} at batch size {one['batch_size']}" for one in larger if one)]
        f1 = in_pp(interval)
        if not interval["significant"]:
            verdict = f"with no significant difference in F1 ({f1})"
        else:
            verdict = f"and {'more' if interval['difference'] > 0 else 'less'} accurate ({f1})"
        return f"{speeds[0]} as fast{''.join(f' ({one})' for one in speeds[1:])} as {code(other)}, {role}, {verdict}"

    def table(self) -> Table:
        """Dense, the strategy of `sentences`, and what it must beat."""
        shown = self._shown
        roles: list[tuple[str, ResultRow | None]] = [("reference", self._dense)]
        if shown:
            if not self.near:
                role = "fastest strategy"
            elif self.is_certain(shown):
                role = f"recommended: loses at most {WITHIN} pp with 95 % confidence"
            else:
                role = f"recommended: lost at most {WITHIN} pp, but may lose more"
            roles.append((role, shown))
            fastest = next(iter(self.near), shown)
            roles.append(("faster, but may lose more", None if fastest is shown else fastest))
            roles.append(("every word exits at one layer", self._truncation(shown)))
            replayed = shown["strategy"], shown["dtype"]
            random = (row for row in self._fastest_first if (row["replays"], row["dtype"]) == replayed)
            roles.append(("as many words, chosen at random", next(random, None)))
        roles.append((f"fastest full-model baseline within {COMPARABLE:g} pp", self.baseline(truncated=False)))
        roles.append((f"fastest truncated baseline within {COMPARABLE:g} pp", self.baseline(truncated=True)))
        cells = []
        for role, row in roles:
            if row is not None:
                intervals = [self.against_dense(row["label"], size) for size in self.sizes]
                speeds = [speedup(interval) for interval in intervals]
                cells.append([role, row["label"], f"{row['f1']:.4f}", pp(intervals[0]), *speeds])
        heads = [f"speed-up, batch {size} [95 %]" for size in self.sizes]
        about = ABOUT.format(dense=code(self._dense["label"]))
        return Table(["role", "strategy", "F1", "against dense, pp [95 %]", *heads], cells, about)


def _ratio(interval: IntervalRow) -> str:
    unclear = not interval["speedup_significant"] and not math.isnan(interval["speedup_low"])
    return f"{interval['speedup']:.2f}×" + (f" {NOT_SIGNIFICANT}" if unclear else "")


def in_pp(interval: IntervalRow) -> str:
    """A difference of F1 with its interval, in a sentence."""
    return f"{interval['difference'] * 100:+.2f} pp {pp_brackets(interval['low'] * 100, interval['high'] * 100)}"
