"""What is known of a finished pass, whatever computed it: labels, exits, and on demand what each gate saw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.pruning.gate import Decision
from engine.pytorch.chunks import Slot
from engine.pytorch.packing import Words
from engine.text.labels import LabelSet


@dataclass(frozen=True)
class LayerRun:
    """One run of a layer: its number, and the rows that it computed in each window, ``(windows,)``."""

    number: int
    rows: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class GateRecord:
    """One gate of a finished pass.

    ``number``: number of its layer.
    ``words``: indices of the words that reached it, int64 ``(n,)``.
    ``probabilities``: their label distributions, float32 ``(n, labels)``.
    ``decision``: the decision that took effect.
    ``change``: see `engine.pruning.gate.RowSignals`, if the controller read it.
    """

    number: int
    words: np.ndarray
    probabilities: np.ndarray
    decision: Decision
    change: np.ndarray | None = None


@dataclass(eq=False, kw_only=True)
class Record:
    """A finished pass over a batch of windows.

    ``words``: the words of the batch. ``rows``: number of rows of each window before any exited.
    ``probabilities``: float32 ``(words, labels)``, each word's latest label distribution.
    ``alive``: bool ``(words,)``, words that have not exited.
    ``exit_at``: int64 ``(words,)``, the layer after which each word exited; the last layer for words that did not.
    ``recovered``: bool ``(words,)``, words that exited and came back.
    ``layers``: every layer that ran, in order.
    ``labelled``: for every label head that ran, in order, its layer and the words it labelled, int64 ``(n,)``.
    ``gates``: every gate, in order.
    """

    words: Words
    rows: tuple[int, ...]
    labels: LabelSet
    probabilities: np.ndarray
    alive: np.ndarray
    exit_at: np.ndarray
    recovered: np.ndarray
    layers: list[LayerRun] = field(default_factory=list)
    labelled: list[tuple[int, np.ndarray]] = field(default_factory=list)
    gates: Sequence[GateRecord] = field(default_factory=list)


def distributions(runs: Iterable[tuple[Slot, Record]], labels: int) -> np.ndarray:
    """Label distributions of a text's words, float32 ``(words, labels)``, from its windows in order."""
    empty = np.zeros((0, labels), dtype=np.float32)
    return np.concatenate([empty, *(record.probabilities[slot.own] for slot, record in runs)])
