"""What an engine finds in a text: entities and, on demand, their cost and trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.cascade import JudgedWindow, select
from engine.latency import Latency
from engine.pruning.cost import Cost, add, unread_cost, window_cost, with_small
from engine.pruning.record import Record
from engine.pruning.strategy import Strategy
from engine.pruning.trace import Trace, of_both, word_traces
from engine.pytorch.chunks import Slot
from engine.text.documents import Entity
from engine.text.windows import Window
from engine.text.words import Span

if TYPE_CHECKING:
    from engine.compiled.passes import CompiledModel
    from engine.pytorch.backend import PyTorchModel


@dataclass(frozen=True, eq=False)
class Judgement:
    """What the small model of a cascade found in a text, and which windows of the large one it doubts.

    ``probabilities``: float32 ``(words, labels)``, labels in the order of the large model.
    ``windows``: the large model's; ``judged``: the same, as judged.
    """

    result: Result
    probabilities: np.ndarray
    windows: Sequence[Window]
    judged: tuple[JudgedWindow, ...]

    def windows_where(self, *, read: bool) -> list[Window]:
        """The windows that the large model reads or, if not ``read``, the others."""
        return select(self.windows, self.judged, read=read)


@dataclass(frozen=True, eq=False)
class Result:
    """The entities of one text and, on demand, its trace.

    ``words``: character spans of the words.
    ``probabilities``: float32 ``(words, labels)``.
    ``judgement``: in a cascade, what its small model found, and which windows the large one then read.
    """

    text: str
    entities: tuple[Entity, ...]
    strategy: Strategy
    words: list[Span]
    probabilities: np.ndarray = field(repr=False)
    latency: Latency
    _runs: list[tuple[Slot, Record]] = field(repr=False)
    _model: PyTorchModel | CompiledModel | None = field(repr=False)
    judgement: Judgement | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Drops the records after computing what needs them."""
        found = {"cost": self.cost, "recovered": self.recovered, "exits": self.exits, "trace": self.trace}
        return vars(self) | found | {"_runs": [], "_model": None}

    @cached_property
    def cost(self) -> Cost:
        """Rows, token-layers and MACs."""
        assert self._model is not None, "a pickled result has its cost"
        sizes = self._model.sizes
        costs = [window_cost(sizes, record, slot.index) for slot, record in self._runs]
        if self.judgement is None:
            return add(costs, sizes.layers)
        costs += [unread_cost(sizes, window) for window in self.judgement.windows_where(read=False)]
        return with_small(add(costs, sizes.layers), self.judgement.result.cost)

    @cached_property
    def recovered(self) -> bool:
        """Whether any word came back."""
        return any(record.recovered[slot.own].any() for slot, record in self._runs)

    @cached_property
    def exits(self) -> list[int]:
        """For each word, the layer after which it exited: 0 if it did not, negative if it came back.

        In a cascade these are layers of the model that labelled the word last.
        """
        found: list[int] = []
        for slot, record in self._runs:
            own = slot.own
            state = np.where(record.recovered[own], -1, np.where(record.alive[own], 0, 1))
            found += (state * record.exit_at[own]).tolist()
        if self.judgement is None:
            return found
        return list(of_both(self.judgement.result.exits, found, self.judgement.judged))

    @cached_property
    def trace(self) -> Trace:
        """The layer, state and scores at each gate of every word."""
        words = word_traces(self.text, self.words, self.probabilities, self._runs, self.strategy)
        if self.judgement is None:
            return Trace(self.strategy, words, self.cost, self.latency)
        judged = self.judgement.judged
        words = of_both(self.judgement.result.trace.words, words, judged)
        return Trace(self.strategy, words, self.cost, self.latency, judged)
