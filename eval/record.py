"""The record of a run: what every variant found in every document, at what cost, and how long it took.

It is one table in memory and one log on disk. A line of the log is a batch in one pass: for each variant its
milliseconds and, in the first pass, a row for each document (`Row`), for controls under each of their seeds. All tables
of a report are functions of the record and the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from engine import latency
from engine.cli.runs import Log
from engine.errors import InputError, first_line
from engine.formats.corpora import Corpus
from engine.latency import Unit, units
from engine.pruning.cost import Cost, add
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import RECOVERY
from engine.text.documents import Document, Entity
from eval.schema import BASELINE, CASCADE, DENSE, MODEL, RANDOM, TRUNCATE

NO_POINT = ("", "default", "custom")  # `Strategy.point`: not an operating point


@dataclass(frozen=True)
class Variant:
    """What is measured: a strategy, a control, a baseline or another model."""

    title: str  # its name but for the dtype
    kind: str  # see `eval.schema.VariantResult`
    dtype: str  # number format that it runs in
    device: str  # torch device that it runs on
    strategy: Strategy | None = None  # for controls, the one that they replay; none for baselines and other models
    settings: Mapping[str, Any] = field(default_factory=dict)  # for the report
    small_layers: int = 0  # layers of the small model of a cascade, which are numbered before those of the large one
    one_of_several: bool = False  # whether the run has it in several dtypes

    @property
    def name(self) -> str:
        """Identifies the variant in the run, its files and its report."""
        return self._with_dtype(self.title)

    @property
    def replays(self) -> str:
        """For controls, the name of the strategy whose numbers of words they replay."""
        return self._with_dtype(title_of(self.strategy)) if self.strategy and self.kind == RANDOM else ""

    def _with_dtype(self, title: str) -> str:
        return f"{title} ({self.dtype})" if self.one_of_several else title

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
        without_recovery = RECOVERY in self.title and other.title == self.title.replace(RECOVERY, "")
        alike = other.kind in (MODEL, TRUNCATE) or other.replays == self.name or without_recovery
        return other.kind == BASELINE or (alike and other.dtype == self.dtype)


def title_of(strategy: Strategy) -> str:
    """The name of a strategy with its operating point, if it has one: ``entropy:balanced``."""
    return strategy.name if strategy.point in NO_POINT or ":" in strategy.name else f"{strategy.name}:{strategy.point}"


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
    """The record of one variant at one batch size. For controls, times and cost are those of the first seed."""

    variant: Variant
    batch_size: int  # documents per call
    placed: list[dict[int, Row]]  # by the document's index, for each seed of a control; one for all others
    passes: np.ndarray  # milliseconds, ``(passes, batches)`` of the timed documents; NaN until they are measured
    seeded: Measured | None = None  # the same at the first batch size, at which further seeds run

    @cached_property
    def runs(self) -> list[list[Row]]:
        """The rows of all documents in their order, for each seed."""
        # Which words a seed chooses does not depend on the batch size, so further seeds run at the first size alone.
        placed = [*self.placed[:1], *self.seeded.placed[1:]] if self.seeded else self.placed
        return [[run[index] for index in sorted(run)] for run in placed]

    @property
    def rows(self) -> list[Row]:
        """The rows of the first run."""
        return self.runs[0]

    @cached_property
    def times(self) -> np.ndarray:
        """Milliseconds of each batch, ``(batches,)``: the median over passes."""
        return np.median(self.passes, axis=0)

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


class Record:
    """The record of a run: `Measured` by batch size and name of the variant, and the log that a killed run continues.

    ``todo``: the batches that are still to be measured.

    Raises:
        InputError: if the log is damaged, or a batch is missing before its last one.
    """

    def __init__(self, plan: Plan, log: Log) -> None:
        self.plan, self.log = plan, log
        self.by_size: dict[int, dict[str, Measured]] = {}
        for size in plan.batch_sizes:
            shape = latency.PASSES, -(-len(plan.timed) // size)
            first = next(iter(self.by_size.values()), {})
            self.by_size[size] = {
                one.name: Measured(one, size, [{}], np.full(shape, np.nan), first.get(one.name))
                for one in plan.variants
            }
        planned, done = plan.units(), self._read()
        for wanted, unit in zip(planned, done, strict=False):
            if wanted != unit:
                raise InputError(
                    f"expected batch {wanted.batch} of pass {wanted.pass_number} at batch size {wanted.batch_size} in "
                    f"{log.path}, got batch {unit.batch} of pass {unit.pass_number}: a line is missing; restore it, or "
                    "use another --out"
                )
        self.todo = planned[len(done) :]

    @property
    def first(self) -> Mapping[str, Measured]:
        """The variants at the first batch size."""
        return next(iter(self.by_size.values()))

    def __iter__(self) -> Iterator[Measured]:
        """All variants, batch size by batch size."""
        return (one for measured in self.by_size.values() for one in measured.values())

    def facts(self, name: str) -> list[Any]:
        """What the log says about a fact of the run that is no batch, such as ``load``, each time it was noted."""
        return [line[name] for line in self.log if name in line]

    def add(self, unit: Unit, calls: Mapping[str, tuple[float, Sequence[Sequence[Row]]]]) -> None:
        """Adds a batch: for each variant its milliseconds, and its rows under each seed."""
        rows = {name: [[row.to_json() for row in run] for run in runs] for name, (_, runs) in calls.items()}
        line = {"unit": asdict(unit), "calls": {name: {"ms": calls[name][0], "runs": rows[name]} for name in calls}}
        self.log.append(line)
        self._place(line)

    def _read(self) -> list[Unit]:
        """Places all batches of the log."""
        done = []
        try:
            for line in self.log:
                if "unit" in line:  # others are facts about the run
                    done.append(self._place(line))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise InputError(
                f"expected the batches of this run in {self.log.path}, got {first_line(error)}; restore it, or use "
                "another --out"
            ) from error
        return done

    def _place(self, line: Mapping[str, Any]) -> Unit:
        """Puts a batch of the log in its place."""
        unit = Unit(**line["unit"])
        documents, begin = self.plan.documents(unit), unit.batch * unit.batch_size
        for name, call in line["calls"].items():
            measured = self.by_size[unit.batch_size][name]
            if unit.pass_number:
                measured.passes[unit.pass_number - 1, unit.batch] = call["ms"]
            for seed, rows in enumerate(call["runs"]):
                if seed == len(measured.placed):
                    measured.placed.append({})
                for index, (row, document) in enumerate(zip(rows, documents, strict=True), begin):
                    measured.placed[seed][index] = Row.from_json(row, document.text)
        return unit


def dense_of(measured: Mapping[str, Measured], dtype: str = "") -> Measured:
    """Dense in a dtype; if it did not run in that one, dense in the first dtype, the reference of the whole run."""
    dense = [one for one in measured.values() if one.variant.kind == DENSE]
    return next((one for one in dense if one.variant.dtype == dtype), dense[0])
