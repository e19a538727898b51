"""Measures how each setting alone changes F1 and cost: ``ablations.csv``. Nothing is timed.

Each sweep changes one setting from the strategy's stored settings (``random`` runs with its first seed).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from engine.data.corpora import Corpus
from engine.inspection.cost import Cost, add
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.recovery import TRIGGERS
from engine.pruning.resolve import without_recovery
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from engine.text.documents import Entity
from engine.text.scoring import Counts, count_matches
from eval.measure.controls import RandomExits
from eval.schema import CONTROLLER, DENSE, LAMBDA, RANDOM, RECOVERY, WEIGHTS, Ablation
from eval.statistics import f1_difference_interval, f1_interval

BATCH = 32
STATES = ("kept", "exited", "recovered")
# The whole range; below −1 few windows reach the minimum exit ratio, so the steps are wider there.
LAMBDAS = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
EXIT_RATIOS = (0.0, 0.1, 0.2, 0.4, 0.8)
KEEP_RATIOS = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
NEIGHBOURS = (0, 1, 2, 4)
LIMITS = (1, 8, 64, 512)


@dataclass(frozen=True)
class Sweep:
    """A setting, its strategy, the default that changes are counted against, and the settings by value."""

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
    recovering = engine.strategy("entropy+recovery")
    triggers = {name: recovering.with_settings(trigger=name) for name in (*TRIGGERS, "any")}
    off = without_recovery(recovering)
    found.append(Sweep(RECOVERY, recovering.name, off, {"off": off} | triggers))
    found.append(_setting("recovery_limit", triggers["any"], LIMITS))
    beside = RandomExits(RANDOM, entropy), engine.strategy(f"truncate-{max(1, layers // 2)}")
    controllers: list[Strategy | RandomExits] = [*bases, *beside]
    found.append(Sweep(CONTROLLER, "entropy", entropy, {one.name: one for one in controllers}))
    return found


def pruning(engine: Engine) -> list[str]:
    """Strategies that the engine's weights can run and whose controller chooses words, without recovery."""
    return [name for name in engine.runnable if name in CONTROLLERS]


def _setting(name: str, base: Strategy, values: Sequence[Any]) -> Sweep:
    own = base.settings()[name]
    values = values if own in values else sorted((*values, own))
    return Sweep(name, base.name, base, {f"{value}": base.with_settings(**{name: value}) for value in values})


@dataclass(frozen=True)
class Outcome:
    """One setting's results on all documents.

    ``places``: per document, where each word left and whether it was recovered, encoded as uint16
    ``(words,)``; ``recovered``: how many words were.
    """

    counts: tuple[Counts, ...]
    found: tuple[frozenset[tuple[int, int, str]], ...]
    places: tuple[np.ndarray, ...]
    recovered: int
    cost: Cost

    @property
    def f1(self) -> float:
        """Exact-span micro F1, 0–1."""
        return Counts.total(self.counts).f1


def measure(
    engine: Engine, corpus: Corpus, strategy: Strategy | RandomExits, progress: Callable[[], object]
) -> Outcome:
    """Runs one setting, a batch of documents at a time; ``progress`` is called after each."""

    def scored(entities: Sequence[Entity]) -> frozenset[tuple[int, int, str]]:
        return frozenset(entity.key for entity in entities if entity.type in corpus.types)

    counts, found, places, recovered, cost = [], [], [], 0, add([], engine.encoder.num_layers)
    for start in range(0, len(corpus.documents), BATCH):
        documents = corpus.documents[start : start + BATCH]
        texts = [document.text for document in documents]
        if isinstance(strategy, RandomExits):
            results = strategy.tag_batch(engine, texts)
        else:
            results = engine.tag_batch(texts, strategy, batch_size=BATCH)
        for document, result in zip(documents, results, strict=True):
            counts.append(count_matches(document.entities, result.entities, corpus.types))
            found.append(scored(result.entities))
            words = result.trace.words
            places.append(np.array([word.layer * len(STATES) + STATES.index(word.state) for word in words], np.uint16))
            recovered += sum(word.state == "recovered" for word in words)
        cost = add([cost, *(result.cost for result in results)], engine.encoder.num_layers)
        progress()
    return Outcome(tuple(counts), tuple(found), tuple(places), recovered, cost)


@dataclass(frozen=True)
class Setting:
    """One value of a sweep, and the engine that runs it."""

    sweep: Sweep
    value: str
    strategy: Strategy | RandomExits
    engine: Engine


def settings(engine: Engine, plain: Engine | None) -> list[Setting]:
    """Everything `ablate` runs.

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


def ablate(
    engine: Engine,
    corpus: Corpus,
    plain: Engine | None = None,
    seed: int = 0,
    progress: Callable[[], object] = lambda: None,
) -> Iterator[Ablation]:
    """The rows of ``ablations.csv``, one for each value of each setting, as they are measured.

    Args:
        engine: with gates.
        corpus: with gold.
        plain: an engine with gates on weights that were not trained for pruning; without it, these are not compared.
        seed: of the bootstrap.
        progress: called after each batch of documents.
    """
    chosen = settings(engine, plain)
    defaults: dict[tuple[str, Strategy | RandomExits], Outcome] = {}  # reused often, so they are cached
    reused = {setting.sweep.default for setting in chosen} | {engine.strategy(DENSE)}

    def outcome(on: Engine, strategy: Strategy | RandomExits) -> Outcome:
        if strategy not in reused:
            return measure(on, corpus, strategy, progress)
        key = on.source, strategy
        if key not in defaults:
            defaults[key] = measure(on, corpus, strategy, progress)
        return defaults[key]

    for setting in chosen:
        dense = outcome(setting.engine, engine.strategy(DENSE))
        default = outcome(engine, setting.sweep.default)
        own = outcome(setting.engine, setting.strategy)
        interval = f1_interval([own.counts], seed)
        difference = f1_difference_interval([own.counts], [dense.counts], seed)
        from_default = f1_difference_interval([own.counts], [default.counts], seed)
        changed = sum(len(one ^ other) for one, other in zip(own.found, default.found, strict=True))
        moved = sum(int((one != other).sum()) for one, other in zip(own.places, default.places, strict=True))
        yield {
            "setting": setting.sweep.setting,
            "strategy": setting.sweep.base,
            "value": setting.value,
            "is_default": setting.strategy == setting.sweep.default and setting.engine is engine,
            "weights": Path(setting.engine.source).name,
            "f1": own.f1,
            "f1_low": interval.low,
            "f1_high": interval.high,
            "dense_f1": dense.f1,
            "difference": own.f1 - dense.f1,
            "low": difference.low,
            "high": difference.high,
            "significant": difference.excludes(0),
            "default_difference": own.f1 - default.f1,
            "default_low": from_default.low,
            "default_high": from_default.high,
            "default_significant": from_default.excludes(0),
            "token_layers_kept": own.cost.token_layers_kept,
            "theoretical_speedup": own.cost.theoretical_speedup,
            "recovered_words": own.recovered,
            "changed_predictions": changed,
            "changed_words": moved,
            "effect": bool(changed or moved or own.cost != default.cost),
        }


def write_ablations(engine: Engine, corpus: Corpus, out: Path, plain: Engine | None = None, seed: int = 0) -> None:
    """Writes ``ablations.csv`` to a folder, row by row; see `ablate` for the arguments."""
    rows: list[Ablation] = []
    with tqdm(total=len(settings(engine, plain)), desc="ablations", unit="setting", disable=None) as bar:
        for row in ablate(engine, corpus, plain, seed, bar.refresh):
            rows.append(row)
            pd.DataFrame(rows).to_csv(out / "ablations.csv", index=False)
            bar.update()
