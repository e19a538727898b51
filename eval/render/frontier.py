"""Chooses the frontier, the labels and the F1 axis of figures of F1 against speed-up.

Pure Python, without a plotting library or tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from eval.schema import BASELINE, CASCADE, DENSE, MODEL, TRUNCATE

LABELS = 8  # most labels in a panel; more cannot be read at 800 pixels
WINDOW = 0.016  # most F1 above and below dense that the axis shows, so that an outlier does not squeeze the others

_BASELINES = (BASELINE, TRUNCATE, MODEL)  # kinds
_BELOW, _ABOVE = 0.003, 0.002  # F1 that the axis shows beyond the marks, for their intervals


class PlottedVariant(Protocol):
    """A variant at one batch size."""

    @property
    def label(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def f1(self) -> float: ...
    @property
    def speedup(self) -> float: ...


M = TypeVar("M", bound=PlottedVariant)


def reference(variants: Sequence[M]) -> M:
    """Dense in the first dtype, whose speed-up is 1."""
    return min((one for one in variants if one.kind == DENSE), key=lambda one: abs(one.speedup - 1))


def frontier(variants: Sequence[M]) -> list[M]:
    """The variants that no other beats in both F1 and speed-up, the fastest first."""
    best: list[M] = []
    for one in sorted(variants, key=lambda one: (-one.speedup, -one.f1)):
        if not best or one.f1 > best[-1].f1:
            best.append(one)
    return best


def to_label(variants: Sequence[M]) -> list[M]:
    """Chooses at most ``LABELS`` variants, the most important first: dense, the frontier, then the best baselines.

    The best baselines are those from outside that no other of them beats; then come the fastest of all. One that ran
    in several dtypes has a label in one of them, unless it is on the frontier in more.
    """
    dense = reference(variants)
    chosen = [dense, *(one for one in frontier(variants) if one is not dense)]
    baselines = [one for one in variants if one.kind in _BASELINES]
    best = frontier([one for one in baselines if one.kind == BASELINE])
    for one in (*best, *sorted(baselines, key=lambda one: -one.speedup)):
        if _name_without_dtype(one) not in map(_name_without_dtype, chosen):
            chosen.append(one)
    return chosen[:LABELS]


def f1_axis(variants: Sequence[PlottedVariant]) -> tuple[float, float]:
    """Lowest and highest F1 of the axis; variants beyond it stand at its edge, with their F1 in their label.

    Beside a cascade the axis shows all, so that it reaches from the small model to the large one.
    """
    centre = reference(variants).f1
    cascade = any(one.kind == CASCADE for one in variants)
    inside = [one.f1 for one in variants if cascade or abs(one.f1 - centre) <= WINDOW]
    return min(inside) - _BELOW, max(inside) + _ABOVE


def _name_without_dtype(one: PlottedVariant) -> str:
    return one.label.partition(" (")[0]
