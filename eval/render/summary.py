"""What a report says first: one sentence on what its strategy gains and loses, and a table of roles.

Speed has one reference here, the Hugging Face pipeline, or dense where a report lacks that; the difference of F1 is
that from dense.
"""

import math

from engine.formats.named import NAMED
from eval.render.folder import ReportFolder
from eval.render.pages import Table
from eval.render.text import NOT_SIGNIFICANT, escape, in_pp, pp, score, speedup
from eval.schema import AGAINST_DENSE, CASCADE, DEFAULT_STRATEGY, DENSE, EXACT, MODEL, PIPELINE, RANDOM, TRUNCATE, Row

DEFAULTS = ("cascade:balanced", "entropy:balanced")  # in reports of 0.4.0, which do not name the default strategy
RUNTIMES = {  # baselines that run the same model and remove nothing
    "onnx-int8": "8-bit ONNX Runtime",
    "openvino-int8": "8-bit OpenVINO",
    "onnx-float32": "float32 ONNX Runtime",
}
EXIT_REASON = "Easy words leave the network early"
CASCADE_REASON = "A small model reads every text, and the large one only what the small one doubts"
LARGEST_LOSS = 0.5  # pp of F1: no loss is called unmeasurable while the interval allows a larger one
COMPARABLE = 1.0  # pp of F1 that a runtime may lose and still be worth beating
# What a conclusion takes: documents, entities in which the strategy differs from dense, and F1 of dense, because
# without gold entities, or with other types, there is nothing to lose.
LEAST_DOCUMENTS, LEAST_DIFFERING, LEAST_F1 = 30, 20, 0.5
ROLES_READING = (
    "Speed is end to end, as a multiple of `{reference}`'s in this run; F1 is compared with `{dense}`, which removes "
    f"nothing. Brackets are 95 % intervals; {NOT_SIGNIFICANT}: not significant. *The default* is the strategy that "
    "runs if none is named. *No measurable loss*: the interval reaches zero and excludes a loss above "
    f"{LARGEST_LOSS} pp."
    "{alternative} {machine}, {threads} threads."
)


def reference(report: ReportFolder) -> str:
    """The variant whose speed is 1."""
    names = [row["variant"] for row in report.variants]
    return PIPELINE if PIPELINE in names else report.dense["variant"]


def default(report: ReportFolder) -> Row | None:
    """The default strategy in the dtype in which it is fastest; None if the report lacks it, or it prunes nothing."""
    rows = [(row["variant"].removesuffix(f" ({row['dtype']})"), row) for row in _fastest_first(report, prunes=True)]
    defaults = (report.about[DEFAULT_STRATEGY],) if DEFAULT_STRATEGY in report.about else DEFAULTS
    return next((row for default in defaults for name, row in rows if name == default), None)


def _fastest_first(report: ReportFolder, *, prunes: bool = False) -> list[Row]:
    """All variants, or with ``prunes`` strategies that prune."""
    rows = [row for row in report.variants if row["prunes"] or not prunes]
    return sorted(rows, key=lambda row: -row["speedup_vs_dense"])


def recommended(report: ReportFolder) -> Row | None:
    """The fastest strategy that is faster than dense without a measurable loss; None if the data show none."""
    for row in _fastest_first(report, prunes=True):
        interval = report.against_dense(row["variant"])
        if interval["speedup_low"] > 1 and loses_nothing(interval) and not lacking(report, row):
            return row
    return None


def loses_nothing(interval: Row) -> bool:
    """Whether a strategy loses no measurable F1: not significantly, and certainly less than ``LARGEST_LOSS``."""
    return interval["high"] >= 0 and interval["low"] * 100 >= -LARGEST_LOSS


def lacking(report: ReportFolder, row: Row) -> str:
    """What the data lack to conclude on the F1 of a strategy; empty if they suffice."""
    errors = report.table("errors")
    own = (errors["variant"] == row["variant"]) & (errors["part"] == AGAINST_DENSE) & (errors["outcome"] != EXACT)
    differing = int(errors.loc[own, "count"].sum())
    if report.dense["f1"] < LEAST_F1:
        return (
            f"F1 of dense is {report.dense['f1']:.3f}, and it takes {LEAST_F1}: check that the corpus has annotations "
            "of the types that the model finds"
        )
    if row["documents"] < LEAST_DOCUMENTS or differing < LEAST_DIFFERING:
        return (
            f"{row['documents']} documents, and {differing} entities in which {row['variant']} differs from dense; it "
            f"takes {LEAST_DOCUMENTS} and {LEAST_DIFFERING}"
        )
    return ""


def runtime(report: ReportFolder) -> Row | None:
    """The fastest runtime that removes nothing and has a comparable F1."""
    for row in _fastest_first(report):
        loss = report.against_dense(row["variant"])["difference"] * -100
        if row["variant"] in RUNTIMES and loss <= COMPARABLE:
            return row
    return None


def headline(report: ReportFolder) -> str:
    """What the default strategy gains and loses, in a sentence, one text at a time; else why nothing can be said."""
    row = default(report) or recommended(report) or next(iter(_fastest_first(report, prunes=True)), None)
    if row is None:
        return "No strategy that prunes was measured."
    if lack := lacking(report, row):
        return f"Too little to conclude from: {lack}."
    against = report.interval(row["variant"], reference(report))
    if against is None or math.isnan(against["speedup_low"]):
        return "Nothing can be concluded on speed: too few batches were timed."
    reason = CASCADE_REASON if row["kind"] == CASCADE else EXIT_REASON
    name = "the Hugging Face pipeline" if against["against"] == PIPELINE else "the same model without exits"
    factor = f"{against['speedup']:.1f}× as fast as {name}"
    if (other := runtime(report)) and (over := report.interval(row["variant"], other["variant"])):
        factor += f" ({over['speedup']:.1f}× as {RUNTIMES[other['variant']]})"
    if len(report.sizes) > 1:
        factor += ", one text at a time" if report.sizes[0] == 1 else f", {report.sizes[0]} texts a call"
    so = "so" if against["speedup_low"] > 1 else "but"
    texts = "PubMed abstracts" if row["corpus"] in NAMED else f"documents of {row['corpus']}"
    loss = f"{_loss(against)} on {row['documents']} {texts}"
    return f"{reason}, {so} tagging on a {row['device'].upper()} is {factor}, {loss}."


def _loss(interval: Row) -> str:
    if loses_nothing(interval):
        return "with no measurable loss"
    if not interval["significant"]:
        return f"with a change of F1 too uncertain to call ({in_pp(interval)})"
    return f"with a change of F1 of {in_pp(interval)}"


def roles(report: ReportFolder) -> Table:
    """What each row is for: what people use today, our strategies, and what these must beat."""
    rows, chosen, best = report.variants, default(report), recommended(report)
    shown = chosen or best or next(iter(_fastest_first(report, prunes=True)), None)
    pairs = [("Hugging Face pipeline", row) for row in rows if row["variant"] == PIPELINE]
    pairs.append(("our full pass, with which F1 is compared", report.dense))
    if shown and shown["dtype"] == "int8":
        pairs += [("our full pass in 8 bits", row) for row in rows if (row["kind"], row["dtype"]) == (DENSE, "int8")]
    alternative = ""
    if fastest := runtime(report):
        pairs.append(("fastest runtime that removes nothing", fastest))
    if shown:
        role = "the default" if shown is chosen else "the fastest strategy"
        pairs.append((f"{role}; fastest with no measurable loss" if shown is best else role, shown))
        if best and shown is not best:
            pairs.append(("fastest with no measurable loss", best))
        depths = [row for row in rows if row["kind"] == TRUNCATE and row["dtype"] == shown["dtype"]]
        depths.sort(key=lambda row: abs(row["f1"] - shown["f1"]))
        for row in depths[:1]:
            pairs.append(("just stop at a layer", row))
            if over := report.interval(shown["variant"], row["variant"]):
                alternative = (
                    f" Against `{row['variant']}`, which just stops at a layer, `{shown['variant']}` is "
                    f"{over['speedup']:.2f}× as fast, with a difference of F1, in pp, of {pp(over)}."
                )
        controls = [row for row in rows if row["kind"] == RANDOM and row["replays"] == shown["variant"]]
        pairs += [("as many words, chosen at random", row) for row in controls]
        if shown["kind"] == CASCADE:
            pairs += [("a model alone", row) for row in rows if row["kind"] == MODEL]
    speeds = [f"× {reference(report)}, {size} text{'s' * (size > 1)} a call [95 %]" for size in report.sizes]
    heads = ["", "variant", "F1", "against dense, pp [95 %]", *speeds, f"texts a second, {report.sizes[-1]} a call"]
    about = ROLES_READING.format(
        reference=reference(report),
        dense=report.dense["variant"],
        machine=escape(report.about["machine"].replace("(R)", "").replace(" Processor", "")),
        threads=report.dense["threads"],
        alternative=alternative,
    )
    return Table(heads, [[role, *_cells(report, row)] for role, row in pairs], about)


def _cells(report: ReportFolder, row: Row) -> list[str]:
    """The figures of a variant."""
    name, last = row["variant"], report.sizes[-1]
    against = [report.interval(name, reference(report), size) for size in report.sizes]
    speeds = [speedup(interval) if interval else "" for interval in against]
    return [name, score(row["f1"]), pp(report.against_dense(name)), *speeds, f"{report.per_second(name, last):.0f}"]
