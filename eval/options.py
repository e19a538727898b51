"""Command-line options of evaluations, and the strategies that they name."""

from __future__ import annotations

import argparse
from typing import Any

from engine.errors import InputError
from engine.pruning.strategy import PRUNING, Strategy, base_name, typed_knob
from engine.tagger import Engine


def add_inputs(parser: argparse.ArgumentParser, *, corpus: str | None, split: str) -> None:
    """Adds ``--corpus``, ``--split``, ``--data-dir``, ``--model`` and ``--limit`` with the given defaults."""
    default = "the sample corpus" if corpus is None else corpus
    parser.add_argument("--corpus", default=corpus, help=f"bc5cdr, ncbi-disease, a file or hf:ID (default {default})")
    parser.add_argument("--split", default=split, help=f"train, dev, test; bc5cdr also fit, calib (default {split})")
    parser.add_argument("--data-dir", help="where to look for named corpora first")
    parser.add_argument("--model", help="folder or hub id; default: the shipped weights")
    parser.add_argument("--limit", type=int, help="first N documents only")


def choose_strategies(engine: Engine, arguments: argparse.Namespace) -> list[Strategy]:
    """The strategies as typed, ``dense`` among them, with all settings; ``random`` replays the first pruning one.

    Raises:
        InputError: unknown names or knobs, or a setting for a strategy that does not run.
    """
    layers = engine.encoder.num_layers
    if arguments.strategies:
        names = [name.strip() for name in arguments.strategies.split(",") if name.strip()]
    elif engine.model.has_gates:
        names = ["dense", "hf", "rule", "entropy", "random", f"truncate-{max(1, layers // 2)}"]
    else:
        names = ["dense", "hf"]
    names = list(dict.fromkeys(names if "dense" in names else ["dense", *names]))
    replayed = next((name for name in names if base_name(name) in PRUNING), "entropy")
    running = {*names, *(name.partition("@")[2] or replayed for name in names if name.startswith("random"))}
    knobs = _knobs(arguments, running)
    strategies = []
    for name in names:
        if name.partition("@")[0] == "random":
            reference = name.partition("@")[2] or replayed
            strategies.append(
                engine.random(name, engine.strategy(reference, arguments.point, **knobs.get(reference, {})))
            )
        else:
            strategies.append(engine.strategy(name, arguments.point, **knobs.get(name, {})))
    return strategies


def whole_numbers(text: str, option: str) -> list[int]:
    """Different numbers of 1 or more, as typed after an option with commas."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"expected whole numbers after {option}, got {text!r}; write e.g. 1,32") from error
    if not numbers or min(numbers) < 1 or len(set(numbers)) < len(numbers):
        raise InputError(f"expected different numbers of 1 or more after {option}, got {text!r}; write e.g. 1,32")
    return numbers


def named_folders(text: str) -> list[tuple[str, str]]:
    """Names and folders, as typed with ``=`` and commas."""
    parts = [part.partition("=") for part in text.split(",") if part.strip()]
    names = [name.strip() for name, _, _ in parts]
    if any(not (name and folder) for name, _, folder in parts) or len(set(names)) < len(names):
        raise InputError(f"expected different names and folders after --others, got {text!r}; write e.g. small=FOLDER")
    return [(name, folder.strip()) for name, (_, _, folder) in zip(names, parts, strict=True)]


def _knobs(arguments: argparse.Namespace, running: set[str]) -> dict[str, dict[str, Any]]:
    """Settings for each pruning strategy that runs, from ``--lambda``, ``--min-keep-ratio`` and ``--set``."""
    knobs: dict[str, dict[str, Any]] = {name: {} for name in sorted(running) if base_name(name) in PRUNING}
    wanted: list[tuple[str, str, Any]] = []
    if arguments.lambda_ is not None:
        with_lambda = [name for name in knobs if name.startswith("rule")]
        wanted += [(name, "lambda_", arguments.lambda_) for name in with_lambda or ["rule"]]
    if arguments.min_keep_ratio is not None:
        wanted += [(name, "min_keep_ratio", arguments.min_keep_ratio) for name in knobs or PRUNING]
    wanted += [_setting(text) for text in arguments.set]
    for name, knob, value in wanted:
        if name not in knobs:
            raise InputError(
                f"expected settings for pruning strategies that run ({sorted(knobs)}), got some for {name!r}; "
                "add it to --strategies, or leave them out"
            )
        knobs[name][knob] = value
    return knobs


def _setting(text: str) -> tuple[str, str, Any]:
    target, equals, value = text.partition("=")
    name, dot, knob = target.partition(".")
    if not (equals and dot and name and knob):
        raise InputError(f"expected --set STRATEGY.KNOB=VALUE, got {text!r}; write e.g. entropy.neighbours=2")
    return name, *typed_knob(knob, value)
