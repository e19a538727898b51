"""The HTTP API, ``/tag`` and ``/compare``: lets programs do what the page does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gradio as gr

from demo.common.differences import unshared_entities
from demo.common.limits import (
    API_WORK,
    MAX_CHARACTERS,
    MAX_COMPARED,
    MAX_TRACED,
    check_strategies,
    check_text,
    check_work,
)
from demo.common.markup import printable
from demo.common.serialization import entity_record, environment_record, result_record, trace_record
from demo.common.timing import Timing, time_strategies
from demo.settings import TRIGGERS, selected
from engine import Engine, InputError, Strategy

SETTINGS = f"""point: operating point for strategies that do not name one: careful, balanced or fast. Default: balanced,
        or the first one that the weights have.
    lambda_: λ, for strategies that have it; a larger λ prunes more. Default: the operating point's.
    min_keep_ratio: minimum share of the words that go through every layer, 0–1. Default: the operating point's.
    trigger: when recovery brings words back: {", ".join(TRIGGERS)}. Default: the operating point's."""
TAG = f"""Tags one text.

Args:
    text: up to {MAX_CHARACTERS:,} characters.
    strategy: a name that the page offers, such as entropy, entropy+recovery or dense; it may include an operating
        point: entropy:fast. Default: the one with which the page opens.
    {SETTINGS}
    trace: whether to include, for every word, the layer after which it exited and its scores at each gate; for texts
        of up to {MAX_TRACED:,} characters.

Returns: entities (start, end, type, text, score), the strategy's settings, the number of words, token_layers,
token_layers_kept, macs, latency_ms of this call, and the trace if requested."""
COMPARE = f"""Runs strategies on one text and compares them with dense, which is always included.

Args:
    text: up to {MAX_CHARACTERS:,} characters; characters times strategies may not exceed {MAX_COMPARED:,}.
    strategies: names separated by commas; each may include an operating point: entropy:careful,entropy:fast.
        Default: those with which the page opens.
    {SETTINGS}

Returns: device, dtype, threads, and for each strategy what /tag returns, the number of runs, their median time as
latency_ms, speedup_vs_dense (null after a single run), and the entities that are lost (missing) or new compared with
dense."""


@contextmanager
def _refusals() -> Iterator[None]:
    """Sends the message of an `InputError` to the caller without logging it."""
    try:
        yield
    except InputError as error:
        raise gr.Error(printable(str(error)), print_exception=False) from error


def _strategy(engine: Engine, name: str, point: object, **settings: object) -> Strategy:
    if point is not None and not isinstance(point, str):
        raise InputError(f"expected point as a string, got {type(point).__name__}; send a string or leave it out")
    return engine.strategy(name, point or None, **settings)


def build_api(engine: Engine) -> None:
    """Adds both functions to the Blocks under construction; callers may send arguments of any type."""
    defaults = selected(engine)

    def on_tag(
        text: str,
        strategy: str = defaults[-1],
        point: str | None = None,
        lambda_: float | None = None,
        min_keep_ratio: float | None = None,
        trigger: str | None = None,
        trace: bool = False,
    ) -> dict[str, Any]:
        with _refusals():
            check_text(text)
            (name,) = check_strategies([strategy])
            chosen = _strategy(engine, name, point, lambda_=lambda_, min_keep_ratio=min_keep_ratio, trigger=trigger)
            if not isinstance(trace, bool):
                raise InputError(
                    f"expected trace as true or false, got {type(trace).__name__}; send one of them or leave it out"
                )
            check_work(text, [chosen], traced=trace)
            result = engine.tag(text, chosen)
            return result_record(result) | ({"trace": trace_record(result)} if trace else {})

    def on_compare_api(
        text: str,
        strategies: str = ",".join(defaults),
        point: str | None = None,
        lambda_: float | None = None,
        min_keep_ratio: float | None = None,
        trigger: str | None = None,
    ) -> dict[str, Any]:
        settings = {"lambda_": lambda_, "min_keep_ratio": min_keep_ratio, "trigger": trigger}
        with _refusals():
            return compare(engine, text, strategies, point, settings)

    gr.api(on_tag, api_name="tag", api_description=TAG, **API_WORK)
    gr.api(on_compare_api, api_name="compare", api_description=COMPARE, **API_WORK)


def compare(
    engine: Engine, text: str, strategies: object, point: object, settings: Mapping[str, object]
) -> dict[str, Any]:
    """Answers ``/compare``; each strategy uses the settings that it has, and one of them must have each."""
    check_text(text)
    if not isinstance(strategies, str):
        raise InputError(f"expected strategies as a string, got {type(strategies).__name__}; separate names by commas")
    names = check_strategies([name.strip() for name in strategies.split(",") if name.strip()])
    given = {setting: value for setting, value in settings.items() if value is not None}
    chosen: dict[str, Strategy] = {}
    for name in dict.fromkeys(["dense", *names]):
        own = _strategy(engine, name, point)
        used = {setting: value for setting, value in given.items() if setting in own.settings()}
        chosen[name] = own.with_settings(**used)
    if unused := [setting for setting in given if all(setting not in one.settings() for one in chosen.values())]:
        raise InputError(f"expected settings that {', '.join(names)} have, got {unused}; leave them out")
    check_work(text, list(chosen.values()))
    timings = time_strategies(engine, text, list(chosen.values()))
    records = {name: _compared(timing, timings[0]) for name, timing in zip(chosen, timings, strict=True)}
    return environment_record(engine) | {"strategies": records}


def _compared(timing: Timing, dense: Timing) -> dict[str, Any]:
    """The result with the median time and what differs from dense; a single run gives no speed-up."""
    missing, new = unshared_entities(timing.result, dense.result)
    return result_record(timing.result) | {
        "latency_ms": timing.latency_ms,
        "runs": len(timing.runs_ms),
        "speedup_vs_dense": dense.latency_ms / timing.latency_ms if len(timing.runs_ms) > 1 else None,
        "missing": [entity_record(entity) for entity in missing],
        "new": [entity_record(entity) for entity in new],
    }
