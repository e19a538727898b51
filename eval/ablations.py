"""Measures how each setting alone changes F1 and cost: ``python -m eval.ablations``. Nothing is timed.

Each setting takes several values while all others stay as stored. A larger λ must lower the share of token-layers, and
every setting must change predictions, cost or where words exit for at least one value. Otherwise the command writes
everything, names the settings that fail and exits with status 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from engine.cli.command import as_command, say
from engine.cli.runs import locked
from engine.formats.corpora import Corpus
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.recovery import ANY, TRIGGERS
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import without_recovery
from engine.tagger import Engine, load_engine
from eval.analysis.tables import count
from eval.measure import environment
from eval.measure.run import evaluate, open_log
from eval.measure.variants import of_strategy
from eval.options import add_inputs, check_types, load_named_corpus
from eval.record import Measured, Plan, read_record
from eval.render.files import read_table, rows_of
from eval.render.pages import Parts, Table, write_pages
from eval.render.text import escape, f1_interval, pp, ratio, share
from eval.schema import DENSE, LAMBDA, RECOVERY, Ablation, columns
from eval.statistics import compare_f1

BATCH = 32  # documents per call
NAME = "ablations"  # of the log, the table and the page
# The whole range. Steps are wider below −1, where few windows reach the minimum exit ratio.
LAMBDAS = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
EXIT_RATIOS = (0.0, 0.1, 0.2, 0.4, 0.8)
KEEP_RATIOS = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
NEIGHBOURS = (0, 1, 2, 4)
RECOVERY_LIMITS = (1, 8, 64, 512)
READING = (
    "One setting varies at a time, and all others stay as stored, with three exceptions: for `min_keep_ratio`, λ of "
    "`rule` is the largest; for `recovery_limit`, the trigger is `any`; all values of *recovery*, *off* included, have "
    "the gates of `entropy+recovery`. Nothing was timed: the theoretical speed-up is dense ÷ own MACs. Changed "
    "predictions are counted against the default."
)


@dataclass(frozen=True)
class AblatedSetting:
    """A setting and the values that it takes."""

    name: str  # of the setting
    strategy: str  # name of the strategy whose setting it is
    default: Strategy  # with which all values are compared
    values: Mapping[str, Strategy]  # by value, as shown


def ablated_settings(engine: Engine) -> list[AblatedSetting]:
    """All settings that the weights support.

    ``min_keep_ratio`` varies at the largest λ, where it matters most; a single gate uses the first threshold.

    Raises:
        InputError: if weights have no gates.
    """

    def vary(name: str, base: Strategy, values: Sequence[Any]) -> AblatedSetting:
        own = base.settings()[name]
        values = values if own in values else sorted((*values, own))
        strategies = {f"{value}": base.with_settings(**{name: value}) for value in values}
        return AblatedSetting(name, base.name, base, strategies)

    layers = engine.sizes.layers
    pruning = [engine.strategy(name) for name in engine.runnable if name in CONTROLLERS]
    rule, recovering = engine.strategy("rule"), engine.strategy("entropy+recovery")
    lambdas = {f"{value:g}": rule.with_settings(lambda_=value) for value in LAMBDAS}
    found = [
        AblatedSetting(LAMBDA, rule.name, rule, lambdas),
        vary("min_keep_ratio", rule.with_settings(lambda_=LAMBDAS[-1]), KEEP_RATIOS),
    ]
    for base in pruning:
        needs_network = CONTROLLERS[base.kind].needs_network
        single = engine.network.layers if needs_network and engine.network else range(1, layers)
        gates = dict.fromkeys([base.gates, *((layer,) for layer in single)])
        strategies = {" ".join(map(str, at)): base.with_settings(gates=at) for at in gates}
        found.append(AblatedSetting("gates", base.name, base, strategies))
        if "neighbours" in base.settings():
            found.append(vary("neighbours", base, NEIGHBOURS))
        found.append(vary("min_exit_ratio", base, EXIT_RATIOS))
    off = without_recovery(recovering)
    triggers = {trigger: recovering.with_settings(trigger=trigger) for trigger in (*TRIGGERS, ANY)}
    found.append(AblatedSetting(RECOVERY, recovering.name, off, {"off": off, **triggers}))
    return [*found, vary("recovery_limit", triggers[ANY], RECOVERY_LIMITS)]


def _measure(engine: Engine, strategies: Sequence[Strategy], corpus: Corpus, out: Path) -> dict[Strategy, Measured]:
    """Runs what a log in ``out`` lacks."""
    taggers = {}
    for number, one in enumerate(strategies):
        tagger = of_strategy(engine, one)
        taggers[one] = replace(tagger, variant=replace(tagger.variant, name=str(number)))
    plan = Plan(corpus, [one.variant for one in taggers.values()], [BATCH], [])
    log = open_log(out, NAME, environment.conditions(corpus, [engine]) | {"settings": list(map(repr, strategies))})
    evaluate(plan, list(taggers.values()), log)
    measured = read_record(plan, log)[BATCH]
    return {one: measured[tagger.variant.key] for one, tagger in taggers.items()}


def ablate(engine: Engine, corpus: Corpus, out: Path) -> None:
    """Writes ``ablations.csv``, a row for each value of each setting; an interrupted run continues from its log."""
    settings, dense = ablated_settings(engine), engine.strategy(DENSE)
    strategies = dict.fromkeys([dense, *(of for one in settings for of in (one.default, *one.values.values()))])
    found = _measure(engine, list(strategies), corpus, out)
    rows = [
        _row(setting, value, found[one], found[setting.default], found[dense], corpus)
        | {"is_default": one == setting.default}
        for setting in settings
        for value, one in setting.values.items()
    ]
    pd.DataFrame(rows, columns=columns(NAME)).to_csv(out / f"{NAME}.csv", index=False)


def _row(
    setting: AblatedSetting, value: str, one: Measured, default: Measured, dense: Measured, corpus: Corpus
) -> dict[str, object]:
    """The measured columns of `eval.schema.Ablation`: one value beside the setting's default and dense."""
    runs, default_runs, dense_runs = (count(measured, corpus).runs for measured in (one, default, dense))
    against_default = compare_f1(runs, default_runs)
    pairs = list(zip(one.rows, default.rows, strict=True))
    keys = ([{entity.key for entity in row.entities if entity.type in corpus.types} for row in pair] for pair in pairs)
    changed = sum(len(own ^ other) for own, other in keys)
    moved = sum(a != b for own, other in pairs for a, b in zip(own.exits, other.exits, strict=True))
    assert one.cost is not None, "our strategies have costs"
    return {
        "setting": setting.name,
        "strategy": setting.strategy,
        "value": value,
        **compare_f1(runs, dense_runs),
        **{f"default_{name}": against_default[name] for name in ("difference", "low", "high", "significant")},
        "token_layers_kept": one.cost.token_layers_kept,
        "theoretical_speedup": one.cost.theoretical_speedup,
        "recovered_words": sum(layer < 0 for row in one.rows for layer in row.exits),
        "changed_predictions": changed,
        "changed_words": moved,
        "effect": bool(changed or moved or one.cost != default.cost),
    }


def failures(ablations: pd.DataFrame) -> list[str]:
    """Sentences on the settings that fail their checks.

    A larger λ must lower the share of token-layers, and at least one value of every setting must have an effect.
    """
    found = []
    for (setting, strategy), of in ablations.groupby(["setting", "strategy"], sort=False):
        changed = of[~of["is_default"]]
        if setting == LAMBDA:
            ordered: list[Ablation] = sorted(rows_of(of), key=lambda row: float(row["value"]))
            found += [
                f"λ of {strategy}: expected fewer token-layers at {after['value']} than at {before['value']}, got "
                f"{after['token_layers_kept']:.5f} after {before['token_layers_kept']:.5f}"
                for before, after in pairwise(ordered)
                if after["token_layers_kept"] >= before["token_layers_kept"]
            ]
        if len(changed) and not changed["effect"].any():
            values = ", ".join(of["value"])
            found.append(
                f"{setting} of {strategy}: expected an effect on predictions, cost or trace, got none ({values})"
            )
    return found


def ablations_parts(ablations: pd.DataFrame) -> Parts:
    """Failures, and every value of every setting."""
    columns = [
        "setting", "strategy", "value", "F1 [95 %]", "against dense, pp [95 %]", "against default, pp [95 %]",
        "token-layers kept", "theoretical speed-up", "recovered words", "predictions changed",
    ]  # fmt: skip
    cells = []
    for row in rows_of(ablations):
        value, difference, changed = f"{row['value']} (default)", "—", "—"
        if not row["is_default"]:
            value, difference = row["value"], pp(row, "default_")
            changed = row["changed_predictions"] if row["effect"] else "no effect"
        figures = f1_interval(row), pp(row), difference
        cost = share(row["token_layers_kept"]), ratio(row["theoretical_speedup"]), row["recovered_words"]
        cells.append([row["setting"], row["strategy"], value, *figures, *cost, changed])
    warnings = [f"> **Failed**: {escape(failure)}" for failure in failures(ablations)]
    return [*warnings, Table(columns, cells, READING)]


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 1 if a setting fails its check, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.ablations", description=__doc__)
    add_inputs(parser, corpus="bc5cdr", split="calib")
    parser.add_argument(
        "--out", type=Path, default=Path("results/ablations"), help="folder for the results (default %(default)s)"
    )
    arguments = parser.parse_args(argv)
    out = arguments.out
    with locked(out):
        engine, corpus = load_engine(arguments.model, "float32"), load_named_corpus(arguments)
        check_types(corpus.types, engine.labels.types)
        ablate(engine, corpus, out)
        table = read_table(out, NAME)
        parts = {"One setting at a time": ablations_parts(table)}
        write_pages(out, NAME, f"Ablations: {corpus.name} {corpus.split}", parts)
    failed = failures(table)
    for failure in failed:
        say(failure)
    print("\n".join(str(out / f"{NAME}.{kind}") for kind in ("csv", "md", "html")))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
