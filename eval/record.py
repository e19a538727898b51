"""The record of a run: what every variant found in every document, at what cost, and how long it took.

It is one object in memory and one log on disk. A line of the log is a batch in one pass: for each variant its
milliseconds and, in the first pass at the first batch size, what it found in each document (`Tagged`), for controls
under each of their seeds. All tables of a report are functions of the record and the corpus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from engine.cli.runs import Log
from engine.corpora import Corpus
from engine.errors import expecting
from engine.latency import Unit, units
from engine.paths import Paths
from engine.pruning.cost import Cost, add
from engine.pruning.passes import exit_layers
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import RECOVERY
from engine.text.documents import Document, Entity
from engine.text.scoring import Counts, count_documents
from eval.schema import BASELINE, CASCADE, CONTROLS, DENSE, MODEL, TRUNCATE


@dataclass(frozen=True)
class Variant:
    """What is measured: a strategy, a control, a baseline or another model."""

    title: str  # its name but for the dtype
    kind: str  # dense, truncate, random, cascade, a controller's kind, baseline or model
    dtype: str  # number format that it runs in
    device: str = "cpu"  # torch device that it runs on
    strategy: Strategy | None = None  # for controls, the one that they replay; none for baselines and other models
    settings: Mapping[str, Any] = field(default_factory=dict)  # for the report
    layers: tuple[int, ...] = ()  # number of layers of each stage of the tagger; none for baselines and other models
    suffix: str = ""  # the dtype, if the run has it in several

    @property
    def name(self) -> str:
        """Identifies the variant in the run, its files and its report."""
        return self.title + self.suffix

    @property
    def replays(self) -> str:
        """For controls, the name of the strategy that they are held against."""
        return self.title.partition("@")[2] + self.suffix if self.kind in CONTROLS else ""

    @property
    def prunes(self) -> bool:
        """Whether it is a strategy that chooses words, or windows."""
        if self.strategy is None or self.kind in CONTROLS:
            return False
        return self.strategy.prunes or self.kind == CASCADE

    @property
    def gates(self) -> tuple[int, ...]:
        """Layers after which words may exit; words that the large model of a cascade does not read exit before it."""
        return exit_layers(self.strategy, self.layers) if self.strategy else ()

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


@dataclass(frozen=True)
class Tagged:
    """What a variant found in a document. Only strategies and controls have paths and a cost."""

    entities: tuple[Entity, ...]
    paths: Paths | None = None  # of its words
    cost: Cost | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON object, without the text of the entities."""
        spans = [(entity.start, entity.end, entity.type, round(entity.score, 6)) for entity in self.entities]
        return {"spans": spans, "paths": self.paths and self.paths.to_json(), "cost": self.cost and asdict(self.cost)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any], text: str) -> Tagged:
        """What was found in a document with this text."""
        entities = tuple(Entity(start, end, type_, text[start:end], of) for start, end, type_, of in record["spans"])
        paths, cost = record["paths"], record["cost"]
        return cls(entities, paths and Paths.from_json(paths), cost and Cost(**cost | {"rows": tuple(cost["rows"])}))


@dataclass(frozen=True, eq=False)
class Schedule:
    """What a run measures, and in which order."""

    corpus: Corpus  # with gold; its types are the scored ones
    variants: Sequence[Variant]
    batch_sizes: Sequence[int]  # numbers of documents per call; at the first, predictions are made for all documents
    timed: Sequence[int]  # ascending indices of the documents that are timed

    def predicts(self, unit: Unit) -> bool:
        """Whether what a batch finds is recorded."""
        return unit.pass_number == 0 and unit.batch_size == self.batch_sizes[0]

    def units(self) -> list[Unit]:
        """All batches in the order in which they run."""
        timed = len(self.timed)
        counts = [len(self.corpus.documents), *[timed] * (len(self.batch_sizes) - 1)]
        return [u for size, count in zip(self.batch_sizes, counts, strict=True) for u in units(count, size, timed)]

    def documents(self, unit: Unit) -> Sequence[Document]:
        """The documents of a batch, out of all documents where it predicts, otherwise out of the timed ones."""
        places = slice(unit.batch * unit.batch_size, (unit.batch + 1) * unit.batch_size)
        documents = self.corpus.documents
        return documents[places] if self.predicts(unit) else [documents[index] for index in self.timed[places]]


@dataclass(frozen=True, eq=False)
class Measured:
    """The record of one variant."""

    variant: Variant
    corpus: Corpus
    passes: dict[tuple[int, int], list[float]] = field(default_factory=dict)  # by batch size and pass, milliseconds
    runs: list[list[Tagged]] = field(default_factory=lambda: [[]])  # all documents, under each seed of a control

    @property
    def documents(self) -> list[Tagged]:
        """All documents under the first seed."""
        return self.runs[0]

    def times(self, size: int) -> np.ndarray:
        """Milliseconds of each batch of timed documents, ``(batches,)``: the median over passes."""
        return np.median([ms for (own, _), ms in self.passes.items() if own == size], axis=0)

    @cached_property
    def counts(self) -> list[list[Counts]]:
        """Matches, predictions and gold mentions of the scored types in each document, for each run."""
        documents, types = self.corpus.documents, self.corpus.types
        return [count_documents(documents, [one.entities for one in run], types) for run in self.runs]

    @cached_property
    def cost(self) -> Cost | None:
        """The cost of all documents, if known."""
        costs = [one.cost for one in self.documents if one.cost]
        return add(costs) if costs else None

    @cached_property
    def read_by_large(self) -> float | None:
        """The share of the words that the large model of a cascade read; None for all others."""
        *before, _ = self.variant.layers or (0,)
        read = [~paths.exited | (paths.layer > sum(before)) for one in self.documents if (paths := one.paths)]
        return float(np.concatenate(read).mean()) if before and any(map(len, read)) else None


class RunRecord:
    """The record of a run: `Measured` by the variant's name, and the log that a killed run continues.

    ``todo``: the batches that are still to be measured.

    Raises an `InputError` if the log is damaged, or a batch is missing before its last one.
    """

    def __init__(self, schedule: Schedule, log: Log) -> None:
        self.schedule, self.log, self.todo = schedule, log, schedule.units()
        self.measured = {variant.name: Measured(variant, schedule.corpus) for variant in schedule.variants}
        for line in log:
            if "unit" in line:  # others are facts about the run
                with expecting(f"the batches of this run in {log.path}", "restore it, or use another --out"):
                    self._place(line)

    def facts(self, name: str) -> list[Any]:
        """What the log says about a fact of the run that is no batch, such as ``load``, each time it was noted."""
        return [line[name] for line in self.log if name in line]

    def add(self, unit: Unit, calls: Mapping[str, tuple[float, Sequence[Sequence[Tagged]]]]) -> None:
        """Adds a batch: for each variant its milliseconds, and what it found under each seed."""
        of_variants = {
            name: {"ms": ms, "runs": [[one.to_json() for one in run] for run in runs]}
            for name, (ms, runs) in calls.items()
        }
        line = {"unit": asdict(unit), "calls": of_variants}
        self.log.append(line)
        self._place(line)

    def _place(self, line: Mapping[str, Any]) -> None:
        """Puts the next batch in its place."""
        unit, wanted = Unit(**line["unit"]), self.todo.pop(0)
        if unit != wanted:
            missing = f"batch {wanted.batch} of pass {wanted.pass_number} at size {wanted.batch_size}"
            raise ValueError(f"no {missing}: a line is missing")
        documents = self.schedule.documents(unit)
        for name, call in line["calls"].items():
            measured = self.measured[name]
            if unit.pass_number:
                measured.passes.setdefault((unit.batch_size, unit.pass_number), []).append(call["ms"])
            for seed, found in enumerate(call["runs"]):
                if seed == len(measured.runs):
                    measured.runs.append([])
                pairs = zip(found, documents, strict=True)
                measured.runs[seed] += [Tagged.from_json(one, document.text) for one, document in pairs]


def dense_of(measured: Mapping[str, Measured], dtype: str = "") -> Measured:
    """Dense in a dtype; if it did not run in that one, dense in the first dtype, the reference of the whole run."""
    every = [one for one in measured.values() if one.variant.kind == DENSE]
    return next((one for one in every if one.variant.dtype == dtype), every[0])
