"""The HTTP API: ``/tag`` and ``/compare``, the functions of the page for programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from demo.html.escape import printable
from demo.limits import MODEL_WORK, check_strategies, check_text
from demo.measuring import measure
from demo.records import compared_record, environment_record, result_record, trace_record
from engine import Engine, InputError, Strategy

SETTINGS = """
    point: operating point of strategies without one of their own: exact, balanced or fast.
    lambda_: λ of rule; a larger one prunes more. Default: that of the point.
    min_keep_ratio: share of the words that stay to the end at least, 0–1. Default: that of the point.
    trigger: when words come back, for strategies with +recovery: confidence, entropy_spike, entity_loss or any.
        Default: that of the point.
"""
TAG = f"""Tags one text.

Args:
    text: up to 100,000 characters.
    strategy: dense, rule, entropy, mlp, entropy+recovery, hf, random, truncate-3, …, or with a point
        of its own: entropy:fast.{SETTINGS}
    trace: whether to say of every word where it left, and why.

Returns: entities (start, end, type, text, score), the strategy's settings, words, token_layers, token_layers_kept,
multiply_adds, latency_ms of this one call, and the trace if asked for."""
COMPARE = f"""Compares strategies on one text with dense, which runs in any case.

Args:
    text: up to 100,000 characters.
    strategies: names, separated by commas, also with a point of their own: entropy:exact,entropy:fast.{SETTINGS}
Returns: device, dtype, threads, and for each strategy what /tag returns, with latency_ms as median of the runs,
speedup_vs_dense, and the entities that are missing or new against dense."""


@contextmanager
def _told() -> Iterator[None]:
    """Lets the caller know what was wrong; nothing is logged."""
    try:
        yield
    except InputError as error:
        raise gr.Error(printable(str(error)), print_exception=False) from error


def _strategy(engine: Engine, name: str, point: object, knobs: dict[str, Any]) -> Strategy:
    if point is not None and not isinstance(point, str):
        raise InputError(f"expected point as a string, got {type(point).__name__}; send a string or leave it out")
    return engine.strategy(name, point or None, **knobs)


def tag(
    engine: Engine, text: object, strategy: object, point: object, trace: object, **knobs: object
) -> dict[str, Any]:
    """The answer of ``/tag``; arguments of any type may come.

    Raises:
        InputError: an argument that cannot be used.
    """
    text = check_text(text)
    (name,) = check_strategies([strategy])
    result = engine.tag(text, _strategy(engine, name, point, knobs))
    return result_record(result) | ({"trace": trace_record(result)} if trace else {})


def compare(engine: Engine, text: object, strategies: object, point: object, **knobs: object) -> dict[str, Any]:
    """The answer of ``/compare``; a setting goes to the strategies that have it.

    Raises:
        InputError: an argument that cannot be used, or a setting that no strategy has.
    """
    text = check_text(text)
    if not isinstance(strategies, str):
        raise InputError(f"expected strategies as a string, got {type(strategies).__name__}; separate names by commas")
    names = check_strategies([name.strip() for name in strategies.split(",") if name.strip()])
    sent = {knob: value for knob, value in knobs.items() if value is not None}
    chosen: dict[str, Strategy] = {}
    for name in dict.fromkeys(["dense", *names]):
        own = _strategy(engine, name, point, {}).knobs()
        chosen[name] = _strategy(engine, name, point, {knob: value for knob, value in sent.items() if knob in own})
    if unused := [knob for knob in sent if not any(knob in strategy.knobs() for strategy in chosen.values())]:
        raise InputError(f"expected settings that {', '.join(names)} have, got {unused}; leave them out")
    measured = dict(zip(chosen, measure(engine, text, list(chosen.values())), strict=True))
    compared = {name: compared_record(measured[name], measured["dense"]) for name in chosen}
    return environment_record(engine) | {"strategies": compared}


def build_api(engine: Engine) -> None:
    """Adds both functions to the Blocks that are being built."""

    def on_tag(
        text: str,
        strategy: str = "entropy",
        point: str = "balanced",
        lambda_: float | None = None,
        min_keep_ratio: float | None = None,
        trigger: str | None = None,
        trace: bool = False,
    ) -> dict[str, Any]:
        with _told():
            knobs = {"lambda_": lambda_, "min_keep_ratio": min_keep_ratio, "trigger": trigger}
            return tag(engine, text, strategy, point, trace, **knobs)

    def on_compare_api(
        text: str,
        strategies: str = "dense,entropy",
        point: str = "balanced",
        lambda_: float | None = None,
        min_keep_ratio: float | None = None,
        trigger: str | None = None,
    ) -> dict[str, Any]:
        with _told():
            knobs = {"lambda_": lambda_, "min_keep_ratio": min_keep_ratio, "trigger": trigger}
            return compare(engine, text, strategies, point, **knobs)

    gr.api(on_tag, api_name="tag", api_description=TAG, **MODEL_WORK)
    gr.api(on_compare_api, api_name="compare", api_description=COMPARE, **MODEL_WORK)
