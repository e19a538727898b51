"""What an engine finds in a text: entities and, on demand, their cost and trace."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from engine.latency import Latency
from engine.paths import Paths
from engine.pruning.cost import Cost, stacked
from engine.pruning.passes import Pass, exit_layers, paths_of
from engine.pruning.strategy import Strategy
from engine.pruning.trace import JudgedWindow, Trace, word_traces
from engine.text.decoding import Decoded
from engine.text.documents import Entity
from engine.text.labels import LabelSet
from engine.text.words import Span


@dataclass(frozen=True, eq=False)
class Output:
    """What the stages of an engine computed of a text."""

    words: list[Span]  # in characters
    probabilities: np.ndarray = field(repr=False)  # float32 (words, labels), each word's final label distribution
    passes: Sequence[Pass] = field(repr=False)  # of each stage that the strategy has
    windows: tuple[JudgedWindow, ...] = field(default=(), repr=False)  # of a cascade


@dataclass(frozen=True, eq=False, kw_only=True)
class Result(Output):
    """The entities of one text, the paths of its words and, on demand, its trace; pickling drops its records."""

    text: str
    decoded: Decoded
    strategy: Strategy
    latency: Latency
    paths: Paths = field(repr=False)

    @classmethod
    def of(
        cls, output: Output, text: str, strategy: Strategy, labels: LabelSet, decoded: Decoded, took: Latency
    ) -> Self:
        """The result of an output that was decoded."""
        paths = paths_of(output.passes, np.array(labels.names)[decoded.labels])
        return cls(text=text, decoded=decoded, strategy=strategy, latency=took, paths=paths, **vars(output))

    @property
    def entities(self) -> tuple[Entity, ...]:
        """The entities, in order."""
        return self.decoded.entities

    def __getstate__(self) -> dict[str, Any]:
        """Drops the records after computing what needs them."""
        passes = [replace(run, records=(), windows=()) for run in self.passes]
        return vars(self) | {"cost": self.cost, "trace": self.trace, "passes": passes}

    @cached_property
    def cost(self) -> Cost:
        """Rows, token-layers and MACs; the layers of all stages one after another."""
        return stacked([run.cost for run in self.passes])

    @cached_property
    def trace(self) -> Trace:
        """What happened to each word."""
        return Trace(
            word_traces(self.text, self.words, self.probabilities, self.decoded, self.paths, self.passes), self.windows
        )

    @property
    def exit_layers(self) -> tuple[int, ...]:
        """Layers after which words may exit, numbered as in the paths."""
        return exit_layers(self.strategy, [run.sizes.layers for run in self.passes])
