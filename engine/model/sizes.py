"""Sizes of an encoder and its label heads, from which costs follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sizes:
    """What costs depend on; layers are numbered from 1.

    Args:
        hidden: size of hidden states.
        row_macs: MACs of each layer for one row, besides attention between rows.
        pair_macs: MACs of each layer for one pair of rows, of which one attends to the other.
        sight: number of rows that a row sees in each layer at most.
        head_macs: MACs of the label head after each layer, for one word.
    """

    hidden: int
    row_macs: tuple[int, ...]
    pair_macs: tuple[int, ...]
    sight: tuple[int, ...]
    head_macs: tuple[int, ...]

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.row_macs)

    def layer_macs(self, number: int, rows: int) -> int:
        """MACs of layer ``number`` over one window of so many rows."""
        at = number - 1
        return rows * (self.row_macs[at] + self.pair_macs[at] * min(rows, self.sight[at]))

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Sizes:
        """Builds the sizes from an object made of them."""
        values: dict[str, Any] = {name: tuple(of) if isinstance(of, list) else of for name, of in record.items()}
        return cls(**values)
