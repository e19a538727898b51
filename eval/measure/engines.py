"""Engines that run side by side."""

from __future__ import annotations

from collections.abc import Sequence

from engine.checkpoint import load_weights
from engine.tagger import Engine


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
