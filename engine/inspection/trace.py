"""The trace of one text: who left where and why. Built on demand, outside the clock."""

from __future__ import annotations

from dataclasses import dataclass

from engine.inspection.cost import Cost
from engine.pruning.strategy import Strategy


@dataclass(frozen=True)
class GateScore:
    """One word at one gate: the gate's label and its probability, the controller's need, whether the word left."""

    layer: int
    label: str
    probability: float
    need: float
    left: bool


@dataclass(frozen=True)
class WordTrace:
    """One word: its place in the text, its pieces, the layer after which it left, its final label, its gates.

    ``state`` is ``kept`` (``layer`` is the last one), ``left``, or ``recovered`` (left after ``layer`` and came back).
    """

    start: int
    end: int
    text: str
    pieces: int
    layer: int
    state: str
    label: str
    probability: float
    gates: tuple[GateScore, ...]


@dataclass(frozen=True)
class Latency:
    """Of one call, in milliseconds: text to entities, and the encoder alone. ``texts``: how many the call had."""

    total_ms: float
    encoder_ms: float
    texts: int


@dataclass(frozen=True)
class Trace:
    """Everything about one text's run."""

    strategy: Strategy
    words: tuple[WordTrace, ...]
    cost: Cost
    latency: Latency
