"""Results as rows of a table, as CSV, and as JSON objects for the HTTP API and for downloads."""

from __future__ import annotations

import base64
import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import torch

from demo.common.compared import missing_and_new
from demo.common.markup import printable
from demo.common.timing import Measured
from engine import Engine, Entity, Result
from engine.inspection.trace import GateScore

ENTITY_COLUMNS = ("start", "end", "type", "text", "score")
_FORMULA = tuple("=+-@\t\r")


def entity_row(entity: Entity) -> tuple[int, int, str, str, float]:
    """An entity in the order of ``ENTITY_COLUMNS``."""
    return entity.start, entity.end, entity.type, printable(entity.text), round(entity.score, 4)


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV; an apostrophe precedes cells that a spreadsheet would read as formulas."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows([f"'{cell}" if str(cell).startswith(_FORMULA) else cell for cell in row] for row in rows)
    return file.getvalue()


def csv_link(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """All rows as a CSV file in a ``data:`` address."""
    content = base64.b64encode(csv_text(columns, rows).encode("utf-8", "replace")).decode()
    return f"data:text/csv;charset=utf-8;base64,{content}"


def entity_records(entities: Iterable[Entity]) -> list[dict[str, Any]]:
    """Entities with start and end (in characters), type, text and score."""
    return [
        {
            "start": entity.start,
            "end": entity.end,
            "type": entity.type,
            "text": printable(entity.text),
            "score": entity.score,
        }
        for entity in entities
    ]


def result_record(result: Result) -> dict[str, Any]:
    """The entities, the settings that found them, and the cost."""
    cost = result.cost
    return {
        "entities": entity_records(result.entities),
        "strategy": result.strategy.to_json(),
        "words": len(result.words),
        "token_layers": cost.token_layers,
        "token_layers_kept": cost.token_layers_kept,
        "macs": cost.macs,
        "latency_ms": result.latency.total_ms,
    }


def trace_record(result: Result) -> list[dict[str, Any]]:
    """Every word with its position, pieces, layer, state, label, and scores at each gate.

    The names that the HTTP API gives to an exit and to importance are those of its first version.
    """
    return [
        asdict(word)
        | {"text": printable(word.text), "state": "left" if word.state == "exited" else word.state}
        | {"gates": [gate_record(gate) for gate in word.gates]}
        for word in result.trace.words
    ]


def gate_record(gate: GateScore) -> dict[str, Any]:
    """A word's scores at a gate."""
    record = asdict(gate)
    return record | {"need": _finite(record.pop("importance")), "left": record.pop("exited")}


def _finite(number: float) -> float | None:
    """None for infinity, the importance of words that may not exit: JSON cannot represent it."""
    return number if math.isfinite(number) else None


def compared_record(measured: Measured, dense: Measured) -> dict[str, Any]:
    """`result_record` with the median time and what differs from ``dense``; one run gives no speed-up."""
    missing, new = missing_and_new(measured.result, dense.result)
    return result_record(measured.result) | {
        "latency_ms": measured.latency_ms,
        "runs": len(measured.runs_ms),
        "speedup_vs_dense": dense.latency_ms / measured.latency_ms if len(measured.runs_ms) > 1 else None,
        "missing": entity_records(missing),
        "new": entity_records(new),
    }


def environment_record(engine: Engine) -> dict[str, Any]:
    """The hardware and precision of the run."""
    return {"device": str(engine.device), "dtype": engine.dtype, "threads": torch.get_num_threads()}
