"""The record of a report: what every variant found in every document, at what cost, and how long it took.

All tables of a report are functions of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from engine.corpora import Corpus
from engine.paths import Paths
from engine.pruning.cost import Cost, add
from engine.pruning.passes import exit_layers
from engine.pruning.strategy import Strategy
from engine.text.documents import Entity
from engine.text.scoring import Counts, count_documents
from eval.schema import CASCADE, CONTROLS, DENSE


@dataclass(frozen=True)
class Variant:
    """What is measured: a strategy, a control, a baseline or another model."""

    name: str  # identifies it in the run, its files and its report
    kind: str  # dense, truncate, random, cascade, a controller's kind, baseline or model
    dtype: str  # number format that it runs in
    device: str = "cpu"  # torch device that it runs on
    strategy: Strategy | None = None  # of a control, that of the strategy beside it; none for baselines and models
    settings: Mapping[str, Any] = field(default_factory=dict)  # for the report
    layers: tuple[int, ...] = ()  # number of layers of each stage of the tagger; none for baselines and other models
    control: str = ""  # random, sentence or argmax
    runtime: str = ""  # of a baseline
    layer: int = 0  # after which the network is cut; 0 if it is whole
    is_default: bool = False  # whether its model runs it if nothing is named

    @property
    def prunes(self) -> bool:
        """Whether it is a strategy that chooses words, or windows."""
        if self.strategy is None or self.kind in CONTROLS:
            return False
        return self.strategy.prunes or self.kind == CASCADE

    @property
    def point(self) -> str:
        """Operating point of a strategy; empty for all others."""
        return self.strategy.point if self.strategy and self.kind not in CONTROLS else ""

    @property
    def recovers(self) -> bool:
        """Whether words may come back."""
        return self.strategy is not None and self.strategy.recovery is not None

    @property
    def gates(self) -> tuple[int, ...]:
        """Layers after which words may exit; words that the large model of a cascade does not read exit before it."""
        return exit_layers(self.strategy, self.layers) if self.strategy else ()


@dataclass(frozen=True)
class Prediction:
    """What a variant found in a document. Only strategies and controls have paths and a cost."""

    entities: tuple[Entity, ...]
    paths: Paths | None = None  # of its words
    cost: Cost | None = None


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of one variant.

    ``corpus``: with gold; its types are the scored ones.
    ``runs``: the predictions in all documents, under each seed of a control.
    ``elsewhere``: the same variant on further corpora, without times.
    ``times``: batch size → milliseconds of each batch of timed documents, ``(batches,)``: the median over passes.
    """

    variant: Variant
    corpus: Corpus
    runs: Sequence[Sequence[Prediction]]
    elsewhere: Sequence["Measured"] = ()
    times: Mapping[int, np.ndarray] = field(default_factory=dict)

    @property
    def predictions(self) -> Sequence[Prediction]:
        """Those in all documents under the first seed."""
        return self.runs[0]

    @cached_property
    def counts(self) -> list[list[Counts]]:
        """Matches, predictions and gold mentions of the scored types in each document, for each run."""
        documents, types = self.corpus.documents, self.corpus.types
        return [count_documents(documents, [prediction.entities for prediction in run], types) for run in self.runs]

    @property
    def counts_elsewhere(self) -> list[list[Counts]]:
        """The counts of all documents of the further corpora, for each run; no runs if there are none."""
        by_corpus = (measured.counts for measured in self.elsewhere)
        return [list(chain.from_iterable(parts)) for parts in zip(*by_corpus, strict=True)]

    @cached_property
    def cost(self) -> Cost | None:
        """The cost of all documents, if known."""
        costs = [prediction.cost for prediction in self.predictions if prediction.cost]
        return add(costs) if costs else None

    @cached_property
    def read_by_large(self) -> float | None:
        """The share of the words that the large model of a cascade read; None for all others."""
        *small, _ = self.variant.layers or (0,)
        every = [prediction.paths for prediction in self.predictions if prediction.paths]
        read = [~paths.exited | (paths.layer > sum(small)) for paths in every]
        return float(np.concatenate(read).mean()) if small and any(map(len, read)) else None


def dense_of(measured: Mapping[str, Measured], dtype: str = "") -> Measured:
    """Dense in a dtype; if it did not run in that one, dense in the first dtype, the reference of the whole report."""
    every = [each for each in measured.values() if each.variant.kind == DENSE]
    return next((each for each in every if each.variant.dtype == dtype), every[0])
