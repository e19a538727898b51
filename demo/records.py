"""Results as JSON objects: what the HTTP API answers and what downloads hold."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import torch

from demo.html.escape import printable
from demo.measuring import Measured
from engine import Engine, Entity, Result


def entity_records(entities: tuple[Entity, ...]) -> list[dict[str, Any]]:
    """Entities with start, end (characters of the text), type, text and score."""
    return [asdict(entity) | {"text": printable(entity.text)} for entity in entities]


def result_record(result: Result) -> dict[str, Any]:
    """What was found, with which settings, at what cost."""
    cost = result.cost
    return {
        "entities": entity_records(result.entities),
        "strategy": result.strategy.to_json(),
        "words": len(result.words),
        "token_layers": cost.token_layers,
        "token_layers_kept": cost.token_layers_kept,
        "multiply_adds": cost.multiply_adds,
        "latency_ms": result.latency.total_ms,
    }


def trace_record(result: Result) -> list[dict[str, Any]]:
    """Word by word: place, pieces, layer, state, label, and the scores at each gate."""
    return [
        asdict(word)
        | {"text": printable(word.text)}
        | {"gates": [asdict(gate) | {"need": _finite(gate.need)} for gate in word.gates]}
        for word in result.trace.words
    ]


def _finite(number: float) -> float | None:
    """JSON has no infinity, which is the need of words that must stay."""
    return number if math.isfinite(number) else None


def compared_record(measured: Measured, dense: Measured) -> dict[str, Any]:
    """`result_record` with the median time and what differs from ``dense``."""
    result = measured.result
    ours, reference = ({entity.key for entity in m.result.entities} for m in (measured, dense))
    missing = tuple(entity for entity in dense.result.entities if entity.key not in ours)
    new = tuple(entity for entity in result.entities if entity.key not in reference)
    return result_record(result) | {
        "latency_ms": measured.latency_ms,
        "runs": len(measured.runs_ms),
        "speedup_vs_dense": dense.latency_ms / measured.latency_ms,
        "missing": entity_records(missing),
        "new": entity_records(new),
    }


def environment_record(engine: Engine) -> dict[str, Any]:
    """On what it ran."""
    return {"device": str(engine.device), "dtype": engine.dtype, "threads": torch.get_num_threads()}
