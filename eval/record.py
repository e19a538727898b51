"""The record of a run: what every variant found in every document, at what cost, and how long it took.

A log has a line for each batch in each pass. In a line, every variant has its milliseconds and, in the first pass, a
row for each document (`Row`), for ``random`` under each of its seeds. All tables of a report are functions of the
record and the corpus.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from engine.formats.corpora import Corpus
from engine.latency import Times, Unit, units
from engine.pruning.cost import Cost, add
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import RECOVERY
from engine.text.documents import Document, Entity
from eval.schema import BASELINE, CASCADE, DENSE, MODEL, RANDOM, TRUNCATE


@dataclass(frozen=True)
class Variant:
    """What is measured: a strategy, a control, a baseline or another model."""

    name: str  # as typed; two variants of the same name differ in dtype
    kind: str  # see `eval.schema.VariantResult`
    dtype: str  # number format that it runs in
    device: str  # torch device that it runs on
    strategy: Strategy | None = None  # for controls, the one that they replay; none for baselines and other models
    settings: Mapping[str, Any] = field(default_factory=dict)  # for the report
    small_layers: int = 0  # layers of the small model of a cascade, which are numbered before those of the large one

    @property
    def key(self) -> str:
        """Identifies the variant within a run."""
        return f"{self.name} {self.dtype}"

    @property
    def replays(self) -> str:
        """For controls, the strategy whose numbers of words they replay."""
        return self.strategy.name if self.strategy and self.kind == RANDOM else ""

    @property
    def prunes(self) -> bool:
        """Whether it is a strategy that chooses words, or windows."""
        return self.strategy is not None and self.kind != RANDOM and (self.strategy.prunes or self.kind == CASCADE)

    @property
    def gates(self) -> tuple[int, ...]:
        """Layers after which words may exit; words that the large model of a cascade does not read exit before it."""
        gates = self.strategy.gates if self.strategy else ()
        if not self.small_layers:
            return gates
        return self.small_layers, *(self.small_layers + gate for gate in gates)

    def must_beat(self, other: Variant) -> bool:
        """Whether this strategy is only worth its time if it beats another variant.

        It must beat every baseline and, in its own dtype, other models, stopping after a layer, its control, and itself
        without recovery.
        """
        if not self.prunes:
            return False
        without_recovery = RECOVERY in self.name and other.name == self.name.replace(RECOVERY, "")
        alike = other.kind in (MODEL, TRUNCATE) or other.replays == self.name or without_recovery
        return other.kind == BASELINE or (alike and other.dtype == self.dtype)


@dataclass(frozen=True)
class Row:
    """A document under a variant. Only strategies and controls have exits and a cost."""

    entities: tuple[Entity, ...]
    exits: Sequence[int] = ()  # of `Variant.gates`, that at which each word exited; 0 if none, negative if it came back
    cost: Cost | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON object, without the text of the entities."""
        spans = [(one.start, one.end, one.type, round(one.score, 6)) for one in self.entities]
        return {"spans": spans, "exits": self.exits, "cost": self.cost and asdict(self.cost)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any], text: str) -> Row:
        """The row of a document with this text."""
        entities = tuple(
            Entity(start, end, type_, text[start:end], score) for start, end, type_, score in record["spans"]
        )
        cost = record["cost"]
        return cls(entities, record["exits"], cost and Cost(**cost | {"rows": tuple(cost["rows"])}))


@dataclass(frozen=True, eq=False)
class Plan:
    """What a run measures, and in which order."""

    corpus: Corpus  # with gold; its types are the scored ones
    variants: Sequence[Variant]
    batch_sizes: Sequence[int]  # numbers of documents per call
    timed: Sequence[int]  # ascending indices of the documents that are timed; predictions are made for all

    def units(self) -> list[Unit]:
        """All batches in the order in which they run."""
        return [unit for size in self.batch_sizes for unit in units(len(self.corpus.documents), size, len(self.timed))]

    def documents(self, unit: Unit) -> Sequence[Document]:
        """The documents of a batch, out of all documents in the discarded pass and out of the timed ones afterwards."""
        places = slice(unit.batch * unit.batch_size, (unit.batch + 1) * unit.batch_size)
        if unit.pass_number == 0:
            return self.corpus.documents[places]
        return [self.corpus.documents[place] for place in self.timed[places]]


@dataclass(frozen=True, eq=False)
class Measured:
    """The record of one variant at one batch size. For ``random``, all but ``runs`` belongs to the first seed."""

    variant: Variant
    batch_size: int  # documents per call
    runs: list[list[Row]]  # of each document, for each seed of ``random``; one run for all others
    times: Times  # of the timed documents
    timed: np.ndarray  # indices of the timed documents

    @property
    def rows(self) -> list[Row]:
        """The rows of the first run, in the order of the documents."""
        return self.runs[0]

    @cached_property
    def cost(self) -> Cost | None:
        """The cost of all documents, if known."""
        costs = [row.cost for row in self.rows if row.cost]
        return add(costs, len(costs[0].rows)) if costs else None

    @cached_property
    def read_by_large(self) -> float | None:
        """The share of the words that the large model of a cascade read; None for all others."""
        small = self.variant.small_layers
        exits = np.array([exit_ for row in self.rows for exit_ in row.exits])
        return float(((exits == 0) | (abs(exits) > small)).mean()) if small and len(exits) else None


Record = Mapping[int, Mapping[str, Measured]]  # by batch size, and by `Variant.key`


def dense_of(measured: Mapping[str, Measured], dtype: str = "") -> Measured:
    """Dense in a dtype; if it did not run in that one, dense in the first dtype, the reference of the whole run."""
    found = [one for one in measured.values() if one.variant.kind == DENSE]
    return next((one for one in found if one.variant.dtype == dtype), found[0])


def read_record(plan: Plan, log: Iterable[Mapping[str, Any]]) -> Record:
    """Reads a complete log once."""
    timed = np.array(plan.timed)
    record = {
        size: {one.key: Measured(one, size, [], Times(-(-len(timed) // size)), timed) for one in plan.variants}
        for size in plan.batch_sizes
    }
    for line in log:
        if "unit" not in line:  # facts about the run
            continue
        unit = Unit(**line["unit"])
        texts = [document.text for document in plan.documents(unit)]
        for key, call in line["calls"].items():
            measured = record[unit.batch_size][key]
            if unit.pass_number:
                measured.times.add(unit.batch, call["ms"])
            for number, rows in enumerate(call["runs"]):
                if number == len(measured.runs):
                    measured.runs.append([])
                measured.runs[number] += [Row.from_json(*pair) for pair in zip(rows, texts, strict=True)]
    first, *others = record.values()
    for by_key in others:  # which words a seed chooses does not depend on the batch size, so others ran at the first
        for key, measured in by_key.items():
            measured.runs.extend(first[key].runs[1:])
    return record
