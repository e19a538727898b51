"""Measures how each setting alone changes F1 and cost: ``python -m eval.ablations``. Nothing is timed.

Each setting takes several values while all others stay as stored. A larger λ must lower the share of token-layers, and
every setting must change predictions, cost or where words exit for at least one value. Otherwise the command writes
everything, names the settings that fail and exits with status 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from engine.cli.command import as_command, say
from engine.cli.runs import locked
from engine.pruning.recovery import ANY, TRIGGERS
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import OPERATING_POINTS, without_recovery
from eval.options import add_inputs, check_types, load_named_corpus
from eval.render.folder import read_table, rows_of
from eval.render.pages import Parts, Table, page, write_page
from eval.render.plots import plot_f1_vs_computation, save_png
from eval.render.text import escape, f1_interval, pp, share
from eval.schema import DENSE, TRUNCATE, AblationRow

if TYPE_CHECKING:
    from engine.tagger import Engine
    from eval.record import Measured, Record

BATCH = 32  # documents per call
NAME = "ablations"  # of the table, the page and the figure
POINT, LAYER, GATES, TRIGGER = "point", "layer", "gates", "trigger"
EACH_LAYER = ("each layer",)  # instead of values
OFF, RANDOM_WORDS = "off", "random words"  # values of `TRIGGER`: no recovery, and as many random words as under `ANY`


@dataclass(frozen=True)
class Ablation:
    """A setting of a strategy and the values that it takes, all other settings being as stored, or as ``others``."""

    strategy: str
    setting: str
    values: Sequence[Any]
    others: Mapping[str, Any] = field(default_factory=dict)


LAMBDAS = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)  # steps are wider below −1, where few words want to exit
RECOVERY = (OFF, *TRIGGERS, ANY, RANDOM_WORDS)

ABLATIONS = (
    Ablation(TRUNCATE, LAYER, EACH_LAYER),
    Ablation("rule", POINT, OPERATING_POINTS),
    Ablation("rule", "lambda_", LAMBDAS),
    Ablation("rule", "min_keep_ratio", (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0), {"lambda_": 2.0}),
    Ablation("rule", GATES, EACH_LAYER),
    Ablation("attention", POINT, OPERATING_POINTS),
    Ablation("attention", "lambda_", LAMBDAS),
    Ablation("attention", "focus", (0.0, 0.5, 1.0)),
    Ablation("attention", "received", (0.0, 0.5, 1.0)),
    Ablation("attention", "uncertainty", (0.0, 0.5, 1.0)),
    Ablation("attention+recovery", TRIGGER, RECOVERY),
    Ablation("entropy", POINT, OPERATING_POINTS),
    Ablation("entropy", GATES, EACH_LAYER),
    Ablation("entropy", "neighbours", (0, 1, 2, 4)),
    Ablation("mlp", POINT, OPERATING_POINTS),
    Ablation("mlp", GATES, EACH_LAYER),
    Ablation("mlp", "neighbours", (0, 1, 2, 4)),
    Ablation("entropy+recovery", POINT, OPERATING_POINTS),
    Ablation("entropy+recovery", TRIGGER, RECOVERY),
    Ablation("entropy+recovery", "recovery_limit", (1, 8, 64, 512), {TRIGGER: ANY}),
)
READING = (
    "One setting varies at a time, and all others stay as stored; but `min_keep_ratio` varies at λ = 2, where it "
    "matters most, and `recovery_limit` with the trigger `any`. *Random words*: as many words come back as with the "
    "trigger `any`, chosen at random. Computation is the share of the MACs of `dense`, recovery included; nothing was "
    "timed. Changed predictions are counted against the default."
)


@dataclass(frozen=True)
class Series:
    """An `Ablation` under a model: a strategy for each value, by the value as shown."""

    ablation: Ablation
    strategies: Mapping[str, Strategy]
    default: str  # the value with which all others are compared


def series_of(engine: Engine, ablation: Ablation) -> Series | None:
    """The strategies of an ablation; None if the model or strategy lacks what it varies."""
    from eval.measure.controls import RandomWords

    name, setting, values = ablation.strategy, ablation.setting, ablation.values
    layers: Sequence[int] = range(1, engine.sizes.layers)
    if name == TRUNCATE:
        return Series(ablation, {f"{n}": engine.strategy(f"{name}-{n}") for n in layers}, f"{engine.sizes.layers // 2}")
    if name not in engine.runnable:
        return None
    base = engine.strategy(name, **ablation.others)
    if setting == POINT:
        points = [point for point in values if point in engine.points.get(name, engine.points.get(base.kind, {}))]
        strategies = {point: engine.strategy(f"{name}:{point}") for point in points}
        return Series(ablation, strategies, base.point) if base.point in strategies else None
    if setting == TRIGGER:
        triggers = {value: base.with_settings(trigger=value) for value in (*TRIGGERS, ANY)}
        assert triggers[ANY].recovery is not None
        control = replace(triggers[ANY], recovery=RandomWords(**vars(triggers[ANY].recovery)))
        return Series(ablation, {OFF: without_recovery(base), **triggers, RANDOM_WORDS: control}, OFF)
    if setting not in base.settings():
        return None
    own = base.settings()[setting]
    if values is EACH_LAYER:
        network = engine.folder.networks.get(name)
        values = [(layer,) for layer in (network.layers if network else layers)]
    strategies = {_shown(value): base.with_settings(**{setting: value}) for value in (own, *values)}
    return Series(ablation, dict(sorted(strategies.items(), key=lambda pair: pair[1].settings()[setting])), _shown(own))


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"


def ablate(record: Record, series: Sequence[Series], names: Mapping[Strategy, str]) -> pd.DataFrame:
    """A row for each value of each setting; ``names``: the name of each strategy in the record."""
    dense = record.first[DENSE]
    rows = [{**_row(dense, dense, dense, record), "strategy": DENSE, "setting": "", "value": "", "is_default": True}]
    for one in series:
        default = record.first[names[one.strategies[one.default]]]
        for value, strategy in one.strategies.items():
            about = {"strategy": one.ablation.strategy, "setting": one.ablation.setting, "value": value}
            measured = record.first[names[strategy]]
            rows.append({**about, "is_default": value == one.default, **_row(measured, default, dense, record)})
    return pd.DataFrame(rows, columns=list(AblationRow.__annotations__))


def _row(measured: Measured, default: Measured, dense: Measured, record: Record) -> dict[str, object]:
    """The measured columns of `eval.schema.AblationRow`."""
    from eval.analysis.tables import count
    from eval.statistics import compare_f1

    corpus = record.plan.corpus
    runs, default_runs, dense_runs = (count(one, corpus).runs for one in (measured, default, dense))
    against_default = compare_f1(runs, default_runs)
    pairs = list(zip(measured.rows, default.rows, strict=True))
    keys = ([{entity.key for entity in row.entities if entity.type in corpus.types} for row in pair] for pair in pairs)
    changed = sum(len(own ^ other) for own, other in keys)
    moved = any(own.exits != other.exits for own, other in pairs)
    assert measured.cost is not None, "our strategies have costs"
    return {
        **compare_f1(runs, dense_runs),
        **{f"default_{name}": against_default[name] for name in ("difference", "low", "high", "significant")},
        "token_layers_kept": measured.cost.token_layers_kept,
        "computation": 1 / measured.cost.theoretical_speedup,
        "recovered_words": sum(layer < 0 for row in measured.rows for layer in row.exits),
        "changed_predictions": changed,
        "effect": bool(changed or moved or measured.cost != default.cost),
    }


def failures(ablations: pd.DataFrame) -> list[str]:
    """Sentences on the settings that fail their checks.

    A larger λ must lower the share of token-layers, and at least one value of every setting must have an effect.
    """
    failed = []
    for (strategy, setting), rows in ablations[ablations["strategy"] != DENSE].groupby(
        ["strategy", "setting"], sort=False
    ):
        if setting == "lambda_":
            failed += [
                f"λ of {strategy}: expected fewer token-layers at {after['value']} than at {before['value']}, got "
                f"{after['token_layers_kept']:.5f} after {before['token_layers_kept']:.5f}"
                for before, after in pairwise(rows_of(rows))
                if after["token_layers_kept"] >= before["token_layers_kept"]
            ]
        others = rows[~rows["is_default"]]
        if len(others) and not others["effect"].any():
            values = ", ".join(rows["value"])
            failed.append(
                f"{setting} of {strategy}: expected an effect on predictions, cost or trace, got none ({values})"
            )
    return failed


def render(out: Path, title: str) -> list[str]:
    """Writes the page and the figure of a folder's table; returns the checks that failed."""
    table = read_table(out, NAME, AblationRow)
    failed = failures(table)
    save_png(plot_f1_vs_computation(table), out / f"{NAME}.png", 130, 64)
    heads = [
        "strategy", "setting", "value", "F1 [95 %]", "against dense, pp [95 %]", "against default, pp [95 %]",
        "computation", "token-layers kept", "recovered words", "predictions changed",
    ]  # fmt: skip
    cells = []
    for row in rows_of(table[table["strategy"] != DENSE]):
        value, difference, changed = f"{row['value']} (default)", "—", "—"
        if not row["is_default"]:
            value, difference = row["value"], pp(row, "default_")
            changed = row["changed_predictions"] if row["effect"] else "no effect"
        cost = share(row["computation"]), share(row["token_layers_kept"]), row["recovered_words"]
        cells.append(
            [row["strategy"], row["setting"].rstrip("_"), value, f1_interval(row), pp(row), difference, *cost, changed]
        )
    figure = "F1 against the share of computation"
    parts: dict[str, Parts] = {
        figure: [f"![{figure}]({NAME}.png)"],
        "One setting at a time": [Table(heads, cells, READING)],
    }
    warnings = [f"> **Failed**: {escape(failure)}" for failure in failed]
    write_page(out / f"{NAME}.md", page(title, parts, warnings))
    return failed


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 1 if a setting fails its check, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.ablations", description=__doc__)
    add_inputs(parser, corpus="bc5cdr", split="calib")
    parser.add_argument(
        "--out", type=Path, default=Path("results/ablations"), help="folder for the results (default %(default)s)"
    )
    arguments = parser.parse_args(argv)
    out, corpus = arguments.out, load_named_corpus(arguments)
    say(f"{len(corpus.documents)} documents of {corpus.name}, into {out}; loading the model.")
    with locked(out):
        from engine.tagger import load_engine
        from eval.measure.run import open_log, progress_of, run
        from eval.measure.setup import Setup
        from eval.measure.variants import of_strategy
        from eval.record import Plan, Record

        engine = load_engine(arguments.model, "float32")
        check_types(corpus.types, engine.labels.types)
        engine.strategy("entropy")  # refuses a model without gates
        series = [one for one in (series_of(engine, ablation) for ablation in ABLATIONS) if one]
        names = {engine.strategy(DENSE): DENSE}
        for one in series:
            for value, strategy in one.strategies.items():  # under its first name, if it has several
                names.setdefault(strategy, f"{one.ablation.strategy} {one.ablation.setting} {value}")
        taggers = [of_strategy(engine, strategy) for strategy in names]
        variants = [replace(t.variant, title=name) for t, name in zip(taggers, names.values(), strict=True)]
        setup = Setup([engine], Plan(corpus, variants, [BATCH], []), taggers, [], 0.0)
        record = Record(setup.plan, open_log(out, setup))
        with progress_of(setup, record) as progress:
            run(setup, record, progress)
        ablate(record, series, names).to_csv(out / f"{NAME}.csv", index=False)
        failed = render(out, f"Ablations: {corpus.name} {corpus.split}")
    for failure in failed:
        say(failure)
    progress.finish(f"{len(failed)} of {len(series)} checks failed. The page is {out / NAME}.md.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
