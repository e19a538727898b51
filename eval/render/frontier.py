"""Chooses the frontier, the labels and the F1 axis of figures of F1 against speed-up, and places the labels.

Used by the report and the app; pure Python, without a plotting library or tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Protocol, TypeVar

from eval.schema import BASELINE, DENSE, MODEL, TRUNCATE

LABELS = 8  # most labels in a panel; more cannot be read at 800 pixels
WINDOW = 0.016  # most F1 above and below dense that the axis shows, so that an outlier does not squeeze the others
REACH = 30.0  # most pixels between a mark and its label

_BASELINES = (BASELINE, TRUNCATE, MODEL)  # kinds
_BELOW, _ABOVE = 0.003, 0.002  # F1 that the axis shows beyond the marks, for their intervals
_MARK = 18.0  # width and height of a mark in pixels
_DISTANCES = (12.0, 18.0, 24.0, REACH)  # of a label from its mark, in pixels
_GAP = 3.0  # pixels between two labels side by side

Box = tuple[float, float, float, float]  # left, right, bottom, top


class PlottedVariant(Protocol):
    """A variant at one batch size; ``f1``, 0–1, is ``None`` if only its speed was measured."""

    @property
    def label(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def f1(self) -> float | None: ...
    @property
    def speedup(self) -> float: ...


M = TypeVar("M", bound=PlottedVariant)


def reference(variants: Sequence[M]) -> M:
    """Dense in the first dtype, whose speed-up is 1."""
    return min((one for one in variants if one.kind == DENSE), key=lambda one: abs(one.speedup - 1))


def frontier(variants: Sequence[M]) -> list[M]:
    """The variants that no other beats in both F1 and speed-up, the fastest first."""
    best: list[M] = []
    for one in sorted(variants, key=lambda one: (-one.speedup, -_f1(one))):
        if one.f1 is not None and (not best or one.f1 > _f1(best[-1])):
            best.append(one)
    return best


def to_label(variants: Sequence[M]) -> list[M]:
    """Chooses at most ``LABELS`` variants, the most important first: dense, the frontier, then the best baselines.

    The best baselines are those from outside that no other of them beats; then come the fastest of all. One that ran
    in several dtypes has a label in one of them, unless it is on the frontier in more.
    """
    dense = reference(variants)
    chosen = [dense, *(one for one in frontier(variants) if one is not dense)]
    baselines = [one for one in variants if one.kind in _BASELINES and one.f1 is not None]
    best = frontier([one for one in baselines if one.kind == BASELINE])
    for one in (*best, *sorted(baselines, key=lambda one: -one.speedup)):
        if _name_without_dtype(one) not in map(_name_without_dtype, chosen):
            chosen.append(one)
    return chosen[:LABELS]


def f1_axis(variants: Sequence[PlottedVariant]) -> tuple[float, float]:
    """Lowest and highest F1 of the axis; variants beyond it stand at its edge, with their F1 in their label."""
    centre = _f1(reference(variants))
    inside = [_f1(one) for one in variants if abs(_f1(one) - centre) <= WINDOW]
    return min(inside) - _BELOW, max(inside) + _ABOVE


def place(
    marks: Sequence[tuple[float, float]], labels: Mapping[int, tuple[float, float]], size: tuple[float, float]
) -> dict[int, tuple[float, float]]:
    """Places labels, each as near to its mark as there is room for.

    Args:
        marks: centres of all marks, in pixels.
        labels: width and height of each label in pixels, by the index of its mark, the most important first.
        size: width and height of the drawing in pixels.

    Returns:
        The centre of each label; its box is at most ``REACH`` away from the centre of its mark in either direction.
    """
    taken = [_box(mark, (_MARK, _MARK)) for mark in marks]
    found = {}
    for index, own in labels.items():
        boxes = [(centre, _box(centre, own)) for centre in _centres_around(marks[index], own)]
        inside = [(c, b) for c, b in boxes if b[0] >= 0 and b[1] <= size[0] and b[2] >= 0 and b[3] <= size[1]]
        centre, box = min(inside or boxes, key=lambda one: sum(_shared_area(one[1], other) for other in taken))
        found[index] = centre
        taken.append((box[0] - _GAP, box[1] + _GAP, *box[2:]))
    return found


def _centres_around(mark: tuple[float, float], own: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Yields centres of a label around its mark, the nearest first: beside it, then above and below."""
    x, y = mark
    for distance in _DISTANCES:
        across, up = distance + own[0] / 2, distance + own[1] / 2
        yield from ((x + across, y), (x - across, y))
        for vertical, share in product((up, -up), (0.0, 0.5, -0.5, 1.0, -1.0)):
            yield x + share * across, y + vertical


def _box(centre: tuple[float, float], size: tuple[float, float]) -> Box:
    (x, y), (width, height) = centre, size
    return x - width / 2, x + width / 2, y - height / 2, y + height / 2


def _shared_area(one: Box, other: Box) -> float:
    """The area that two boxes have in common."""
    width = min(one[1], other[1]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[2], other[2])
    return max(0.0, width) * max(0.0, height)


def _name_without_dtype(one: PlottedVariant) -> str:
    return one.label.partition(" (")[0]


def _f1(one: PlottedVariant) -> float:
    return 0.0 if one.f1 is None else one.f1
