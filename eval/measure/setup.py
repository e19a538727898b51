"""Loads what the options of ``eval.report`` name and checks it before anything is timed."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from engine.checkpoint import load_weights
from engine.data.corpora import NAMED, Corpus, load_corpus
from engine.errors import InputError
from engine.latency import busy_share
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.settings import parse_setting
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import RECOVERY, parse
from engine.runs import read_json
from engine.tagger import Engine
from engine.text.documents import Document
from eval.measure import random_exits
from eval.measure.baselines import load_baselines
from eval.measure.baselines.base import Baseline
from eval.measure.runner import draw_timed
from eval.measure.variants import Tagger, of_baseline, of_model, of_strategy
from eval.options import check_types, load_named_corpus, parse_batch_sizes, parse_dtypes, parse_names, parse_others
from eval.record import Plan
from eval.schema import DENSE, RANDOM, SEQEVAL, type_column

LOG = "run"
DEFAULT = "entropy"  # measured by default, and what a control without ``@`` follows if nothing that prunes runs
# Named ``CONTROL`` or ``CONTROL@STRATEGY``; each gets the engine, the name as typed and the strategy that it follows.
CONTROLS: dict[str, Callable[[Engine, str, Strategy], Tagger]] = {RANDOM: random_exits.load}


@dataclass(frozen=True, eq=False)
class Setup:
    """What the options of ``eval.report`` name."""

    engines: list[Engine]  # one for each dtype
    plan: Plan  # the types of its corpus are the scored ones
    taggers: list[Tagger]  # one for each variant of the plan
    baselines: list[Baseline]  # those of the plan; not yet tuned
    load: float  # load of the machine beforehand, 0–1
    seed: int  # of the bootstrap and of the draw of timed documents
    files: TemporaryDirectory[str]  # folder for files of the baselines


def set_up(arguments: argparse.Namespace) -> Setup:
    """Loads the engines, corpus and variants that the arguments of ``eval.report`` name."""
    load = busy_share()
    sizes, dtypes, others = parse_batch_sizes(arguments.batch_size), _dtypes(arguments), parse_others(arguments.others)
    if arguments.threads is not None:
        if arguments.threads > (cores := os.cpu_count() or 1):
            raise InputError(
                f"expected --threads up to {cores}, the number of processors, got {arguments.threads}; lower it"
            )
        torch.set_num_threads(arguments.threads)
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
    wanted = [name for name in parse_names(arguments.baselines) if name != "none"]
    baselines = load_baselines(engines[0], wanted, calibration, Path(files.name))
    models = [
        of_model(name, engine, engine.strategy(strategy, arguments.point))
        for name, folder, strategy in others
        for engine in load_engines(folder, [one.dtype for one in engines], arguments.device)
    ]
    taggers = [*choose_variants(engines, arguments), *map(of_baseline, baselines), *models]
    variants = [one.variant for one in taggers]
    if twice := [name for name, count in Counter((one.name, one.dtype) for one in variants).items() if count > 1]:
        raise InputError(
            "expected different names of strategies, baselines and other models, got "
            f"{', '.join(repr(name) for name, _ in twice)} twice; leave one out, or rename it in --others"
        )
    plan = Plan(corpus, variants, sizes, draw_timed(documents, timed, arguments.seed))
    return Setup(engines, plan, taggers, baselines, load, arguments.seed, files)


def training_documents(corpus: Corpus, data_dir: str | Path | None = None) -> Sequence[Document] | None:
    """A named corpus' training split that shares no document with the evaluated split; ``None`` if there is none."""
    splits = NAMED[corpus.name].splits if corpus.name in NAMED else ()
    wanted = "train" if "fit" not in splits or (corpus.split == "dev" and "train" in splits) else "fit"
    if wanted not in splits or corpus.split in ("train", "fit"):
        return None
    return load_corpus(corpus.name, wanted, data_dir).documents


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


def _dtypes(arguments: argparse.Namespace) -> list[str]:
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


def choose_variants(engines: Sequence[Engine], arguments: argparse.Namespace) -> list[Tagger]:
    """The strategies and controls as typed, and ``dense``, under each engine.

    Raises:
        InputError: if a name or setting is unknown, or a setting is given for a strategy that does not run.
    """
    found: list[Tagger] = []
    for engine in engines:
        names = parse_names(arguments.strategies) or ([DEFAULT] if engine.has_gates else [])
        followed = _strategies(dict.fromkeys(names if DENSE in names else [DENSE, *names]))
        settings = _parse_settings(arguments.set, followed.values())
        for name, text in followed.items():
            strategy = engine.strategy(text, arguments.point, **settings.get(text, {}))
            control = CONTROLS.get(name.partition("@")[0])
            found.append(control(engine, name, strategy) if control else of_strategy(engine, strategy))
    return found


def _strategies(names: Iterable[str]) -> dict[str, str]:
    """The strategy of each variant: itself or, for a control, the one it names, else the first that prunes."""
    controls = {name for name in names if name.partition("@")[0] in CONTROLS}
    pruning = (name for name in names if name not in controls and parse(name).kind in CONTROLLERS)
    first = next(pruning, DEFAULT).replace(RECOVERY, "")
    return {name: name.partition("@")[2] or first if name in controls else name for name in names}


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
