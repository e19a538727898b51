"""The engines, strategies and controls that a command line of the evaluator names, with their settings."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from engine.checkpoint import load_weights
from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.settings import parse_setting
from engine.pruning.strategy_names import RECOVERY, parse
from engine.tagger import Engine
from eval.measure.controls import REPLAYED, RandomExits, replayed_by
from eval.measure.variants import Variant, huggingface_dtype, of_plain_model, of_random, of_strategy
from eval.options import names
from eval.schema import HF, RANDOM


def load_engines(
    model: str | None, wanted: Sequence[str], device: str = "cpu", labels: str | None = None
) -> list[Engine]:
    """Loads one engine per dtype, without any that ``auto`` repeats."""
    weights = load_weights(model, labels)
    engines: dict[str, Engine] = {}
    for dtype in wanted:
        engine = Engine(weights, dtype, device)
        engines.setdefault(engine.dtype, engine)
    return list(engines.values())


def choose_variants(engines: Sequence[Engine], arguments: argparse.Namespace) -> list[Variant]:
    """The strategies and controls as typed, ``dense`` among them, of each engine.

    ``random`` replays the first strategy that prunes, without recovery, unless it names another. ``hf`` runs once in
    each dtype that it has.

    Raises:
        InputError: unknown names or settings, or a setting for a strategy that does not run.
    """
    found: dict[str, Variant] = {}
    for engine in engines:
        for variant in _of_engine(engine, arguments, {one.dtype for one in found.values() if one.kind == HF}):
            found[variant.key] = variant
    return list(found.values())


def _of_engine(engine: Engine, arguments: argparse.Namespace, plain: Collection[str]) -> Iterator[Variant]:
    """Builds one engine's variants; ``plain`` holds the dtypes in which ``hf`` already runs."""
    wanted = _names(engine, arguments)
    runs = _runs(wanted)
    settings = _settings(arguments, runs.values())
    for name in wanted:
        if name == HF:
            if huggingface_dtype(engine) not in plain:
                yield of_plain_model(engine)
            continue
        strategy = engine.strategy(runs[name], arguments.point, **settings.get(runs[name], {}))
        yield of_strategy(engine, strategy) if runs[name] == name else of_random(engine, RandomExits(name, strategy))


def _runs(wanted: Sequence[str]) -> dict[str, str]:
    """The strategy that each variant but ``hf`` runs: itself or, for ``random``, the one that it replays."""
    own = [name for name in wanted if name != HF and name.partition("@")[0] != RANDOM]
    pruning = [name for name in own if parse(name).kind in CONTROLLERS]
    first = pruning[0].replace(RECOVERY, "") if pruning else REPLAYED
    return {name: name if name in own else replayed_by(name) or first for name in wanted if name != HF}


def _names(engine: Engine, arguments: argparse.Namespace) -> list[str]:
    if arguments.strategies:
        wanted = names(arguments.strategies)
    elif engine.model.has_gates:
        wanted = ["hf", "entropy", "random"]
        if arguments.corpus:  # the sample is for a first look
            wanted += ["rule", f"truncate-{max(1, engine.encoder.num_layers // 2)}"]
    else:
        wanted = ["hf"]
    return list(dict.fromkeys(wanted if "dense" in wanted else ["dense", *wanted]))


def _settings(arguments: argparse.Namespace, running: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Settings of each pruning strategy that runs, from ``--lambda``, ``--min-keep-ratio`` and ``--set``."""
    kinds = {name: parse(name).kind for name in running}
    kinds = {name: kind for name, kind in kinds.items() if kind in CONTROLLERS}
    wanted: list[tuple[str, str, Any]] = []
    if arguments.lambda_ is not None:
        has_lambda = {
            kind for kind, of in CONTROLLERS.items() if "lambda_" in {setting.name for setting in of.settings()}
        }
        with_lambda = [text for text, kind in kinds.items() if kind in has_lambda]
        wanted += [(text, "lambda_", arguments.lambda_) for text in with_lambda or ["rule"]]
    if arguments.min_keep_ratio is not None:
        wanted += [(text, "min_keep_ratio", arguments.min_keep_ratio) for text in kinds or CONTROLLERS]
    wanted += [_setting(text) for text in arguments.set]
    settings: dict[str, dict[str, Any]] = {text: {} for text in kinds}
    for text, setting, value in wanted:
        if text not in settings:
            raise InputError(
                f"expected settings of pruning strategies that run ({sorted(settings)}), got some of {text!r}; "
                "add it to --strategies, or leave them out"
            )
        settings[text][setting] = value
    return settings


def _setting(text: str) -> tuple[str, str, Any]:
    target, equals, value = text.partition("=")
    name, dot, setting = target.partition(".")
    if not (equals and dot and name and setting):
        raise InputError(f"expected --set STRATEGY.SETTING=VALUE, got {text!r}; write e.g. entropy.neighbours=2")
    return name, *parse_setting(setting, value)
