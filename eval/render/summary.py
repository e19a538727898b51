"""What a report says first: one headline, and a table of what decides.

Speed is a multiple of the reference's: the Hugging Face pipeline or, where that was not measured, the full network in
float32. Losses of F1 are against the full network in float32, decoded alike.
"""

import math
from collections.abc import Sequence

from eval import schema
from eval.render.folder import ReportFolder
from eval.render.pages import Table
from eval.render.text import bound, f1, per_call, pp, score, speedup
from eval.schema import Row

LIMIT = 0.005  # F1 that is lost at most (95 %, one-sided) by what counts as of equal F1, at home and elsewhere
LEAST_DOCUMENTS, LEAST_F1 = 30, 0.5  # what a headline takes: documents, and F1 of the full network
ROWS = 6  # most rows of the table of a page
RUNTIMES = {"": "our runtime", schema.PIPELINE: "the pipeline"}  # in plain words
RUNTIMES |= {"onnx-float32": "ONNX Runtime, float32", "onnx-int8": "ONNX Runtime", "openvino-int8": "OpenVINO"}


def reference(report: ReportFolder) -> Row:
    """The variant whose speed is 1."""
    return next((row for row in report.variants if row["runtime"] == schema.PIPELINE), report.dense)


def default(report: ReportFolder) -> Row | None:
    """The default strategy in the dtype in which it is fastest; None if the report lacks it, or it prunes nothing."""
    return next((row for row in _strategies(report) if row["default"]), None)


def main_strategy(report: ReportFolder) -> Row | None:
    """The default or, if the report lacks it, the fastest strategy; None if none that prunes was measured."""
    return default(report) or next(iter(_strategies(report)), None)


def loss(report: ReportFolder, row: Row) -> float:
    """What a variant loses at most, at home or, where that was measured, elsewhere: the larger of the two."""
    compared = report.against_dense(row["variant"])
    return float(max(compared[f"{place}loss_bound"] for place in report.places))


def has_equal_f1(report: ReportFolder, row: Row) -> bool:
    """Whether a variant keeps within the limit, the same for strategies, cuts and other models."""
    return loss(report, row) <= LIMIT


def full_passes(report: ReportFolder) -> list[Row]:
    """What runs the whole network on every word, whatever its F1."""
    return [row for row in report.variants if row["kind"] in (schema.DENSE, schema.BASELINE) and not row["layer"]]


def cuts(report: ReportFolder) -> list[Row]:
    """What decides nothing and has fewer layers, the deepest first: networks that are cut, and other models."""
    rows = (row for row in report.variants if row["layer"] or (row["kind"] == schema.MODEL and not row["control"]))
    return sorted(rows, key=lambda row: -row["layer"])


def fastest(report: ReportFolder, rows: Sequence[Row]) -> list[Row]:
    """The fastest of some variants at each batch size; empty if there are none."""

    def speed(row: Row, size: int) -> float:
        return float(report.against_dense(row["variant"], size)["speedup"])

    return [max(rows, key=lambda row: speed(row, size)) for size in report.sizes] if rows else []


def headline(report: ReportFolder) -> str:
    """What the runtime gives, what cuts and `main_strategy` add, and at what cost; else why nothing can be said."""
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
    ours, by = [row] * len(report.sizes), [reference(report)] * len(report.sizes)
    every, whole, equal = cuts(report), fastest(report, full_passes(report)), has_equal_f1(report, row)
    cut = fastest(report, [other for other in every if loss(report, other) <= max(LIMIT, loss(report, row))])
    which = "the fastest of equal F1" if equal else "the fastest that loses no more"
    noun = "cut" if all(other["layer"] for other in cut) else "model"
    than = "the Hugging Face pipeline" if by[0]["kind"] == schema.BASELINE else "the full network in float32"
    how = "cascade" if row["kind"] == schema.CASCADE else "early exit"
    listed = {_names(whole): whole, f"{noun} ({which}: {_names(cut)})": cut, how: ours}
    times = [f"{what} {_times(report, rows, by)}" for what, rows in listed.items() if rows]
    rivals = {"full pass": whole, noun: cut}
    over = [f"{_times(report, ours, rows, 2)} times the {what}" for what, rows in rivals.items() if rows]
    ahead = [pair["batch_size"] for pair in report.speeds(ours, cut) if pair["speedup"] < 1]
    compared = report.against_dense(row["variant"])
    lost = [_points(compared[f"{place}loss_bound"]) + " elsewhere" * bool(place) for place in report.places]
    sentences = [
        f"Times as fast as {than}, {per_call(*report.sizes)}: {'; '.join(times)}, which is {' and '.join(over)}.",
        f"The {noun} is faster with {per_call(*ahead)}." if ahead else "",
        "No cut that was measured loses so little." if every and not cut else "",
        f"F1 {f1(row['f1'])} against the full network's {f1(report.dense['f1'])}: {', '.join(lost)}.",
        "" if equal else f"That is more than our limit, {LIMIT * 100:g} points.",
        f"Do not trust the times: {report.about[schema.BUSY]}." if schema.BUSY in report.about else "",
    ]
    return " ".join(filter(None, sentences))


def decisive_rows(report: ReportFolder) -> list[tuple[str, Row]]:
    """What decides, by plain names: pipeline, fastest full pass, every cut, the strategy and its other points."""
    whole = {row["variant"]: row for row in fastest(report, full_passes(report))}
    pairs = [(_name(row), row) for row in report.variants if row["runtime"] == schema.PIPELINE]
    pairs += [(_name(row), row) for row in (*whole.values(), *cuts(report))]
    if row := main_strategy(report):
        name = "cascade" if row["kind"] == schema.CASCADE else "early exit"
        same = ("kind", "dtype", "recovers")
        others = [other for other in _strategies(report) if other["point"] and all(other[c] == row[c] for c in same)]
        pairs.append((f"{name} ({'default' if row['default'] else row['point'] or row['variant']})", row))
        pairs += [(f"{name} ({other['point']})", other) for other in others if other is not row]
    return pairs


def summary_rows(report: ReportFolder) -> list[tuple[str, Row]]:
    """At most six of them: two cuts, of those after each layer the fastest, and as many points as there is room for."""
    by_layer = {row["layer"]: row["variant"] for row in sorted(cuts(report), key=lambda row: row["speedup_vs_dense"])}
    left_out = {row["variant"] for row in cuts(report)} - set(list(by_layer.values())[-2:])
    return [pair for pair in decisive_rows(report) if pair[1]["variant"] not in left_out][:ROWS]


def table(report: ReportFolder) -> Table:
    """The rows that decide, with intervals, for the report."""
    by = reference(report)["variant"]
    heads = [
        "",
        "variant",
        "F1",
        "loses at most, pp",
        *["elsewhere, pp [95 %]", "at most"] * report.is_scored_elsewhere,
    ]
    heads += ["equal F1", *(f"× {by}, {size} a call [95 %]" for size in report.sizes)]
    rows = []
    for name, row in decisive_rows(report):
        compared = report.against_dense(row["variant"])
        cells = [name, row["variant"], score(row["f1"]), bound(compared)]
        if report.is_scored_elsewhere:
            cells += [pp(compared, "elsewhere_"), bound(compared, "elsewhere_")]
        cells.append("yes" if has_equal_f1(report, row) else "no")
        rows.append([*cells, *(speedup(report.comparisons[row["variant"], by, size]) for size in report.sizes)])
    return Table(heads, rows)


def figures(report: ReportFolder) -> Table:
    """At most six rows without intervals, for README and cards."""
    by = [reference(report)] * len(report.sizes)
    than = "pipeline" if by[0]["runtime"] == schema.PIPELINE else "full network"
    heads = ["", "F1", *["F1 elsewhere"] * report.is_scored_elsewhere]
    heads += [f"speed ({than} = 1), {per_call(size)}" for size in report.sizes]
    rows = []
    for name, row in summary_rows(report):
        speeds = [f"{pair['speedup']:.1f}" for pair in report.speeds([row] * len(by), by)]
        rows.append([name, f1(row["f1"]), *[f1(row["elsewhere_f1"])] * report.is_scored_elsewhere, *speeds])
    return Table(heads, rows)


def _strategies(report: ReportFolder) -> list[Row]:
    """The strategies that prune, the fastest first."""
    return sorted((row for row in report.variants if row["prunes"]), key=lambda row: -row["speedup_vs_dense"])


def _name(row: Row) -> str:
    """A variant that decides nothing, in plain words."""
    if row["kind"] == schema.MODEL:
        return str(row["variant"])
    what = f"first {row['layer']} layers" if row["layer"] else "full network"
    return f"{what} in {RUNTIMES.get(row['runtime'], row['runtime'])}"


def _names(rows: Sequence[Row]) -> str:
    """The variants that are the fastest at each batch size, each named once."""
    return " / ".join(dict.fromkeys(map(_name, rows)))


def _times(report: ReportFolder, rows: Sequence[Row], others: Sequence[Row], decimals: int = 1) -> str:
    """How many times as fast as others some variants are at each batch size: ``1.5 / 2.0``."""
    return " / ".join(f"{pair['speedup']:.{decimals}f}" for pair in report.speeds(rows, others))


def _points(lost: float) -> str:
    """The bound of a loss, rounded up."""
    points = math.ceil(lost * 1000 - 1e-9) / 10
    return f"loses at most {points:.1f} points" if points > 0 else "loses nothing"
