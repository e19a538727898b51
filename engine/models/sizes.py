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
        head_macs: MACs of the label head after each layer, for one word.
    """

    hidden: int
    row_macs: tuple[int, ...]
    head_macs: tuple[int, ...]

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.row_macs)

    def layer_macs(self, number: int, rows: int) -> int:
        """MACs of layer ``number`` over one window of so many rows."""
        return rows * (self.row_macs[number - 1] + 2 * self.hidden * rows)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Sizes:
        """Builds the sizes from an object made of them; earlier versions stored others, too."""
        return cls(record["hidden"], tuple(record["row_macs"]), tuple(record["head_macs"]))
