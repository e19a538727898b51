"""The opening of a report for a reader in a hurry: at most four sentences and nine rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from eval.render.files import IntervalRow, ResultRow, reference_row, rows_of
from eval.render.pages import Table
from eval.render.text import NOT_SIGNIFICANT, code, in_pp, join, plain_speedup, pp, speedup, verdict
from eval.schema import AGAINST_DENSE, BASELINE, EXACT, RANDOM, TRUNCATE

DEFAULT = "entropy:balanced"
DEFAULTS = ("cascade:balanced", DEFAULT)  # the first in the folder of a cascade
PIPELINE, OPENVINO = "hf-pipeline", "openvino-int8"  # what people use today, and a fast runtime without pruning
RUNTIMES = {OPENVINO: "OpenVINO", "onnx-int8": "ONNX Runtime"}  # which is the faster depends on the processor
WITHIN = 0.3  # pp of F1 that a recommended strategy may lose
COMPARABLE = 1.0  # pp of F1 that a baseline may lose and still be worth beating
# A recommendation needs so many documents, and entities in which the strategy differs from dense.
LEAST_DOCUMENTS, LEAST_DIFFERING = 30, 20
MIN_DENSE_F1 = 0.5  # as calibrate asks: without gold entities, or with other types, a strategy has nothing to lose
ABOUT = (
    "Everything is compared with {dense}, which removes nothing: F1 in percentage points (pp), speed as a ratio of "
    f"end-to-end times. Brackets are 95 % intervals; {NOT_SIGNIFICANT} means not significant."
)


@dataclass(frozen=True)
class Opening:
    """The opening of a report, from rows of its files.

    Choices are made at the smallest batch size.
    """

    rows: Sequence[ResultRow]  # of ``results.csv``
    intervals: Sequence[IntervalRow]  # of ``intervals.csv``
    differing: Mapping[str, int]  # by display name, the entities in which a strategy and dense differ

    @classmethod
    def of(cls, tables: Mapping[str, pd.DataFrame]) -> Opening:
        """The opening of a report's tables results, intervals and errors, as `eval.render.files.read_tables` reads."""
        errors = tables["errors"]
        differing = errors[(errors["part"] == AGAINST_DENSE) & (errors["outcome"] != EXACT)]
        counts = differing.groupby("label")["count"].sum()
        found = {str(label): int(count) for label, count in counts.items()}
        return cls(rows_of(tables["results"]), rows_of(tables["intervals"]), found)

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
    def dense(self) -> ResultRow:
        """What everything is compared with."""
        return reference_row(self.rows)

    @property
    def default(self) -> ResultRow | None:
        """The default strategy in the dtype in which it is fastest; None if the report lacks it."""
        for name in DEFAULTS:
            for row in self._fastest_first:
                if row["label"].removesuffix(f" ({row['dtype']})") == name:
                    return row
        return None

    def headline(self) -> str:
        """Speed of the default strategy over the Hugging Face pipeline and a runtime, and its F1 against the former.

        The one sentence on what it gains, the same in README, model card, reports and app: one text at a time; the
        fastest runtime. Empty if the report lacks one of the three, or timed too few texts.
        """
        if (row := self.default) is None:
            return ""
        own = (one for one in self.intervals if one["batch_size"] == row["batch_size"] and one["label"] == row["label"])
        against = {one["against"]: one for one in own}
        runtimes = sorted(RUNTIMES.keys() & against, key=lambda name: against[name]["speedup"])
        if PIPELINE not in against or not runtimes or math.isnan(against[PIPELINE]["speedup_low"]):
            return ""
        pipeline, fastest = against[PIPELINE], runtimes[0]
        change = f"{100 * pipeline['difference']:+.1f}".replace("-", "−")
        faster, loses = f"{pipeline['speedup']:.1f}× as fast", f"F1 {change} pp, {verdict(pipeline)}"
        return (
            f"{faster} as the Hugging Face pipeline on a {row['device'].upper()} ({loses}), and "
            f"{against[fastest]['speedup']:.1f}× as fast as {RUNTIMES[fastest]} in 8 bits"
        )

    def interval(self, label: str, against: str, size: int | None = None) -> IntervalRow | None:
        """Compares two variants, at the smallest batch size unless another is given; None if the report does not."""
        key = label, against, size or self.sizes[0]
        found = (row for row in self.intervals if (row["label"], row["against_label"], row["batch_size"]) == key)
        return next(found, None)

    def against_dense(self, label: str, size: int | None = None) -> IntervalRow:
        """Compares a variant with dense, at the smallest batch size unless another is given."""
        found = self.interval(label, self.dense["label"], size)
        assert found is not None, "every variant is compared with dense"
        return found

    def is_enough(self, row: ResultRow) -> bool:
        """Whether documents, differing entities and the F1 of dense suffice to conclude on a strategy's F1."""
        if self.dense["f1"] < MIN_DENSE_F1:
            return False
        return row["documents"] >= LEAST_DOCUMENTS and self.differing.get(row["label"], 0) >= LEAST_DIFFERING

    @property
    def faster(self) -> list[ResultRow]:
        """Strategies that prune and are significantly faster than dense, the fastest first."""
        pruning = (row for row in self._fastest_first if row["prunes"])
        intervals = ((row, self.against_dense(row["label"])) for row in pruning)
        return [row for row, of in intervals if of["speedup_significant"] and of["speedup"] > 1]

    @property
    def near(self) -> list[ResultRow]:
        """Those of `faster` that lost at most ``WITHIN``, and not significantly."""
        found = ((row, self.against_dense(row["label"])) for row in self.faster if self.is_enough(row))
        return [
            row
            for row, of in found
            if of["difference"] * 100 >= -WITHIN and not (of["significant"] and of["difference"] < 0)
        ]

    def is_certain(self, row: ResultRow) -> bool:
        """Whether a variant loses at most ``WITHIN`` with 95 % confidence."""
        return self.against_dense(row["label"])["low"] * 100 >= -WITHIN

    def is_comparable(self, row: ResultRow) -> bool:
        """Whether a variant loses at most ``COMPARABLE``."""
        return self.against_dense(row["label"])["difference"] * 100 >= -COMPARABLE

    @property
    def recommended(self) -> ResultRow | None:
        """The fastest of `near` that is certain; if none is, the fastest of `near`."""
        return next(filter(self.is_certain, self.near), next(iter(self.near), None))

    @property
    def shown(self) -> ResultRow | None:
        """The default strategy, else the recommended one, else the fastest that prunes."""
        pruning = (row for row in self._fastest_first if row["prunes"])
        return self.default or self.recommended or next(pruning, None)

    def _truncation(self, shown: ResultRow) -> ResultRow | None:
        """The depth of ``truncate`` with the nearest F1."""
        wanted = TRUNCATE, shown["dtype"]
        depths = (row for row in self._fastest_first if (row["kind"], row["dtype"]) == wanted)
        return min(depths, key=lambda row: abs(row["f1"] - shown["f1"]), default=None)

    def _control(self, shown: ResultRow) -> ResultRow | None:
        """The control that replays a strategy."""
        replayed = shown["strategy"], shown["dtype"]
        return next((row for row in self._fastest_first if (row["replays"], row["dtype"]) == replayed), None)

    def baseline(self, *, truncated: bool) -> ResultRow | None:
        """The fastest with comparable F1.

        Truncated baselines need gates, so that only the others can be had without this project.
        """
        for row in self._fastest_first:
            if row["kind"] == BASELINE and self.is_comparable(row) and (TRUNCATE in row["strategy"]) == truncated:
                return row
        return None

    def sentences(self) -> list[str]:
        """At most four sentences in Markdown about the strategy to use, which say what `table` does not."""
        size, shown = self.sizes[0], self.shown
        if shown is None:
            return ["No strategy that prunes ran."]
        if all(math.isnan(row["speedup_low"]) for row in self.intervals if row["batch_size"] == size):
            return [f"Nothing can be concluded on speed: too few batches of {size} were timed for intervals."]
        label = shown["label"]
        found = [self._say_choice(shown)]
        if self.is_enough(shown) and (claim := self.headline()):
            found.insert(0, f"The default is {claim}.")
        beaten = (
            (self.baseline(truncated=False), f"the fastest unpruned baseline that loses at most {COMPARABLE:g} pp"),
            (self._truncation(shown), "where every word exits at the same layer"),
            (self._control(shown), "which chooses as many words at random"),
        )
        comparisons = (self._say_comparison(label, other["label"], role) for other, role in beaten if other)
        if said := list(filter(None, comparisons)):
            found.append(f"{code(label)} is {join(said)}.")
        if faster := self._faster_than(label):
            found.append(f"At batch size {size}, significantly faster than {code(label)}: {join(faster)}.")
        return found

    def _say_choice(self, shown: ResultRow) -> str:
        """Which strategy is recommended, and why, or why none is."""
        if not self.faster:
            return "No strategy is significantly faster than dense."
        if self.dense["f1"] < MIN_DENSE_F1:
            return (
                f"Nothing can be concluded on F1: that of dense is {self.dense['f1']:.3f}, and it takes "
                f"{MIN_DENSE_F1:g}; check that the corpus has annotations, of the types that the model finds."
            )
        if not self.is_enough(shown):
            documents, differing = shown["documents"], self.differing.get(shown["label"], 0)
            return (
                f"This is too little to conclude from: {documents} documents, and {differing} entities in which "
                f"{code(shown['label'])} differs from dense; it takes {LEAST_DOCUMENTS} and {LEAST_DIFFERING}."
            )
        best = self.recommended
        if best is None:
            return (
                f"None is recommended: all that are significantly faster than dense lose more than {WITHIN} pp of F1, "
                "or significantly."
            )
        if best is shown:
            found = f"{code(best['label'])} is recommended"
        else:
            interval = self.against_dense(best["label"])
            found = f"Recommended is {code(best['label'])} ({plain_speedup(interval)}, {in_pp(interval)})"
        if self.is_certain(best):
            return f"{found}: it is the fastest that loses at most {WITHIN} pp of F1 with 95 % confidence."
        return f"{found}: it is the fastest that lost at most {WITHIN} pp of F1, but a larger loss cannot be ruled out."

    def _faster_than(self, label: str) -> list[str]:
        """Variants that a strategy must beat but that are significantly faster, fastest first."""
        found = []
        for row in self._fastest_first:
            interval = self.interval(label, row["label"])
            if interval and interval["speedup_significant"] and interval["speedup"] < 1 and row["kind"] != RANDOM:
                found.append(f"{code(row['label'])} ({1 / interval['speedup']:.2f}× as fast, F1 {row['f1']:.4f})")
        return found

    def _say_comparison(self, label: str, other: str, role: str) -> str:
        """Compares a strategy with another variant; empty if it need not beat that one."""
        interval, *larger = (self.interval(label, other, size) for size in self.sizes)
        if interval is None:
            return ""
        known = (one for one in larger if one and not math.isnan(one["speedup_low"]))
        more = "".join(f" ({plain_speedup(one)} at batch size {one['batch_size']})" for one in known)
        f1 = in_pp(interval)
        if not interval["significant"]:
            accuracy = f"with no significant difference in F1 ({f1})"
        else:
            accuracy = f"and {'more' if interval['difference'] > 0 else 'less'} accurate ({f1})"
        return f"{plain_speedup(interval)} as fast{more} as {code(other)}, {role}, {accuracy}"

    def table(self) -> Table:
        """Dense, the strategies of `sentences`, and what they must beat."""
        shown, best = self.shown, self.recommended
        roles: list[tuple[str, ResultRow | None]] = [("reference", self.dense)]
        if shown:
            sure = (
                "loses at most {} pp with 95 % confidence" if best and self.is_certain(best) else "lost at most {} pp"
            )
            recommended = f"recommended: {sure.format(WITHIN)}"
            role = "the default" if shown is self.default else "fastest strategy"
            roles.append((f"{role}; {recommended}" if shown is best else role, shown))
            roles.append((recommended, None if shown is best else best))
            fastest = next(iter(self.near), None)
            roles.append(("fastest, but may lose more", None if fastest in (shown, best) else fastest))
            roles.append(("every word exits at the same layer", self._truncation(shown)))
            roles.append(("as many words, chosen at random", self._control(shown)))
        full = self.baseline(truncated=False)
        pipeline = next((row for row in self._fastest_first if row["strategy"] == PIPELINE), None)
        roles.append(("Hugging Face pipeline", None if pipeline is full else pipeline))
        roles.append((f"fastest unpruned baseline within {COMPARABLE:g} pp", full))
        roles.append((f"fastest truncated baseline within {COMPARABLE:g} pp", self.baseline(truncated=True)))
        cells = []
        for role, row in roles:
            if row is not None:
                intervals = [self.against_dense(row["label"], size) for size in self.sizes]
                speeds = [speedup(interval) for interval in intervals]
                cells.append([role, row["label"], f"{row['f1']:.4f}", pp(intervals[0]), *speeds])
        heads = [f"speed-up, batch {size} [95 %]" for size in self.sizes]
        about = ABOUT.format(dense=code(self.dense["label"]))
        return Table(["role", "strategy", "F1", "against dense, pp [95 %]", *heads], cells, about)
