"""What a report says first: what its strategy gains, by what, and loses; its baselines; and a table of roles.

Speed has one reference here, the Hugging Face pipeline, or dense where a report lacks that; F1 is compared with dense
in float32.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

from engine.corpora.named import NAMED
from eval import schema
from eval.render.folder import ReportFolder, rows_of
from eval.render.pages import Table
from eval.render.text import TOO_FEW, bound, escape, join, pp, ratio, score, speedup
from eval.schema import Row

DEFAULTS = ("cascade:balanced", "entropy:balanced")  # in reports of 0.4.0, which do not name the default strategy
RUNTIMES = ("onnx-int8", "openvino-int8", "onnx-float32")  # baselines that run the same model and remove nothing
LARGEST_LOSS, LARGEST_OF_TYPE = 0.5, 1.0  # pp of F1 that a default may lose, of all types and of one
LEAST_MENTIONS = 500  # of a type whose loss is told
SAME_F1 = 0.1  # pp of F1 by which an alternative may be below a strategy and still count as its equal
RUNTIME_LOSS = 1.0  # pp of F1 that a runtime may lose and still be worth beating
# What a conclusion takes: documents, entities in which the strategy differs from dense, and F1 of dense, because
# without gold entities, or with other types, there is nothing to lose.
LEAST_DOCUMENTS, LEAST_DIFFERING, LEAST_F1 = 30, 20, 0.5
READING = (
    "Speed is end to end, as a multiple of `{reference}`'s in this run, and F1 is compared with `{dense}`, which "
    "removes nothing. *Loses at most*: the one-sided 95 % bound of the loss; brackets are 95 % intervals. *The "
    "default* is the strategy that runs if none is named. {machine}, {threads} threads."
)
CUT_ROLE, OTHER_ROLE = "just stop at a layer", "another network without exits"  # roles of static baselines
FAST_CUT_ROLE = "the fastest cut, whatever its F1"
BEST, OF_TYPE = f"fastest that loses at most {LARGEST_LOSS} pp", f", {LARGEST_OF_TYPE:g} pp of a type"


def reference(report: ReportFolder) -> str:
    """The variant whose speed is 1."""
    names = [row["variant"] for row in report.variants]
    return schema.PIPELINE if schema.PIPELINE in names else report.dense["variant"]


def default(report: ReportFolder) -> Row | None:
    """The default strategy in the dtype in which it is fastest; None if the report lacks it, or it prunes nothing."""
    names = (report.about[schema.DEFAULT_STRATEGY],) if schema.DEFAULT_STRATEGY in report.about else DEFAULTS
    return next((row for name in names for row in _strategies(report) if _title(row) == name), None)


def _title(row: Row) -> str:
    """The name of a variant without its dtype."""
    return str(row["variant"].removesuffix(f" ({row['dtype']})"))


def recommended(report: ReportFolder) -> Row | None:
    """The fastest strategy that is faster than dense and loses no more than a default may; None if there is none."""
    for row in _strategies(report):
        faster = report.against_dense(row["variant"])["speedup_low"] > 1
        if faster and all(lost <= limit for _, lost, limit in losses(report, row)) and not lacking(report, row):
            return row
    return None


def shown(report: ReportFolder) -> Row | None:
    """The strategy that the summary is about; None if none that prunes was measured."""
    return default(report) or recommended(report) or next(iter(_strategies(report)), None)


def _strategies(report: ReportFolder) -> list[Row]:
    """The strategies that prune, the fastest first."""
    return sorted((row for row in report.variants if row["prunes"]), key=lambda row: -row["speedup_vs_dense"])


def losses(report: ReportFolder, row: Row) -> list[tuple[str, float, float]]:
    """What a strategy loses at most, and a default may lose, in pp: over all types (``""``), and of frequent ones."""
    bounds = [("", report.against_dense(row["variant"])["loss_bound"] * 100, LARGEST_LOSS)]
    groups = report.frame("subgroups")
    groups = groups[groups["variant"] == row["variant"]]
    types = rows_of(groups[groups["dimension"] == "type"]) if len(groups) else []  # none in a corpus without mentions
    for group in types if len(types) > 1 else ():
        if group["support"] >= LEAST_MENTIONS and not math.isnan(group["loss_bound"]):
            bounds.append((group["group"], group["loss_bound"] * 100, LARGEST_OF_TYPE))
    return bounds


def lacking(report: ReportFolder, row: Row) -> str:
    """What the data lack to conclude on the F1 of a strategy; empty if they suffice."""
    errors = report.frame("errors")
    own = (errors[["variant", "part"]] == [row["variant"], schema.AGAINST_DENSE]).all(axis=1)
    differing = int(errors.loc[own & (errors["outcome"] != schema.EXACT), "count"].sum())
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
    rows = [row for row in report.variants if row["variant"] in RUNTIMES]
    return _fastest(row for row in rows if report.against_dense(row["variant"])["difference"] * -100 <= RUNTIME_LOSS)


def _fastest(rows: Iterable[Row]) -> Row | None:
    return max(rows, key=lambda row: row["speedup_vs_dense"], default=None)


def static_baselines(report: ReportFolder, row: Row) -> list[tuple[str, Row]]:
    """The networks that decide nothing about words and compare best with a strategy, with their roles, the best first.

    Of cuts, and of other models that are faster than our full pass, it is the fastest, in any runtime, that equals the
    strategy in F1 or, where none does, the one whose F1 is highest.
    """
    full = full_pass(report, row)["speedup_vs_dense"]
    others = [one for one in _others(report, row) if one["speedup_vs_dense"] > full]
    pairs = []
    for role, rows in ((CUT_ROLE, _cuts(report)), (OTHER_ROLE, others)):
        if rows:
            equal = [one for one in rows if is_equal(one, row)]
            measure = "speedup_vs_dense" if equal else "f1"
            pairs.append((role, max(equal or rows, key=lambda one: one[measure])))
    return sorted(pairs, key=lambda pair: (not is_equal(pair[1], row), -pair[1]["speedup_vs_dense"]))


def _cuts(report: ReportFolder) -> list[Row]:
    """The network cut after a layer, in our runtime or another."""
    return [one for one in report.variants if f"{schema.TRUNCATE}-" in one["variant"] and "@" not in one["variant"]]


def _others(report: ReportFolder, strategy: Row) -> list[Row]:
    """Other models that remove nothing, in our runtime or another; none beside a cascade, whose parts they are."""
    if strategy["kind"] == schema.CASCADE:
        return []
    exits = [name for name, settings in report.about.get("settings", {}).items() if "strategy" in settings]
    models = [row for row in report.variants if row["kind"] == schema.MODEL and row["variant"] not in exits]
    return models + [row for row in report.variants if row["kind"] == schema.BASELINE and "@" in row["variant"]]


def is_equal(row: Row, strategy: Row) -> bool:
    """Whether the F1 of a variant is no more than `SAME_F1` below that of a strategy."""
    return bool((strategy["f1"] - row["f1"]) * 100 <= SAME_F1)


def headline(report: ReportFolder, *, brief: bool = False) -> str:
    """What the strategy gains, by what, and loses, one text at a time; else why nothing can be said.

    ``brief``: without the factors of the gain, the names of variants and the losses of single types.
    """
    row = shown(report)
    if row is None:
        return "No strategy that prunes was measured."
    if lack := lacking(report, row):
        return f"Too little to conclude from: {lack}."
    against = report.interval(row["variant"], reference(report))
    if against is None or math.isnan(against["speedup_low"]):
        return "Nothing can be concluded on speed: too few batches were timed."
    name = "the Hugging Face pipeline" if against["against"] == schema.PIPELINE else "its own full pass in float32"
    faster = f"Tagging on a {row['device'].upper()} is {against['speedup']:.1f}× as fast as {name}"
    if len(report.sizes) > 1:
        faster += ", one text at a time" if report.sizes[0] == 1 else f", {report.sizes[0]} texts a call"
    texts = "PubMed abstracts" if row["corpus"] in NAMED else f"documents of {row['corpus']}"
    lost = _lost(losses(report, row), by_type=not brief)
    sentences = [faster if brief else faster + _parts(report, row), *_over_static(report, row, named=not brief)]
    sentences.append(f"On {row['documents']} {texts}, F1 loses {lost}")
    for one in report.variants if row["kind"] == schema.CASCADE else ():
        if one["kind"] == schema.MODEL and (over := report.interval(one["variant"], reference(report))):
            change = pp(report.against_dense(one["variant"]), unit=" pp")
            alone = f"A model alone ({one['variant']}) is {over['speedup']:.1f}× as fast"
            sentences.append(f"{alone}, with a difference of F1 of {change}")
    return ". ".join(sentences) + "."


def _parts(report: ReportFolder, row: Row) -> str:
    """Which factor of the speed is the runtime's, and which the strategy's."""
    full = full_pass(report, row)
    by_runtime = report.interval(full["variant"], reference(report))
    by_exits = report.interval(row["variant"], full["variant"])
    if full["variant"] == reference(report) or by_runtime is None or by_exits is None:
        return ""
    dtype = {"float32": "", "int8": "8 bits"}.get(row["dtype"], row["dtype"])
    what = " and ".join(filter(None, ["the runtime" * (reference(report) == schema.PIPELINE), dtype]))
    end = _end(report, row)
    how = f"exits, the last after layer {end}" if end else "exits"
    if row["kind"] == schema.CASCADE:
        how = "asking the large model only in doubt"
    factors = [(by_runtime, what), (by_exits, how)]
    if cut := _last_cut(report, row):
        by_end = report.interval(cut["variant"], full["variant"])
        by_leaving = report.interval(row["variant"], cut["variant"])
        if by_end and by_leaving:
            factors[1:] = [(by_end, f"ending after layer {end}"), (by_leaving, "words that leave before")]
    return ": " + join(f"{interval['speedup']:.1f}× by {cause}" for interval, cause in factors)


def _end(report: ReportFolder, row: Row) -> int:
    """The layer after which all words have left; 0 if some go through all layers."""
    cost = report.frame("cost")
    own = cost[(cost["variant"] == row["variant"]) & (cost["measure"] == schema.TOKEN_LAYERS)]
    layers = own.drop_duplicates("group")["value"] > 0  # old reports have them for each batch size
    return 0 if layers.all() else int(layers.sum())


def _last_cut(report: ReportFolder, row: Row) -> Row | None:
    """The cut in our runtime and the same dtype where the pass of a strategy ends; None if it was not measured."""
    cut = f"{schema.TRUNCATE}-{_end(report, row)}"
    return next((one for one in report.variants if one["dtype"] == row["dtype"] and _title(one) == cut), None)


def full_pass(report: ReportFolder, row: Row) -> Row:
    """Our dense in the dtype of a variant, or that in float32."""
    own = (one for one in report.variants if (one["kind"], one["dtype"]) == (schema.DENSE, row["dtype"]))
    return next(own, report.dense)


def _over_static(report: ReportFolder, row: Row, *, named: bool) -> Iterator[str]:
    for role, other in static_baselines(report, row)[:1]:
        if over := report.interval(row["variant"], other["variant"]):
            what, name = "just stopping at a layer" if role == CUT_ROLE else role, f" ({other['variant']})" * named
            yield f"It is {over['speedup']:.2f}× as fast as {what}{name}, and its F1 differs by {pp(over, unit=' pp')}"


def _lost(bounds: Sequence[tuple[str, float, float]], *, by_type: bool) -> str:
    """What a strategy loses, as `losses` bounds it."""
    (_, lost, _), *of_types = bounds
    if math.isnan(lost):
        return "an unknown amount: too few documents to bound it"
    said = f"at most {max(lost, 0):.2f} pp (95 %, one-sided)"
    if of_types and by_type:
        said += f", {join(f'{max(bound, 0):.2f} on {name}' for name, bound, _ in of_types)}"
    over = [f"{limit:g} pp" + f" on {name}" * bool(name) for name, bound, limit in bounds if bound > limit]
    return said + (f"; above the limit{'s' * (len(over) > 1)} for a default: {join(over)}" if over else "")


def baselines(report: ReportFolder) -> str:
    """How many times as fast the strategy is as everything that it is compared with; empty if nothing was measured."""
    row = shown(report)
    if row is None:
        return ""
    factors = []
    for role, other in _roles(report):
        found = (report.interval(row["variant"], other["variant"], size) for size in report.sizes)
        intervals = [one for one in found if one]
        over = [TOO_FEW if math.isnan(one["speedup_low"]) else ratio(one["speedup"]) for one in intervals]
        if other["variant"] != row["variant"] and len(over) == len(report.sizes):
            live = ", which the app with this model measures on your text" * (other is full_pass(report, row))
            f1 = f", F1 {pp(intervals[0], unit=' pp')}" * (role == FAST_CUT_ROLE)
            factors.append(f"{role} ({other['variant']}{live}) {' / '.join(over)}{f1}")
    sizes = " / ".join(map(str, report.sizes))
    said = f"Speed over each baseline, {sizes} text{'s' * (report.sizes != [1])} a call: {'; '.join(factors)}."
    lacks = [role for role in (CUT_ROLE, OTHER_ROLE) if role not in dict(static_baselines(report, row))]
    return f"{said} Not measured: {join(lacks)}." if lacks else said


def _roles(report: ReportFolder) -> list[tuple[str, Row]]:
    """What each row is for: what people use today, our strategies, and what these must beat."""
    rows, best, row = report.variants, recommended(report), shown(report)
    pairs = [("Hugging Face pipeline", one) for one in rows if one["variant"] == schema.PIPELINE]
    pairs.append(("our full pass, with which F1 is compared", report.dense))
    if row and (own := full_pass(report, row)) is not report.dense:
        pairs.append((f"our full pass in {'8 bits' if own['dtype'] == 'int8' else own['dtype']}", own))
    if fastest := runtime(report):
        pairs.append(("fastest measured runtime that removes nothing", fastest))
    if row is None:
        return pairs
    role = "the default" if row is default(report) else "the fastest strategy"
    role_of_best = BEST + OF_TYPE * (best is not None and len(losses(report, best)) > 1)
    pairs.append((f"{role}; {role_of_best}" if row is best else role, row))
    if best and row is not best:
        pairs.append((role_of_best, best))
    static = static_baselines(report, row)
    pairs += [(role if is_equal(one, row) else f"{role}, at a lower F1", one) for role, one in static]
    cut, full = _fastest(_cuts(report)), full_pass(report, row)["speedup_vs_dense"]
    further = (
        ("stop where its last gate is", _last_cut(report, row)),
        (FAST_CUT_ROLE, cut if cut and not is_equal(cut, row) else None),
        ("another model, nothing removed", _fastest(o for o in _others(report, row) if o["speedup_vs_dense"] <= full)),
    )
    pairs += [(role, one) for role, one in further if one and one not in dict(pairs).values()]
    controls = [one for one in rows if one["kind"] == schema.RANDOM and one["replays"] == row["variant"]]
    pairs += [("as many words, chosen at random", one) for one in controls]
    if row["kind"] == schema.CASCADE:
        pairs += [("a model alone", one) for one in rows if one["kind"] == schema.MODEL]
    return pairs


def roles(report: ReportFolder) -> Table:
    """The figures of every row that has a role."""
    speeds = [f"× {reference(report)}, {size} text{'s' * (size > 1)} a call [95 %]" for size in report.sizes]
    heads = ["", "variant", "F1", "against dense, pp [95 %]", "loses at most, pp", *speeds]
    about = READING.format(
        reference=reference(report),
        dense=report.dense["variant"],
        machine=escape(report.about["machine"].replace("(R)", "").replace(" Processor", "")),
        threads=report.dense["threads"],
    )
    rows, last = [], report.sizes[-1]
    for role, row in _roles(report):
        name, dense = row["variant"], report.against_dense(row["variant"])
        against = [report.interval(name, reference(report), size) for size in report.sizes]
        speeds = [speedup(interval) if interval else "" for interval in against]
        per_second = 1000 * row["timed_documents"] / report.times(name, last).sum()
        rows.append([role, name, score(row["f1"]), pp(dense), bound(dense), *speeds, f"{per_second:.0f}"])
    return Table([*heads, f"texts a second, {last} a call"], rows, about)
