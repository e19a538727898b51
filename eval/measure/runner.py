"""Runs variants on a corpus, each batch under all of them, and logs results, so that a cut run can continue."""

from __future__ import annotations

import gc
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from engine.data.corpora import Corpus
from engine.inspection.cost import Cost, add
from engine.latency import Times, Unit, units
from engine.runs import Log, check_same, read_json, write_json
from engine.text.documents import Document, Entity
from eval.measure.metrics import Scores, Tally
from eval.measure.variants import Variant
from eval.records import Record
from eval.schema import DENSE

# Batches that warm up threads, allocators and caches before a process continues another's timings.
BURN_IN = 3
REST_S = 0.01  # before a call: idle threads of what ran before spin for milliseconds and would slow it


@dataclass(frozen=True, eq=False)
class Plan:
    """The variants, corpus and batch sizes to measure.

    ``timed``: ascending indices of the documents that are timed; predictions count in all documents. ``traced``:
    whether the log also says where each word exited.
    """

    corpus: Corpus
    variants: Sequence[Variant]
    batch_sizes: Sequence[int]
    timed: Sequence[int]
    traced: bool = False

    def units(self) -> list[Unit]:
        """All batches in execution order."""
        return [unit for size in self.batch_sizes for unit in units(len(self.corpus.documents), size, len(self.timed))]

    def documents(self, unit: Unit) -> Sequence[Document]:
        """A batch: of all documents in the discarded pass, of the timed ones afterwards."""
        places = slice(unit.batch * unit.batch_size, (unit.batch + 1) * unit.batch_size)
        if unit.pass_number == 0:
            return self.corpus.documents[places]
        return [self.corpus.documents[place] for place in self.timed[places]]


def draw(documents: int, timed: int, seed: int) -> list[int]:
    """Draws the documents to time at random; ascending indices."""
    return sorted(np.random.default_rng(seed).choice(documents, timed, replace=False).tolist())


def open_log(folder: Path, name: str, conditions: Mapping[str, Any]) -> Log:
    """Opens ``NAME.jsonl`` of a locked folder, which ``NAME.json`` beside it lets only a run like this continue.

    Raises:
        InputError: it belongs to a run under other conditions.
    """
    stored, log = folder / f"{name}.json", folder / f"{name}.jsonl"
    if stored.is_file():
        check_same(folder, read_json(stored), conditions)
    else:
        log.unlink(missing_ok=True)
        write_json(stored, conditions)
    return Log(log)


@dataclass(frozen=True)
class Logged:
    """A batch in the log.

    ``times``: end-to-end and encoder milliseconds by variant. In the discarded pass also, by variant, each document's
    ``found`` entities, ``costs`` if known and, if traced, ``exits``: a character for each word, see `Tagged`.
    """

    unit: Unit
    documents: Sequence[Document]
    times: Mapping[str, tuple[float, float]]
    found: Mapping[str, list[list[Entity]]]
    costs: Mapping[str, list[Cost]]
    exits: Mapping[str, list[str]]


def evaluate(plan: Plan, log: Log, load: float = 0.0) -> None:
    """Runs and logs the batches that the log lacks.

    Predictions and costs come from the discarded first pass. Batches keep the documents' order and are the same for
    all variants. ``load``: of the machine before this process began, for the log.
    """
    done = {logged.unit for logged in batches_logged(plan, log)}
    todo = [unit for unit in plan.units() if unit not in done]
    if todo:
        log.append({"load": load})
    for unit in todo[:BURN_IN] if done and plan.timed else ():
        _run(unit, plan, reseeded=False)
    for unit in tqdm(todo, desc="batches", initial=len(done), total=len(done) + len(todo), disable=None):
        if unit.batch == 0:
            gc.collect()
        # A seed's choice does not depend on the batch size, so the other seeds run at only one.
        log.append(_run(unit, plan, reseeded=unit.batch_size == plan.batch_sizes[0]))


def _run(unit: Unit, plan: Plan, *, reseeded: bool) -> dict[str, Any]:
    """Runs a unit; records each variant's times and, in pass 0, its predictions (also of other seeds) and costs."""
    texts = [document.text for document in plan.documents(unit)]
    by_key = {variant.key: variant for variant in plan.variants}
    record: dict[str, Any] = {"unit": asdict(unit), "times": {}, "found": {}, "costs": {}, "exits": {}}
    threads = torch.get_num_threads()
    for key in unit.order(list(by_key)):
        torch.set_num_threads(by_key[key].threads)
        if plan.timed:
            time.sleep(REST_S)
        tagged = by_key[key].tag(texts)
        record["times"][key] = (tagged.latency.total_ms, tagged.latency.encoder_ms)
        if unit.pass_number == 0:
            record["found"][key] = _spans(tagged.entities)
            record["costs"][key] = [asdict(cost) for cost in tagged.costs()]
            if plan.traced:
                record["exits"][key] = tagged.exits()
            for other in by_key[key].reseeded if reseeded else ():
                record["found"][other.key] = _spans(other.tag(texts).entities)
    torch.set_num_threads(threads)
    return record


def _spans(entities: Sequence[Sequence[Entity]]) -> list[list[tuple[Any, ...]]]:
    return [[(e.start, e.end, e.type, round(e.score, 6)) for e in found] for found in entities]


def batches_logged(plan: Plan, log: Log) -> Iterator[Logged]:
    """Reads the log's batches in the order written."""
    for record in log:
        if "unit" not in record:  # read by `loads` and `eval.measure.tuning`
            continue
        unit = Unit(**record["unit"])
        documents = plan.documents(unit)
        found = {
            key: [
                [Entity(start, end, type_, document.text[start:end], score) for start, end, type_, score in spans]
                for document, spans in zip(documents, of, strict=True)
            ]
            for key, of in record["found"].items()
        }
        costs = {
            key: [Cost(**cost | {"rows": tuple(cost["rows"])}) for cost in of] for key, of in record["costs"].items()
        }
        yield Logged(unit, documents, record["times"], found, costs, record["exits"])


def loads(log: Log) -> list[float]:
    """The load of the machine, 0–1, at the start of the run and whenever it resumed."""
    return [record["load"] for record in log if "load" in record]


@dataclass(frozen=True, eq=False)
class Measured:
    """One variant at one batch size. ``runs``: scores for each seed (one, except for ``random``).

    ``cost``, ``macs`` ``(documents,)``, ``rows`` ``(documents,)`` of the first layer and ``times``, which
    cover only the ``timed`` documents, are the first seed's; costs of baselines and other models are unknown.
    """

    variant: Variant
    batch_size: int
    runs: tuple[Scores, ...]
    cost: Cost | None
    macs: np.ndarray
    rows: np.ndarray
    times: Times
    timed: np.ndarray

    @property
    def name(self) -> str:
        """The variant's name."""
        return self.variant.name

    @property
    def dtype(self) -> str:
        """The variant's dtype."""
        return self.variant.dtype

    @property
    def record(self) -> Record:
        """The variant's key, counts of each document and times of each batch, as reports publish them."""
        return Record(
            (self.name, self.dtype, self.batch_size), [run.by_document for run in self.runs], self.times.batches
        )


def dense_of(measured: Mapping[str, Measured], dtype: str = "") -> Measured:
    """Dense in a dtype; if it did not run in it, in the first one, the reference for everything."""
    found = [one for one in measured.values() if one.variant.kind == DENSE]
    return next((one for one in found if one.dtype == dtype), found[0])


def collect(plan: Plan, batch_size: int, log: Log) -> dict[str, Measured]:
    """Collects scores, costs and times at one batch size, by variant, from a complete log."""
    runs = {variant.key: [variant.key, *(other.key for other in variant.reseeded)] for variant in plan.variants}
    tallies = {run: Tally(plan.corpus.types) for keys in runs.values() for run in keys}
    costs: dict[str, list[Cost]] = {key: [] for key in runs}
    macs, rows = ({key: array("Q") for key in runs} for _ in range(2))
    times = {key: Times(-(-len(plan.timed) // batch_size)) for key in runs}
    for logged in batches_logged(plan, log):
        for run, found in logged.found.items():
            if logged.unit.batch_size == batch_size or run not in times:
                for document, entities in zip(logged.documents, found, strict=True):
                    tallies[run].add(document, entities)
        if logged.unit.batch_size != batch_size:
            continue
        if logged.unit.pass_number:
            for key, (total, encoder) in logged.times.items():
                times[key].add(logged.unit.batch, total, encoder)
            continue
        for key, batch in logged.costs.items():
            macs[key].extend(cost.macs for cost in batch)
            rows[key].extend(cost.rows[0] for cost in batch)
            if batch:  # memory keeps only the sum
                costs[key] = [add([*costs[key], *batch], len(batch[0].rows))]
    return {
        variant.key: Measured(
            variant,
            batch_size,
            tuple(tallies[run].scores() for run in runs[variant.key]),
            next(iter(costs[variant.key]), None),
            np.array(macs[variant.key]),
            np.array(rows[variant.key]),
            times[variant.key],
            np.array(plan.timed),
        )
        for variant in plan.variants
    }


def predictions(plan: Plan, variant: Variant, batch_size: int, log: Log) -> Iterator[Document]:
    """The corpus' documents with a variant's predictions in place of gold."""
    for logged in batches_logged(plan, log):
        if logged.unit.batch_size == batch_size and logged.unit.pass_number == 0:
            for document, entities in zip(logged.documents, logged.found[variant.key], strict=True):
                yield replace(document, entities=tuple(entities))
