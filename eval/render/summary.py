"""What a report says first: one headline, and a table of at most six rows.

Speed is a multiple of the reference's: the Hugging Face pipeline or, where that was not measured, the full network in
float32. Losses of F1 are against the full network in float32, decoded alike.
"""

import math
from collections.abc import Iterable, Sequence

from eval import schema
from eval.render.folder import ReportFolder
from eval.render.pages import Table
from eval.render.text import bound, f1, per_call, score, speedup
from eval.schema import Row

DEFAULTS = ("cascade:balanced", "entropy:balanced")  # in reports of 0.4.0, which do not name the default strategy
RUNTIMES = ("onnx-int8", "openvino-int8", "onnx-float32")  # baselines that run the same model and remove nothing
SAME_F1 = 0.001  # F1 by which a cut may be below a strategy and still count as its equal
RUNTIME_LOSS = 0.01  # F1 that a runtime may lose and still be worth beating
LEAST_DOCUMENTS, LEAST_F1 = 30, 0.5  # what a headline takes: documents, and F1 of the full network
ROWS, ROWS_OF_A_PAGE = 6, 5  # most rows of the table in a report, and in README and model cards


def reference(report: ReportFolder) -> Row:
    """The variant whose speed is 1."""
    return next((row for row in report.variants if row["variant"] == schema.PIPELINE), report.dense)


def default(report: ReportFolder) -> Row | None:
    """The default strategy in the dtype in which it is fastest; None if the report lacks it, or it prunes nothing."""
    names = (report.about[schema.DEFAULT_STRATEGY],) if schema.DEFAULT_STRATEGY in report.about else DEFAULTS
    return next((row for name in names for row in _strategies(report) if _title(row) == name), None)


def main_strategy(report: ReportFolder) -> Row | None:
    """The default or, if the report lacks it, the fastest strategy; None if none that prunes was measured."""
    return default(report) or next(iter(_strategies(report)), None)


def headline(report: ReportFolder) -> str:
    """What `main_strategy` gains and loses; else why nothing can be said."""
    row = main_strategy(report)
    if row is None:
        return "No strategy that prunes was measured."
    if row["documents"] < LEAST_DOCUMENTS:
        return f"{row['documents']} documents are too few to conclude from; measure {LEAST_DOCUMENTS} or more."
    if report.dense["f1"] < LEAST_F1:
        return (
            f"F1 of the full network is {f1(report.dense['f1'])}, too low to conclude from: check that the corpus "
            "annotates the types that the model finds."
        )
    other = reference(report)
    speeds = [report.comparisons[row["variant"], other["variant"], size] for size in report.sizes]
    if any(math.isnan(speed["speedup_low"]) for speed in speeds):
        return "Too few batches were timed to conclude on speed."
    is_pipeline, is_int8 = other["variant"] == schema.PIPELINE, row["dtype"] == "int8"
    faster = " / ".join(f"{speed['speedup']:.1f}×" for speed in speeds)
    than = "the Hugging Face pipeline" if is_pipeline else "the full network in float32"
    texts = f"{' / '.join(map(str, report.sizes))} text{'s' * (report.sizes != [1])} a call"
    how = "asking the large model only in doubt" if row["kind"] == schema.CASCADE else "early exit"
    costs = " and 8 bits cost" if is_int8 else " costs"
    lost = math.ceil(report.against_dense(row["variant"])["loss_bound"] * 1000 - 1e-9) / 10  # points, rounded up
    said = f"{faster} as fast as {than} ({texts}), F1 {f1(row['f1'])} against {f1(other['f1'])}"
    most = f"at most {lost:.1f} points" if lost > 0 else "no F1"
    said += f"; {'with the same decoding, ' * is_pipeline}{how}{costs} {most}."
    busy = report.about.get(schema.BUSY)
    return f"{said} Do not trust the times: {busy}." if busy else said


def summary_rows(report: ReportFolder) -> list[tuple[str, Row]]:
    """What decides, by plain names: pipeline, fastest full network, best cut, the strategy and its other points."""
    pairs = [("Hugging Face pipeline", other) for other in report.variants if other["variant"] == schema.PIPELINE]
    full = [other for other in report.variants if other["variant"] in RUNTIMES or other["kind"] == schema.DENSE]
    right = [other for other in full if report.against_dense(other["variant"])["difference"] >= -RUNTIME_LOSS]
    pairs.append(("fastest runtime, nothing removed", _by_speed(right)[0]))
    row = main_strategy(report)
    if row is None:
        return pairs
    cuts = [
        other for other in report.variants if f"{schema.TRUNCATE}-" in other["variant"] and "@" not in other["variant"]
    ]
    if cuts:
        equal = [other for other in cuts if other["f1"] >= row["f1"] - SAME_F1]
        cut = _by_speed(equal)[0] if equal else max(cuts, key=lambda other: other["f1"])
        pairs.append((f"network cut at layer {_title(cut).rpartition('-')[2]}", cut))
    name = "cascade" if row["kind"] == schema.CASCADE else "early exit"
    which = "default" if default(report) else row["point"] or _title(row)
    kind, _, _ = _title(row).partition(":")
    others = [other for other in _strategies(report) if other["point"] and _title(other) == f"{kind}:{other['point']}"]
    others = [other for other in others if other["dtype"] == row["dtype"] and other is not row]
    return [*pairs, (f"{name} ({which})", row), *((f"{name} ({other['point']})", other) for other in others)][:ROWS]


def table(report: ReportFolder) -> Table:
    """The rows that decide, with intervals, for the report."""
    by = reference(report)["variant"]
    heads = ["", "variant", "F1", "loses at most, pp", *(f"× {by}, {size} a call [95 %]" for size in report.sizes)]
    rows = []
    for name, row in summary_rows(report):
        speeds = [speedup(report.comparisons[row["variant"], by, size]) for size in report.sizes]
        rows.append([name, row["variant"], score(row["f1"]), bound(report.against_dense(row["variant"])), *speeds])
    return Table(heads, rows)


def figures(reports: Sequence[ReportFolder]) -> Table:
    """At most five rows without intervals, for README and cards: those of a report, and the cascade of each other."""
    first, *others = reports
    pairs = [(first, *pair) for pair in summary_rows(first)[: ROWS_OF_A_PAGE - len(others)]]
    for other in others:
        row = main_strategy(other)
        cascades = [(name.partition(" (")[0], shown) for name, shown in summary_rows(other) if shown is row]
        pairs += [(other, f"{name}, against its large model's pipeline", shown) for name, shown in cascades]
    than = "the pipeline" if reference(first)["variant"] == schema.PIPELINE else "the full network"
    heads = ["", "F1", *(f"times {than}, {per_call(size)}" for size in first.sizes)]
    rows = []
    for report, name, row in pairs:
        by = reference(report)["variant"]
        speeds = [report.comparisons[row["variant"], by, size]["speedup"] for size in report.sizes]
        rows.append([name, f1(row["f1"]), *(f"{speed:.1f}" for speed in speeds)])
    return Table(heads, rows)


def _strategies(report: ReportFolder) -> list[Row]:
    """The strategies that prune, the fastest first."""
    return _by_speed(row for row in report.variants if row["prunes"])


def _by_speed(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: -row["speedup_vs_dense"])


def _title(row: Row) -> str:
    """The name of a variant without its dtype."""
    return str(row["variant"].removesuffix(f" ({row['dtype']})"))
