"""The passes of a tagger's stages over a text, and the paths of its words through them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from engine.paths import Paths, State
from engine.pruning.cost import Cost, Sizes, cost_of
from engine.pruning.record import WindowRecord
from engine.pruning.strategy import Strategy
from engine.text.windows import Window


@dataclass(frozen=True, eq=False)
class Pass:
    """The pass of one stage over a text."""

    strategy: Strategy  # of the stage
    sizes: Sizes
    records: Sequence[WindowRecord]  # of the windows that it read, in order
    windows: Sequence[Window]  # all of the text

    @property
    def cost(self) -> Cost:
        return cost_of(self.sizes, self.records, self.windows)


def paths_of(passes: Sequence[Pass], label: np.ndarray) -> Paths:
    """The paths of the words of a text, whose final labels are given, str ``(words,)``.

    A word that a stage does not read exits after the last layer before that stage, or earlier. One that exited, and
    that a later stage computes to the end, came back.
    """
    layer, state, before = np.zeros(len(label), np.int64), np.full(len(label), State.KEPT, np.int64), 0
    for stage in passes:
        last, previous = layer, state
        layer, state = np.where(state == State.EXITED, layer, before), np.full_like(state, State.EXITED)
        for record in stage.records:
            words, inner = slice(record.window.label_start, record.window.label_end), record.window.labelled
            found = np.select([record.recovered, record.exited], [State.RECOVERED, State.EXITED], State.KEPT)[inner]
            back = (previous[words] != State.KEPT) & (found != State.EXITED)
            layer[words] = np.where(back, last[words], before + record.exit_at[inner])
            state[words] = np.where(back, State.RECOVERED, found)
        before += stage.sizes.layers
    return Paths(layer, state, label)


def exit_layers(strategy: Strategy, layers: Sequence[int]) -> tuple[int, ...]:
    """Layers after which words may exit under a strategy, given the number of layers of each of its stages."""
    begins = [0, *accumulate(layers)]
    gates = [begin + gate for begin, stage in zip(begins, strategy.stages, strict=False) for gate in stage.gates]
    return tuple(sorted({*gates, *begins[1:-1]}))  # words that a stage does not read exit before it
