"""Measures how each setting alone changes F1 and cost: ``ablations.csv``. Nothing is timed.

Each sweep changes one setting from the strategy's stored settings (``random`` runs with its first seed).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from engine.data.corpora import Corpus
from engine.inspection.cost import Cost, add
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.recovery import ANY, TRIGGERS
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import BALANCED, DEFAULT, parse, without_recovery
from engine.tagger import Engine
from engine.text.scoring import Counts, count_matches
from eval.measure.controls import RandomExits, RandomRecovery
from eval.measure.environment import conditions
from eval.measure.runner import Plan, batches_logged, evaluate, open_log
from eval.measure.variants import Variant, of_random, of_strategy, recovered
from eval.schema import CONTROLLER, DENSE, LAMBDA, RANDOM, RECOVERY, WEIGHTS, Ablation, columns
from eval.statistics import compare_f1

BATCH = 32
LOG = "ablations"
# The whole range; below −1 few windows reach the minimum exit ratio, so the steps are wider there.
LAMBDAS = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
EXIT_RATIOS = (0.0, 0.1, 0.2, 0.4, 0.8)
KEEP_RATIOS = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
NEIGHBOURS = (0, 1, 2, 4)
LIMITS = (1, 8, 64, 512)

Configured = tuple[Engine, Strategy | RandomExits]


@dataclass(frozen=True)
class Sweep:
    """One setting of a strategy, its default, with which changes are compared, and the settings for each value."""

    setting: str
    base: str
    default: Strategy
    settings: Mapping[str, Strategy | RandomExits]


def sweeps(engine: Engine) -> list[Sweep]:
    """All sweeps that the engine's weights can run.

    ``min_keep_ratio`` is swept at the largest λ, where the floor matters most; a single gate uses the first threshold.
    """
    layers = engine.encoder.num_layers
    bases = [engine.strategy(name) for name in pruning(engine)]
    entropy, rule = engine.strategy("entropy"), engine.strategy("rule")
    largest = rule.with_settings(lambda_=LAMBDAS[-1])
    found = [
        Sweep(LAMBDA, "rule", rule, {f"{value:g}": rule.with_settings(lambda_=value) for value in LAMBDAS}),
        _setting("min_keep_ratio", largest, KEEP_RATIOS),
    ]
    for base in bases:
        needs_network = CONTROLLERS[base.kind].needs_network
        known = engine.network.layers if needs_network and engine.network else range(1, layers)
        gates = dict.fromkeys([base.gates, *((layer,) for layer in known)])
        placed = {" ".join(map(str, at)): base.with_settings(gates=at) for at in gates}
        found.append(Sweep("gates", base.name, base, placed))
        if "neighbours" in base.settings():
            found.append(_setting("neighbours", base, NEIGHBOURS))
        found.append(_setting("context", base, ("drop", "freeze")))
        found.append(_setting("min_exit_ratio", base, EXIT_RATIOS))
    for point in engine.points.get("entropy+recovery") or [None]:
        recovering = engine.strategy("entropy+recovery", point)
        found.append(_recovery(recovering))
    recovering = engine.strategy("entropy+recovery").with_settings(trigger=ANY)
    found.append(_setting("recovery_limit", recovering, LIMITS))
    beside = RandomExits(RANDOM, entropy), engine.strategy(f"truncate-{max(1, layers // 2)}")
    controllers: list[Strategy | RandomExits] = [*bases, *beside]
    found.append(Sweep(CONTROLLER, "entropy", entropy, {one.name: one for one in controllers}))
    return found


def _recovery(recovering: Strategy) -> Sweep:
    """Each trigger, no recovery, and recovery of equally many random words, with the settings of an operating point."""
    own, off = recovering.recovery, without_recovery(recovering)
    assert own is not None, "a strategy with recovery has settings for it"
    values = {"off": off}
    for trigger in (*TRIGGERS, ANY):
        values[trigger] = recovering.with_settings(trigger=trigger)
        chance = RandomRecovery(**vars(replace(own, trigger=trigger)))
        values[f"{trigger}, random words"] = replace(recovering, recovery=chance)
    point = f":{recovering.point}" if recovering.point not in ("", DEFAULT, BALANCED) else ""
    return Sweep(RECOVERY, parse(recovering.name).without_point + point, off, values)


def pruning(engine: Engine) -> list[str]:
    """Strategies that the engine's weights can run and whose controller chooses words, without recovery."""
    return [name for name in engine.runnable if name in CONTROLLERS]


def _setting(name: str, base: Strategy, values: Sequence[Any]) -> Sweep:
    own = base.settings()[name]
    values = values if own in values else sorted((*values, own))
    return Sweep(name, base.name, base, {f"{value}": base.with_settings(**{name: value}) for value in values})


@dataclass(frozen=True)
class Setting:
    """One value of a sweep, and the engine that runs it."""

    sweep: Sweep
    value: str
    strategy: Strategy | RandomExits
    engine: Engine


def settings(engine: Engine, plain: Engine | None) -> list[Setting]:
    """All settings that `ablate` runs.

    Raises:
        InputError: weights that cannot run it, such as those without gates.
    """
    found = [Setting(sweep, *item, engine) for sweep in sweeps(engine) for item in sweep.settings.items()]
    if plain is not None:
        for name in pruning(engine):
            if CONTROLLERS[name].needs_network and plain.network is None:
                continue
            strategy = engine.strategy(name)
            sweep = Sweep(WEIGHTS, name, strategy, {})
            found.append(Setting(sweep, "trained for pruning", strategy, engine))
            found.append(Setting(sweep, "not trained for pruning", plain.strategy(strategy), plain))
    return found


@dataclass(frozen=True)
class Found:
    """The results of one setting in all documents, in order.

    ``keys``: scored entities of each; ``exits``: a mark for each word of each, see `exit_mark`.
    """

    counts: list[Counts] = field(default_factory=list)
    keys: list[set[tuple[int, int, str]]] = field(default_factory=list)
    exits: list[str] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)


def measure(
    corpus: Corpus, runs: Mapping[Configured, Variant], out: Path, conditions: Mapping[str, Any]
) -> dict[Configured, Found]:
    """Runs all settings on a corpus, or what a log in ``out`` lacks of it."""
    plan = Plan(corpus, list(runs.values()), [BATCH], [], traced=True)
    log = open_log(out, LOG, conditions)
    evaluate(plan, log)
    found = {variant.key: Found() for variant in plan.variants}
    for logged in batches_logged(plan, log):
        for key, one in found.items():
            for document, entities in zip(logged.documents, logged.found[key], strict=True):
                one.counts.append(count_matches(document.entities, entities, corpus.types))
                one.keys.append({entity.key for entity in entities if entity.type in corpus.types})
            one.exits.extend(logged.exits[key])
            one.costs.extend(logged.costs[key])
    return {run: found[variant.key] for run, variant in runs.items()}


def ablate(engine: Engine, corpus: Corpus, out: Path, plain: Engine | None = None, seed: int = 0) -> Iterator[Ablation]:
    """The rows of ``ablations.csv``, one for each value of each setting.

    Args:
        engine: with gates.
        corpus: with gold.
        out: a folder, where a run that was cut continues.
        plain: an engine with gates on weights that were not trained for pruning; without it, these are not compared.
        seed: of the bootstrap.
    """
    chosen = settings(engine, plain)
    dense = engine.strategy(DENSE)
    wanted = [(engine, dense), *((one.engine, of) for one in chosen for of in (dense, one.sweep.default, one.strategy))]
    runs: dict[Configured, Variant] = {}
    for on, strategy in wanted:
        if (on, strategy) not in runs:
            made = of_random(on, strategy) if isinstance(strategy, RandomExits) else of_strategy(on, strategy)
            runs[on, strategy] = replace(made, name=str(len(runs)), reseeded=())
    same = {
        **conditions(corpus, [engine]),
        "plain model": plain and plain.fingerprint,
        "settings": [repr(strategy) for _, strategy in runs],
    }
    found = measure(corpus, runs, out, same)
    for setting in chosen:
        default, own = found[engine, setting.sweep.default], found[setting.engine, setting.strategy]
        against_dense = compare_f1([own.counts], [found[setting.engine, dense].counts], seed)
        against_default = compare_f1([own.counts], [default.counts], seed)
        changed = sum(len(one ^ other) for one, other in zip(own.keys, default.keys, strict=True))
        pairs = zip("".join(own.exits), "".join(default.exits), strict=True)
        moved = sum(mark != other for mark, other in pairs)
        cost, of_default = (add(of.costs, engine.encoder.num_layers) for of in (own, default))
        yield {
            "setting": setting.sweep.setting,
            "strategy": setting.sweep.base,
            "value": setting.value,
            "is_default": setting.strategy == setting.sweep.default and setting.engine is engine,
            "weights": Path(setting.engine.source).name,
            **against_dense,
            "dense_f1": Counts.total(found[setting.engine, dense].counts).f1,
            "default_difference": against_default["difference"],
            "default_low": against_default["low"],
            "default_high": against_default["high"],
            "default_significant": against_default["significant"],
            "token_layers_kept": cost.token_layers_kept,
            "theoretical_speedup": cost.theoretical_speedup,
            "recovered_words": sum(map(recovered, own.exits)),
            "changed_predictions": changed,
            "changed_words": moved,
            "effect": bool(changed or moved or cost != of_default),
        }


def write_ablations(engine: Engine, corpus: Corpus, out: Path, plain: Engine | None = None, seed: int = 0) -> None:
    """Writes ``ablations.csv`` to a folder; see `ablate` for the arguments."""
    rows = pd.DataFrame(list(ablate(engine, corpus, out, plain, seed)), columns=list(columns(Ablation)))
    rows.to_csv(out / "ablations.csv", index=False)
