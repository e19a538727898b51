"""Writes the pages of a report from its files: ``report.md`` with its plots, and the metadata of a model card."""

from pathlib import Path
from textwrap import indent

import pandas as pd
from huggingface_hub.utils import yaml_dump

from engine.corpora import sample_title
from engine.corpora.named import NAMED
from eval import schema
from eval.render import plots, summary
from eval.render.folder import ReportFolder, rows_of
from eval.render.pages import Table, page, write_page
from eval.render.text import bound, f1_interval, per_call, pp, score, share, speedup

FIGURE = "f1_vs_latency.png"
MODEL_INDEX = "model-index.yaml"  # figures in the metadata of a model card
# Of our own strategies, by table.
PLOTS = {"exits": plots.plot_exits, "subgroups": plots.plot_groups, "confusion": plots.plot_confusion}


def render_folder(folder: Path) -> str:
    """Writes the pages and plots of a folder's report.

    Returns the notes and the table of results, for the terminal.
    """
    report = ReportFolder(folder)
    names = {row["variant"]: name for name, row in summary.summary_rows(report)}
    by = summary.reference(report)["variant"]
    plot = plots.plot_f1_vs_latency(report.frame("results"), report.frame("intervals"), by, names)
    plots.save_png(plot, folder / FIGURE, 130, 64)
    for name, draw in PLOTS.items():
        if len(drawn := _of_main(report) if name == "confusion" else report.losses(name)):
            plots.save_png(draw(drawn), folder / f"{name}.png")
    text = page(
        "report.md",
        title=f"{sample_title(report.dense['corpus'], report.dense['split'])}: F1 against speed-up",
        notes=report.notes,
        headline=summary.headline(report),
        dense=report.dense,
        mentions=int(report.frame("documents")["gold"].sum()),
        kinds={row["kind"] for row in report.rows},
        seeds=schema.RANDOM_SEEDS,
        against=", ".join(sorted(set(report.losses("subgroups").get("against", ())))),
        training=schema.TRAINING in set(report.frame("subgroups").get("dimension", ())),
        table=summary.table(report),
        reference=by,
        machine=report.about["machine"],
        elsewhere=report.about.get("elsewhere"),
        timed=" / ".join(
            str(timed) for timed in report.frame("results").groupby("batch_size")["timed_documents"].first()
        ),
        sizes=per_call(*report.sizes),
        shown=_of_main(report)["variant"].iloc[0],
        **{section.__name__: section(report) for section in (results, errors, confusion, exits, groups, cost)},
        about=Table(["fact", "value"], [fact for fact in report.about.items() if fact[0] != "settings"]),
    )
    write_page(folder / "report.md", text)
    write_page(folder / MODEL_INDEX, model_index(report))
    return "\n\n".join([*report.notes, results(report).markdown])


def model_index(report: ReportFolder) -> str:
    """The F1 of the default strategy, or of dense if the report lacks it, as an entry of a list in YAML.

    It is a result under ``model-index`` in the metadata of a model card, which the hub shows.
    """
    row = summary.default(report) or report.dense
    named = NAMED.get(row["corpus"])
    identifier, name = (named and named.hub) or (row["corpus"], row["corpus"])
    about = f"of exact entities, {row['variant']}, {row['dtype']}"
    metrics = [
        {"type": metric, "value": round(row[metric], 4), "name": f"{metric} {about}"}
        for metric in ("f1", "precision", "recall")
    ]
    task = {"type": "token-classification", "name": "Named entity recognition"}
    dataset = {"name": name, "type": identifier, "split": row["split"]}
    return indent(str(yaml_dump([{"task": task, "dataset": dataset, "metrics": metrics}])), "  ")


def results(report: ReportFolder) -> Table:
    """F1 and speed of every variant."""
    rows = []
    for row in report.variants:
        against = [report.against_dense(row["variant"], size) for size in report.sizes]
        scores = [score(row["f1"]), pp(against[0]), bound(against[0]), score(row["f1_seqeval"])]
        if report.is_scored_elsewhere:
            scores += [pp(against[0], "elsewhere_"), bound(against[0], "elsewhere_")]
        rows.append([row["variant"], *scores, *map(speedup, against)])
    speeds = [f"× {report.dense['variant']}, {size} a call [95 %]" for size in report.sizes]
    further = ["elsewhere, pp [95 %]", "loses at most, pp"] * report.is_scored_elsewhere
    heads = ["variant", "F1", "against dense, pp [95 %]", "loses at most, pp", "F1 seqeval", *further, *speeds]
    return Table(heads, rows)


def errors(report: ReportFolder) -> Table:
    """The errors that pruning caused and fixed."""
    table, rows = report.frame("errors"), []
    for variant, changes in table[table["part"].isin(schema.REASONS)].groupby("variant", sort=False):
        cells: list[object] = [variant]
        for part, reasons in schema.REASONS.items():
            counts = changes[changes["part"] == part].groupby("how")["count"].sum()
            cells += [counts.sum(), ", ".join(f"{counts[reason]} {reason}" for reason in reasons if counts[reason])]
        rows.append(cells)
    return Table(["variant", schema.CAUSED, "how", schema.FIXED, "how"], rows)


def confusion(report: ReportFolder) -> Table:
    """What became of the mentions of each type, and predictions of it that are none, under the main strategy."""
    table, rows = _of_main(report), []
    for type_ in table["gold"].unique():
        gold = table[table["gold"] == type_].set_index("predicted")["count"]
        spurious = table.loc[(table["gold"] == schema.NO_PARTNER) & (table["predicted"] == type_), "count"].sum()
        if type_ != schema.NO_PARTNER:
            other = gold.sum() - gold[type_] - gold[schema.NO_PARTNER]
            rows.append([type_, gold.sum(), gold[type_], other, gold[schema.NO_PARTNER], spurious])
    return Table(["type", "mentions", "found", "found as another type", "missed", "spurious predictions"], rows)


def _of_main(report: ReportFolder) -> pd.DataFrame:
    """The confusions of the main strategy or, if none was measured, of dense."""
    table, row = report.frame("confusion"), summary.main_strategy(report) or report.dense
    return table[table["variant"] == row["variant"]]


def exits(report: ReportFolder) -> Table:
    """Counts the words that exit, and the entity words among them that are wrong."""
    rows = []
    for variant, table in report.frame("exits").groupby("variant", sort=False):
        entities = table[table["gold"] != "O"]
        words = entities.drop_duplicates("gold")["words"].sum()
        outside = table.loc[table["gold"] == "O", "share_exited"].sum()
        totals = entities[["exited", "wrong_at_gate", "dense_right"]].sum()
        within = totals["exited"] / words if words else float("nan")
        rows.append([variant, share(outside), share(within), totals["wrong_at_gate"], totals["dense_right"]])
    heads = ["variant", "outside exited", "entity words exited", "exited, wrong label", "wrong here, right in dense"]
    return Table(heads, rows)


def groups(report: ReportFolder) -> Table:
    """F1 against dense in every group of mentions."""
    table, rows = report.frame("subgroups"), []
    names = list(map(str, report.losses("subgroups")["variant"].unique()))
    for group, variants in table.groupby(["dimension", "group"], sort=False) if len(table) else ():
        by_variant = {row["variant"]: row for row in rows_of(variants)}
        dense = by_variant[report.dense["variant"]]
        differences = [pp(by_variant[name]) for name in names]
        rows.append([*group, dense["support"], f1_interval(dense), score(dense["recall"]), *differences])
    return Table(["by", "group", "mentions", "dense F1 [95 %]", "dense recall", *names], rows)


def cost(report: ReportFolder) -> Table:
    """Computation of our own strategies."""
    rows = []
    for row in report.variants:
        if row["gmacs_per_document"] > 0:  # NaN where it is unknown
            macs = f"{row['gmacs_per_document']:.4g}", f"{row['theoretical_speedup']:.2f}×"
            kept = share(row["token_layers_kept"]), share(row["read_by_large"])
            rows.append([row["variant"], *macs, *kept])
    heads = ["variant", "10⁹ MACs", "theoretical speed-up", "token-layers kept"]
    if any(row["kind"] == schema.CASCADE for row in report.rows):
        heads.append("words read by the large model")
    return Table(heads, [cells[: len(heads)] for cells in rows])
