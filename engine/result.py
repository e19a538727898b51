"""What an engine finds in a text: entities and, on demand, their cost and trace."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from engine.latency import Latency
from engine.pruning.cost import Cost, Sizes, add, unread_cost, window_cost, with_small
from engine.pruning.record import Record
from engine.pruning.strategy import Strategy
from engine.pruning.trace import JudgedWindow, Trace, of_both, word_traces
from engine.text.documents import Entity
from engine.text.windows import Window
from engine.text.words import Span


@dataclass(frozen=True, eq=False)
class Judgement:
    """What the small model of a cascade found in a text, and which windows of the large one it doubts."""

    result: "Result"  # the small model's
    windows: Sequence[Window]  # the large model's
    judged: tuple[JudgedWindow, ...]  # the same, as judged

    def windows_where(self, *, read: bool) -> list[Window]:
        """The windows that the large model reads or, if not ``read``, the others."""
        return [window for window, judged in zip(self.windows, self.judged, strict=True) if judged.read == read]


@dataclass(frozen=True, eq=False)
class Result:
    """The entities of one text and, on demand, its trace."""

    text: str
    entities: tuple[Entity, ...]
    strategy: Strategy
    words: list[Span]  # in characters
    probabilities: np.ndarray = field(repr=False)  # float32 (words, labels)
    latency: Latency
    records: Sequence[Record] = field(repr=False)  # of its windows; in a cascade, of those that the large model read
    sizes: Sizes = field(repr=False)
    judgement: Judgement | None = field(default=None, repr=False)  # of a cascade

    def __getstate__(self) -> dict[str, Any]:
        """Drops the records after computing what needs them."""
        computed = {"cost": self.cost, "recovered": self.recovered, "exits": self.exits, "trace": self.trace}
        return vars(self) | computed | {"records": []}

    @cached_property
    def cost(self) -> Cost:
        """Rows, token-layers and MACs."""
        costs = [window_cost(self.sizes, record) for record in self.records]
        if self.judgement is None:
            return add(costs, self.sizes.layers)
        costs += [unread_cost(self.sizes, window) for window in self.judgement.windows_where(read=False)]
        return with_small(add(costs, self.sizes.layers), self.judgement.result.cost)

    @cached_property
    def recovered(self) -> bool:
        """Whether any word came back."""
        return any(record.recovered[record.own].any() for record in self.records)

    @cached_property
    def exits(self) -> list[int]:
        """For each word, the layer after which it exited: 0 if it did not, negative if it came back.

        In a cascade these are layers of the model that labelled the word last.
        """
        exits: list[int] = []
        for record in self.records:
            state = np.where(record.recovered, -1, np.where(record.exited, 1, 0))
            exits += (state * record.exit_at)[record.own].tolist()
        if self.judgement is None:
            return exits
        return list(of_both(self.judgement.result.exits, exits, self.judgement.judged))

    @cached_property
    def trace(self) -> Trace:
        """What happened to each word, in a cascade in the model that labelled it last."""
        words = word_traces(self.text, self.words, self.probabilities, self.records, self.strategy)
        if self.judgement is None:
            return Trace(self.strategy, words, self.cost, self.latency)
        judged = self.judgement.judged
        words = of_both(self.judgement.result.trace.words, words, judged)
        return Trace(self.strategy, words, self.cost, self.latency, judged)
