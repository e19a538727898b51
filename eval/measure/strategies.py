"""The strategies named on an evaluation's command line, with their settings."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.resolve import RECOVERY, REPLAYED, StrategyName, parse
from engine.pruning.settings import parse_setting
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from eval.options import names
from eval.schema import RANDOM


def choose_strategies(engine: Engine, arguments: argparse.Namespace) -> list[Strategy]:
    """The strategies as typed, including ``dense``.

    ``random`` replays the first one that prunes, without recovery, unless it names another.

    Raises:
        InputError: unknown names or settings, or a setting for a strategy that does not run.
    """
    parsed = [parse(text) for text in _names(engine, arguments)]
    pruning = [parse(name.text.replace(RECOVERY, "")) for name in parsed if name.kind in CONTROLLERS]
    first = pruning[0] if pruning else parse(REPLAYED)
    run = {name: (name.replays or first) if name.kind == RANDOM else name for name in parsed}
    settings = _settings(arguments, (name for name in run.values() if name.kind in CONTROLLERS))

    def strategy(name: StrategyName) -> Strategy:
        return engine.strategy(name.text, arguments.point, **settings.get(name.text, {}))

    return [Strategy.random(n.text, strategy(of)) if n.kind == RANDOM else strategy(n) for n, of in run.items()]


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


def _settings(arguments: argparse.Namespace, running: Iterable[StrategyName]) -> dict[str, dict[str, Any]]:
    """Settings of each pruning strategy that runs, from ``--lambda``, ``--min-keep-ratio`` and ``--set``."""
    kinds = {name.text: name.kind for name in running}
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
