"""Results as table rows and as JSON objects for the HTTP API and downloads."""

import math
from dataclasses import asdict
from typing import Any

from demo.common.markup import printable
from engine import Engine, Entity, Result
from engine.machine import threads
from engine.pruning.trace import WordScores

ENTITY_COLUMNS = ("start", "end", "type", "text", "score")


def entity_row(entity: Entity) -> tuple[int, int, str, str, float]:
    """An entity in the order of ``ENTITY_COLUMNS``, its score with four digits."""
    return entity.start, entity.end, entity.type, printable(entity.text), round(entity.score, 4)


def result_record(result: Result) -> dict[str, Any]:
    """The entities with exact scores, the settings that found them, and the cost."""
    cost = result.cost
    return {
        "entities": [
            dict(zip(ENTITY_COLUMNS, entity_row(entity), strict=True)) | {"score": entity.score}
            for entity in result.entities
        ],
        "strategy": result.strategy.to_json(),
        "words": len(result.words),
        "token_layers": cost.token_layers,
        "token_layers_kept": cost.token_layers_kept,
        "macs": cost.macs,
        "latency_ms": result.latency.total_ms,
    }


def trace_record(result: Result) -> list[dict[str, Any]]:
    """Every word with its offsets, word pieces, layer, state, label, and scores at each gate.

    The HTTP API keeps the names ``left`` (exited) and ``need`` (importance) of its first version.
    """
    return [
        asdict(word)
        | {"text": printable(word.text), "state": "left" if word.state == "exited" else word.state}
        | {"gates": [_gate_record(gate) for gate in word.gates]}
        for word in result.trace.words
    ]


def _gate_record(gate: WordScores) -> dict[str, Any]:
    need = gate.importance if math.isfinite(gate.importance) else None  # JSON has no infinity
    of_label = {"layer": gate.layer, "label": gate.label, "probability": gate.confidence}
    return of_label | {"need": need, "left": gate.exited}


def environment_record(engine: Engine) -> dict[str, Any]:
    """The hardware and precision of the run."""
    return {"device": str(engine.device), "dtype": engine.dtype, "threads": threads()}
