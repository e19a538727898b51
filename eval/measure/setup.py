"""Loads the models that the options of ``eval.report`` name, and makes a tagger of each variant."""

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.base import Engine
from engine.cli.options import parse_setting
from engine.cli.progress import Progress
from engine.errors import InputError
from engine.formats.corpora import Corpus, load_corpus
from engine.formats.named import NAMED
from engine.latency import busy_share
from engine.pruning.strategy_names import CASCADE
from engine.tagger import load_engine
from engine.text.documents import Document
from eval.measure.baselines import load_baselines
from eval.measure.baselines.base import Baseline
from eval.measure.variants import Tagger, of_baseline, of_model, of_strategy, random_exits
from eval.options import SMALL, check_types, parse_batch_sizes, parse_dtypes, parse_names, parse_others
from eval.record import Plan, Variant
from eval.schema import DENSE, RANDOM
from eval.statistics import SEED

REFERENCE = "float32"  # the dtype of the dense pass with which everything is compared


@dataclass(frozen=True, eq=False)
class Setup:
    """What a run needs."""

    engines: list[Engine]  # one for each dtype, that of the reference first
    plan: Plan  # the types of its corpus are the scored ones
    taggers: list[Tagger]  # one for each variant of the plan
    baselines: Sequence[Baseline] = ()  # those of the plan; their runtime parameters are not yet chosen
    load: float = 0.0  # load of the machine beforehand, 0–1
    training: Sequence[Document] | None = None  # the corpus' training split, if it has one


def set_up(arguments: argparse.Namespace, corpus: Corpus, progress: Progress) -> Setup:
    """Loads the engines and variants that the arguments of ``eval.report`` name."""
    load = busy_share()
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    strategies = load_engines(arguments.model, parse_dtypes(arguments.dtype), arguments.device, arguments.labels)
    engines = sorted(strategies, key=lambda engine: engine.dtype != REFERENCE)
    if engines[0].dtype != REFERENCE:
        engines.insert(0, load_engine(arguments.model, REFERENCE, arguments.device, arguments.labels))
    gold = {entity.type for document in corpus.documents for entity in document.entities}
    if unknown := set(corpus.types) - gold - set(engines[0].labels.types):
        raise InputError(f"expected types of the gold or the model, got {sorted(unknown)}; fix --types")
    check_types(corpus.types, engines[0].labels.types)

    training = training_documents(corpus, arguments.data_dir)
    wanted = [name for name in parse_names(arguments.baselines) if name != "none"]
    progress.total, progress.done = 1 + len(wanted), 1
    others = [
        (name, engine, engine.strategy(strategy))
        for name, folder, strategy in parse_others(arguments.others)
        for engine in load_engines(folder, [engine.dtype for engine in strategies], arguments.device)
    ]
    named = {"": engines[0]} | {name: engine for name, engine, _ in others}
    baselines = load_baselines(named, wanted, [document.text for document in training or ()], progress)
    dense = [of_strategy(engine, engine.strategy(DENSE)) for engine in engines if engine not in strategies]
    taggers = [*dense, *choose_variants(strategies, arguments), *map(of_baseline, baselines)]
    taggers += [of_model(*other) for other in others]
    documents = len(corpus.documents)
    drawn = np.random.default_rng(SEED).choice(documents, arguments.timed or documents, replace=False)
    variants = name_variants([tagger.variant for tagger in taggers])
    plan = Plan(corpus, variants, parse_batch_sizes(arguments.batch_size), sorted(drawn.tolist()))
    return Setup(engines, plan, taggers, baselines, load, training)


def name_variants(variants: Sequence[Variant]) -> list[Variant]:
    """Adds the dtype to the names of those that a run has in several; raises `InputError` if two are the same."""
    titles = Counter(variant.title for variant in variants)
    named = [replace(v, suffix=f" ({v.dtype})" if titles[v.title] > 1 else "") for v in variants]
    if twice := [name for name, count in Counter(variant.name for variant in named).items() if count > 1]:
        raise InputError(
            f"expected different names of strategies, baselines and other models, got {', '.join(map(repr, twice))} "
            "twice; leave one out, or rename it in --others"
        )
    return named


def training_documents(corpus: Corpus, data_dir: str | Path | None = None) -> Sequence[Document] | None:
    """A named corpus' training split that shares no document with the evaluated split; ``None`` if there is none."""
    splits = NAMED[corpus.name].splits if corpus.name in NAMED else ()
    wanted = "train" if "fit" not in splits or (corpus.split == "dev" and "train" in splits) else "fit"
    if wanted not in splits or corpus.split in ("train", "fit", "six"):
        return None
    return load_corpus(corpus.name, wanted, data_dir).documents


def load_engines(
    model: str | None, dtypes: Sequence[str], device: str = "cpu", labels: str | None = None
) -> list[Engine]:
    """Loads one engine for each dtype; drops one that ``auto`` only repeats."""
    engines: dict[str, Engine] = {}
    for dtype in dtypes:
        engine = load_engine(model, dtype, device, labels)
        engines.setdefault(engine.dtype, engine)
    return list(engines.values())


def choose_variants(engines: Sequence[Engine], arguments: argparse.Namespace) -> list[Tagger]:
    """The strategies and controls as typed, and ``dense``, under each engine.

    Raises:
        InputError: if a name or setting is unknown, or a setting is given for a strategy that does not run.
    """
    taggers: list[Tagger] = []
    for engine in engines:
        names = parse_names(arguments.strategies) or _defaults(engine)
        names = list(dict.fromkeys(names if DENSE in names else [DENSE, *names]))
        strategies = {name: name.removeprefix(f"{RANDOM}@") for name in names if name != SMALL}
        settings = _parse_settings(arguments.set, strategies.values())
        for name, text in strategies.items():
            strategy = engine.strategy(text, **settings.get(text, {}))
            title = text if ":" in text else ""  # whatever its settings
            taggers.append((of_strategy if name == text else random_exits)(engine, strategy, title))
        if SMALL in names:
            small, *_ = engine.strategy(CASCADE).stages  # which refuses a model that is no cascade
            taggers.append(of_model(SMALL, engine.stages[0], small))
    return taggers


def _defaults(engine: Engine) -> list[str]:
    """What is measured beside ``dense`` if nothing is named."""
    if CASCADE in engine.runnable:
        return [*(f"{CASCADE}:{point}" for point in engine.points[CASCADE]), SMALL]
    return [engine.default_strategy]


def _parse_settings(options: Sequence[str], strategies: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The settings of each strategy that runs, from ``--set`` options."""
    settings: dict[str, dict[str, Any]] = {name: {} for name in strategies}
    for option in options:
        target, equals, value = option.partition("=")
        name, dot, setting = target.partition(".")
        if not (equals and dot and name and setting):
            raise InputError(f"expected --set STRATEGY.SETTING=VALUE, got {option!r}; write e.g. entropy.neighbours=2")
        if name not in settings:
            raise InputError(
                f"expected settings of strategies that run ({sorted(settings)}), got one of {name!r}; "
                "add it to --strategies, or leave the setting out"
            )
        settings[name] |= [parse_setting(setting, value)]
    return settings
