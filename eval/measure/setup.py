"""Loads what the options of ``eval.report`` name and checks it before anything is timed."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from engine.checkpoint import load_weights
from engine.data.corpora import Corpus
from engine.errors import InputError
from engine.latency import busy_share
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.settings import parse_setting
from engine.pruning.strategy_names import RECOVERY, parse
from engine.runs import read_json
from engine.tagger import Engine
from eval.measure.analyses import training_documents
from eval.measure.baselines import load_baselines
from eval.measure.baselines.base import Baseline
from eval.measure.random_exits import REPLAYED, RandomExits, replayed_strategy
from eval.measure.runner import Plan, draw_timed
from eval.measure.variants import Variant, of_baseline, of_model, of_random, of_strategy
from eval.options import check_types, load_named_corpus, parse_batch_sizes, parse_dtypes, parse_names, parse_others
from eval.schema import DENSE, RANDOM, SEQEVAL, type_column

LOG = "run"


@dataclass(frozen=True, eq=False)
class Setup:
    """What the options of ``eval.report`` name."""

    engines: list[Engine]  # one for each dtype
    plan: Plan  # the types of its corpus are the scored ones
    baselines: list[Baseline]  # those of the plan; not yet tuned
    load: float  # load of the machine beforehand, 0–1
    seed: int  # of the bootstrap and of the draw of timed documents
    files: TemporaryDirectory[str]  # folder for files of the baselines


def set_up(arguments: argparse.Namespace) -> Setup:
    """Loads the engines, corpus and variants that the arguments of ``eval.report`` name."""
    load = busy_share()
    sizes = parse_batch_sizes(arguments.batch_size or ("1,32" if arguments.corpus else "1"))
    dtypes = _choose_dtypes(arguments)
    if arguments.threads is not None:
        if arguments.threads > (cores := os.cpu_count() or 1):
            raise InputError(
                f"expected --threads up to {cores}, the number of processors, got {arguments.threads}; lower it"
            )
        torch.set_num_threads(arguments.threads)
    others = parse_others(arguments.others)
    corpus = _load_scored_corpus(arguments)
    documents = len(corpus.documents)
    if (timed := arguments.timed or documents) > documents:
        raise InputError(
            f"expected --timed up to {documents}, the number of documents in {corpus.name}, got {timed}; lower it"
        )
    engines = load_engines(arguments.model, dtypes, arguments.device, arguments.labels)
    gold = {entity.type for document in corpus.documents for entity in document.entities}
    if unknown := set(corpus.types) - gold - set(engines[0].labels.types):
        raise InputError(f"expected types of the gold or the model, got {sorted(unknown)}; fix --types")
    check_types(corpus.types, engines[0].labels.types)

    def calibration() -> list[str]:
        if (training := training_documents(corpus, arguments.data_dir)) is None:
            raise InputError(
                f"expected a corpus with a training split to calibrate on, got {corpus.name} {corpus.split}; choose a "
                "named corpus, or leave baselines out that are calibrated"
            )
        return [document.text for document in training]

    files = TemporaryDirectory()
    ours = choose_variants(engines, arguments)
    baselines = load_baselines(engines[0], parse_names(arguments.baselines), calibration, Path(files.name))
    models = [
        of_model(name, engine, engine.strategy(strategy, arguments.point))
        for name, folder, strategy in others
        for engine in load_engines(folder, [one.dtype for one in engines], arguments.device)
    ]
    variants = [*ours, *map(of_baseline, baselines), *models]
    _check_names(variants)
    plan = Plan(corpus, variants, sizes, draw_timed(documents, timed, arguments.seed))
    return Setup(engines, plan, baselines, load, arguments.seed, files)


def load_engines(
    model: str | None, dtypes: Sequence[str], device: str = "cpu", labels: str | None = None
) -> list[Engine]:
    """Loads one engine for each dtype; drops one that ``auto`` only repeats."""
    weights = load_weights(model, labels)
    engines: dict[str, Engine] = {}
    for dtype in dtypes:
        engine = Engine(weights, dtype, device)
        engines.setdefault(engine.dtype, engine)
    return list(engines.values())


def _choose_dtypes(arguments: argparse.Namespace) -> list[str]:
    """The dtypes of the engines. A run that continues keeps what ``auto`` chose, because that depends on the load."""
    dtypes, stored = parse_dtypes(arguments.dtype), Path(arguments.out) / f"{LOG}.json"
    if "auto" in dtypes and stored.is_file():
        before = parse_dtypes(read_json(stored).get("dtype", arguments.dtype))
        return before if {*dtypes} - {"auto"} <= {*before} else dtypes
    return dtypes


def _load_scored_corpus(arguments: argparse.Namespace) -> Corpus:
    """Loads the corpus to evaluate, with the scored types as its types."""
    corpus = load_named_corpus(arguments, skip_bad=arguments.skip_bad)
    types = tuple(parse_names(arguments.types)) if arguments.types else corpus.types
    name = corpus.name if arguments.corpus else "sample"
    if not types:
        raise InputError(f"expected gold entities in {name}, got none; choose a file with gold, or name --types")
    columns = [type_column(type_) for type_ in (SEQEVAL, *types)]
    if len(set(columns)) < len(columns):
        raise InputError(
            f"expected types that differ in more than case, none of them called seqeval, got {list(types)}; rename them"
        )
    return replace(corpus, name=name, types=types)


def _check_names(variants: Sequence[Variant]) -> None:
    """Raises `InputError` if two variants in the same dtype, other seeds included, have the same name."""
    counts = Counter(one.key for variant in variants for one in (variant, *variant.reseeded))
    if twice := [key.rpartition(" ")[0] for key, count in counts.items() if count > 1]:
        raise InputError(
            "expected different names of strategies, baselines and other models, got "
            f"{', '.join(map(repr, twice))} twice; leave one out, or rename it in --others"
        )


def choose_variants(engines: Sequence[Engine], arguments: argparse.Namespace) -> list[Variant]:
    """The strategies and controls as typed, and ``dense``, under each engine.

    ``random`` replays the first strategy that prunes, without its recovery, unless it names one.

    Raises:
        InputError: if a name or setting is unknown, or a setting is given for a strategy that does not run.
    """
    found: list[Variant] = []
    for engine in engines:
        names = _choose_names(engine, arguments)
        strategies = _strategy_of_each(names)
        settings = _parse_settings(arguments.set, strategies.values())
        for name in names:
            text = strategies[name]
            strategy = engine.strategy(text, arguments.point, **settings.get(text, {}))
            is_random = text != name
            found.append(of_random(engine, RandomExits(name, strategy)) if is_random else of_strategy(engine, strategy))
    return found


def _choose_names(engine: Engine, arguments: argparse.Namespace) -> list[str]:
    if arguments.strategies:
        names = parse_names(arguments.strategies)
    elif engine.has_gates:
        names = ["entropy", RANDOM]
        if arguments.corpus:  # the sample is for a first look
            names += ["rule", f"truncate-{max(1, engine.sizes.layers // 2)}"]
    else:
        names = [DENSE]
    return list(dict.fromkeys(names if DENSE in names else [DENSE, *names]))


def _strategy_of_each(names: Sequence[str]) -> dict[str, str]:
    """The strategy that each variant runs: itself or, for ``random``, the one that it replays."""
    strategies = [name for name in names if name.partition("@")[0] != RANDOM]
    pruning = [name for name in strategies if parse(name).kind in CONTROLLERS]
    first = pruning[0].replace(RECOVERY, "") if pruning else REPLAYED
    return {name: name if name in strategies else replayed_strategy(name) or first for name in names}


def _parse_settings(options: Sequence[str], strategies: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The settings of each pruning strategy that runs, from ``--set`` options."""
    settings: dict[str, dict[str, Any]] = {name: {} for name in strategies if parse(name).kind in CONTROLLERS}
    for option in options:
        target, equals, value = option.partition("=")
        name, dot, setting = target.partition(".")
        if not (equals and dot and name and setting):
            raise InputError(f"expected --set STRATEGY.SETTING=VALUE, got {option!r}; write e.g. entropy.neighbours=2")
        if name not in settings:
            raise InputError(
                f"expected settings of pruning strategies that run ({sorted(settings)}), got one of {name!r}; "
                "add it to --strategies, or leave the setting out"
            )
        settings[name] |= [parse_setting(setting, value)]
    return settings
