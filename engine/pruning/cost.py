"""MACs by formula.

A layer with n rows, hidden size d and intermediate size f costs ``4nd² + 2ndf + 2n²d`` (``12nd² + 2n²d`` where f = 4d;
families that differ override `Family.row_macs`); a label head ``d · labels`` for each word.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.pruning.record import WindowRecord
from engine.text.windows import Window


@dataclass(frozen=True)
class Sizes:
    """The sizes of a model that costs depend on; layers are numbered from 1."""

    hidden: int  # size of hidden states
    row_macs: tuple[int, ...]  # MACs of each layer for one row, besides attention between rows
    head_macs: tuple[int, ...]  # MACs of the label head after each layer, for one word

    @property
    def layers(self) -> int:
        return len(self.row_macs)

    def layer_macs(self, number: int, rows: int) -> int:
        """MACs of layer ``number`` over a window with this number of rows."""
        return rows * (self.row_macs[number - 1] + 2 * self.hidden * rows)


@dataclass(frozen=True)
class Cost:
    """Rows and MACs of a text under a strategy, and under our dense pass for comparison."""

    rows: tuple[int, ...]  # computed rows of each layer
    dense_token_layers: int
    macs: int
    dense_macs: int

    @property
    def token_layers(self) -> int:
        return sum(self.rows)

    @property
    def token_layers_kept(self) -> float:
        """Share of the dense token-layers that were computed."""
        return self.token_layers / self.dense_token_layers if self.dense_token_layers else 1.0

    @property
    def theoretical_speedup(self) -> float:
        """Dense MACs ÷ the strategy's MACs, which is the speed-up if time is proportional to MACs."""
        return self.dense_macs / self.macs if self.macs else 1.0


def cost_of(sizes: Sizes, records: Sequence[WindowRecord], windows: Sequence[Window]) -> Cost:
    """The cost of the windows that ran, including recovery, and of a dense pass over all windows."""
    layers, rows, macs = range(1, sizes.layers + 1), [0] * sizes.layers, 0
    for record in records:
        for number, computed in record.rows:
            rows[number - 1] += computed
            macs += sizes.layer_macs(number, computed)
        macs += sum(words * sizes.head_macs[number - 1] for number, words in record.labelled)
    lengths = [len(window.input_ids) for window in windows]
    dense = sum(sizes.layer_macs(number, length) for length in lengths for number in layers)
    dense += sizes.head_macs[-1] * sum(window.num_words for window in windows)
    return Cost(tuple(rows), sizes.layers * sum(lengths), macs, dense)


def add(costs: Sequence[Cost]) -> Cost:
    """Adds the costs of one or more texts."""
    return Cost(
        rows=tuple(map(sum, zip(*(cost.rows for cost in costs), strict=True))),
        dense_token_layers=sum(cost.dense_token_layers for cost in costs),
        macs=sum(cost.macs for cost in costs),
        dense_macs=sum(cost.dense_macs for cost in costs),
    )


def stacked(costs: Sequence[Cost]) -> Cost:
    """The cost of a text in all stages, whose layers follow each other; the dense pass is that of the last stage."""
    rows = tuple(computed for cost in costs for computed in cost.rows)
    return replace(costs[-1], rows=rows, macs=sum(cost.macs for cost in costs))
