"""Evaluates variants on a corpus in one interruptible run: each batch under all variants, then the next."""

from __future__ import annotations

import gc
import math
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from engine.data.corpora import Corpus
from engine.inspection.cost import Cost, add
from engine.latency import Times, Unit, units
from engine.text.documents import Document, Entity
from eval.measure.metrics import Scores, Tally
from eval.measure.runlog import RunLog
from eval.measure.variants import Variant
from eval.schema import DENSE

# Batches that warm up threads, allocators and caches before a process continues another's timings.
BURN_IN = 3
# Keys of the log's records.
UNIT, LOAD, TUNED = {"batch_size", "pass_number", "batch", "times", "found", "costs"}, {"load"}, {"tuned"}


@dataclass(frozen=True, eq=False)
class Plan:
    """What is measured: variants on a corpus at some batch sizes.

    ``timed``: ascending indices of the documents that are timed; predictions count in all documents.
    """

    corpus: Corpus
    variants: Sequence[Variant]
    batch_sizes: Sequence[int]
    timed: Sequence[int]

    def units(self) -> list[Unit]:
        """All batches in execution order."""
        return [unit for size in self.batch_sizes for unit in units(len(self.corpus.documents), size, len(self.timed))]

    def documents(self, unit: Unit) -> Sequence[Document]:
        """A batch: of all documents in the discarded pass, of the timed ones afterwards."""
        places = slice(unit.batch * unit.batch_size, (unit.batch + 1) * unit.batch_size)
        if unit.pass_number == 0:
            return self.corpus.documents[places]
        return [self.corpus.documents[place] for place in self.timed[places]]

    def number_of_calls(self) -> int:
        """Variant calls that `evaluate` reports to ``progress``, including those already logged."""
        return len(self.variants) * len(self.units())


def draw(documents: int, timed: int, seed: int) -> list[int]:
    """Draws the documents to time at random; ascending indices."""
    return sorted(np.random.default_rng(seed).choice(documents, timed, replace=False).tolist())


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


def dense_of(measured: Mapping[str, Measured], dtype: str | None = None) -> Measured | None:
    """Dense in a dtype, if it ran; ``None``: in the first dtype, the reference for everything."""
    found = (one for one in measured.values() if one.variant.kind == DENSE and dtype in (None, one.dtype))
    return next(found, None)


def evaluate(
    plan: Plan, log: RunLog, progress: Callable[[int], object] = lambda calls: None, load: float = 0.0
) -> None:
    """Runs what is not in the log yet, and logs it.

    Predictions and costs come from the discarded first pass. Batches keep the documents' order and are the same for
    all variants. ``load``: of the machine before this process began, for the log.
    """
    done = {logged.unit for logged in units_logged(plan, log)}
    todo = [unit for unit in plan.units() if unit not in done]
    progress(len(done) * len(plan.variants))
    if todo:
        log.append({"load": load})
    for unit in todo[:BURN_IN] if done else ():
        _run(unit, plan, reseeded=False)
    for unit in todo:
        if unit.batch == 0:
            gc.collect()
        # A seed's choice does not depend on the batch size, so the other seeds run at only one.
        log.append(_run(unit, plan, reseeded=unit.batch_size == plan.batch_sizes[0]))
        progress(len(plan.variants))


def _run(unit: Unit, plan: Plan, *, reseeded: bool) -> dict[str, Any]:
    """Runs a unit; records each variant's times and, in pass 0, its predictions (also of other seeds) and costs."""
    texts = [document.text for document in plan.documents(unit)]
    by_key = {variant.key: variant for variant in plan.variants}
    record: dict[str, Any] = asdict(unit) | {"times": {}, "found": {}, "costs": {}}
    for key in unit.order(list(by_key)):
        tagged = by_key[key].tag(texts)
        record["times"][key] = (tagged.latency.total_ms, tagged.latency.encoder_ms)
        if unit.pass_number == 0:
            record["found"][key] = _spans(tagged.entities)
            record["costs"][key] = [asdict(cost) for cost in tagged.costs()]
            for other in by_key[key].reseeded if reseeded else ():
                record["found"][other.key] = _spans(other.tag(texts).entities)
    return record


def _spans(entities: Sequence[Sequence[Entity]]) -> list[list[tuple[Any, ...]]]:
    return [[(e.start, e.end, e.type, round(e.score, 6)) for e in found] for found in entities]


@dataclass(frozen=True)
class Logged:
    """A record read back from the log: end-to-end and encoder milliseconds, entities and costs by variant."""

    unit: Unit
    documents: Sequence[Document]
    times: dict[str, tuple[float, float]]
    found: dict[str, list[list[Entity]]]
    costs: dict[str, list[Cost]]


def units_logged(plan: Plan, log: RunLog) -> Iterator[Logged]:
    """Reads the log's units in the order written.

    Raises:
        InputError: a line is not of this run, or stands there twice.
    """
    wanted, seen = set(plan.units()), set()
    for number, record in log.records():
        if set(record) == LOAD:
            _load(log, number, record)
        if set(record) in (LOAD, TUNED):  # read by `loads` and `eval.measure.tuning`
            continue
        try:
            logged = _logged(record, plan)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError):
            logged = None
        if logged is None or logged.unit not in wanted:
            raise log.refusal(number, "a record of this run", "something else")
        if logged.unit in seen:
            raise log.refusal(number, "each batch once", f"another record of {logged.unit}")
        seen.add(logged.unit)
        yield logged


def loads(log: RunLog) -> list[float]:
    """The load of the machine, 0–1, at the start of the run and whenever it resumed."""
    return [_load(log, number, record) for number, record in log.records() if set(record) == LOAD]


def _load(log: RunLog, number: int, record: Mapping[str, Any]) -> float:
    if not isinstance(record["load"], int | float):
        raise log.refusal(number, "the load of the machine as a number", repr(record["load"]))
    return float(record["load"])


def _logged(record: Mapping[str, Any], plan: Plan) -> Logged:
    """Parses a record; raises any of several errors if malformed."""
    if set(record) != UNIT:
        raise KeyError
    unit = Unit(record["batch_size"], record["pass_number"], record["batch"])
    documents = plan.documents(unit)
    keys = {variant.key for variant in plan.variants}
    others = {other.key for variant in plan.variants for other in variant.reseeded}
    times = {key: (float(total), float(encoder)) for key, (total, encoder) in record["times"].items()}
    if set(times) != keys or not all(math.isfinite(ms) and ms >= 0 for pair in times.values() for ms in pair):
        raise ValueError
    expected = set() if unit.pass_number else keys | (others if unit.batch_size == plan.batch_sizes[0] else set())
    if set(record["found"]) != expected or set(record["costs"]) != (set() if unit.pass_number else keys):
        raise KeyError
    found = {
        key: [_entities(document, spans) for document, spans in zip(documents, of, strict=True)]
        for key, of in record["found"].items()
    }
    costs = {key: [Cost(**cost | {"rows": tuple(cost["rows"])}) for cost in of] for key, of in record["costs"].items()}
    if any(len(of) not in (0, len(documents)) for of in costs.values()):
        raise ValueError
    return Logged(unit, documents, times, found, costs)


def _entities(document: Document, spans: Sequence[Sequence[Any]]) -> list[Entity]:
    found = [Entity(start, end, type_, document.text[start:end], score) for start, end, type_, score in spans]
    if any(not 0 <= entity.start < entity.end <= len(document.text) for entity in found):
        raise ValueError
    return found


def collect(plan: Plan, batch_size: int, log: RunLog) -> dict[str, Measured]:
    """Collects scores, costs and times at one batch size, by variant, from a complete log."""
    runs = {variant.key: [variant.key, *(other.key for other in variant.reseeded)] for variant in plan.variants}
    tallies = {run: Tally(plan.corpus.types) for keys in runs.values() for run in keys}
    costs: dict[str, list[Cost]] = {key: [] for key in runs}
    macs, rows = ({key: array("Q") for key in runs} for _ in range(2))
    times = {key: Times(-(-len(plan.timed) // batch_size)) for key in runs}
    for logged in units_logged(plan, log):
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


def predictions(plan: Plan, variant: Variant, batch_size: int, log: RunLog) -> Iterator[Document]:
    """The corpus' documents with a variant's predictions in place of gold."""
    for logged in units_logged(plan, log):
        if logged.unit.batch_size == batch_size and logged.unit.pass_number == 0:
            for document, entities in zip(logged.documents, logged.found[variant.key], strict=True):
                yield replace(document, entities=tuple(entities))
