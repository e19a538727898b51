"""Evaluates variants on a corpus in one run that may be interrupted: a batch under all variants, then the next."""

from __future__ import annotations

import gc
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from engine.data.corpora import Corpus
from engine.inspection.cost import Cost, add
from engine.text.documents import Document, Entity
from eval.measure.latency import PASSES, Times, Unit, units
from eval.measure.metrics import Scores, Tally
from eval.measure.runlog import RunLog
from eval.measure.variants import Variant

# Batches that a process runs before it continues the times of another: threads, allocators and caches wake up.
BURN_IN = 3


@dataclass(frozen=True)
class Measured:
    """One variant at one batch size. ``runs``: scores for each seed of the choice (one, but for ``random``).

    ``cost``, ``multiply_adds`` ``(documents,)``, ``rows`` ``(documents,)`` of the first layer and ``times`` are those
    of the first seed; the costs of baselines and other models are not known.
    """

    variant: Variant
    batch_size: int
    runs: tuple[Scores, ...]
    cost: Cost | None
    multiply_adds: np.ndarray
    rows: np.ndarray
    times: Times

    @property
    def name(self) -> str:
        """The variant's name."""
        return self.variant.name


def number_of_calls(corpus: Corpus, variants: Sequence[Variant], batch_sizes: Sequence[int]) -> int:
    """How often `evaluate` calls its ``progress`` or is spared the call."""
    return len(variants) * sum(-(-len(corpus.documents) // size) * (PASSES + 1) for size in batch_sizes)


def evaluate(
    corpus: Corpus,
    variants: Sequence[Variant],
    batch_sizes: Sequence[int],
    log: RunLog,
    progress: Callable[[int], object] = lambda calls: None,
    load: float = 0.0,
) -> None:
    """Runs what is not in the log yet, and logs it.

    Predictions and costs are those of the discarded first pass. Batches are the corpus' documents in order, the same
    for all variants. ``load``: of the machine before this process set to work, for the log.
    """
    done = {_unit(record) for record in log.records() if "pass_number" in record}
    todo = [unit for size in batch_sizes for unit in units(len(corpus.documents), size) if unit not in done]
    progress(len(done) * len(variants))
    if todo:
        log.append({"load": load})
    for unit in todo[:BURN_IN] if done else ():
        _run(unit, corpus, variants, reseeded=False)
    for unit in todo:
        if unit.batch == 0:
            gc.collect()
        # What a seed chooses does not depend on the batch size, so the other seeds run at one of them.
        log.append(_run(unit, corpus, variants, reseeded=unit.batch_size == batch_sizes[0]))
        progress(len(variants))


def _documents(unit: Unit, corpus: Corpus) -> Sequence[Document]:
    return corpus.documents[unit.batch * unit.batch_size : (unit.batch + 1) * unit.batch_size]


def _unit(record: dict[str, Any]) -> Unit:
    return Unit(record["batch_size"], record["pass_number"], record["batch"])


def _run(unit: Unit, corpus: Corpus, variants: Sequence[Variant], *, reseeded: bool) -> dict[str, Any]:
    """The record of a unit: times of each variant, and in pass 0 what it (and other seeds) found and what it cost."""
    texts = [document.text for document in _documents(unit, corpus)]
    by_name = {variant.name: variant for variant in variants}
    record: dict[str, Any] = asdict(unit) | {"times": {}, "found": {}, "costs": {}}
    for name in unit.order(list(by_name)):
        tagged = by_name[name].tag(texts)
        record["times"][name] = (tagged.latency.total_ms, tagged.latency.encoder_ms)
        if unit.pass_number == 0:
            record["found"][name] = _spans(tagged.entities)
            record["costs"][name] = [asdict(cost) for cost in tagged.costs()]
            for other in by_name[name].reseeded if reseeded else ():
                record["found"][other.name] = _spans(other.tag(texts).entities)
    return record


def _spans(entities: Sequence[Sequence[Entity]]) -> list[list[tuple[Any, ...]]]:
    return [[(e.start, e.end, e.type, round(e.score, 6)) for e in found] for found in entities]


def _entities(document: Document, spans: Sequence[Sequence[Any]]) -> list[Entity]:
    return [Entity(start, end, type_, document.text[start:end], score) for start, end, type_, score in spans]


def collect(corpus: Corpus, variants: Sequence[Variant], batch_size: int, log: RunLog) -> dict[str, Measured]:
    """Scores, costs and times at one batch size, from a log that holds all of its units."""
    batches = -(-len(corpus.documents) // batch_size)
    runs = {variant.name: [variant.name, *(other.name for other in variant.reseeded)] for variant in variants}
    tallies = {run: Tally(corpus.types) for names in runs.values() for run in names}
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    multiply_adds, rows = ({name: array("Q") for name in runs} for _ in range(2))
    times = {name: Times(batches) for name in runs}
    for record in log.records():
        if "pass_number" not in record:
            continue
        unit, documents = _unit(record), _documents(_unit(record), corpus) if record["found"] else ()
        for run, found in record["found"].items():
            if unit.batch_size == batch_size or run not in times:
                for document, spans in zip(documents, found, strict=True):
                    tallies[run].add(document, _entities(document, spans))
        if unit.batch_size != batch_size:
            continue
        if unit.pass_number:
            for name, (total, encoder) in record["times"].items():
                times[name].add(unit.batch, total, encoder)
            continue
        for name, of_documents in record["costs"].items():
            batch = [Cost(**cost | {"rows": tuple(cost["rows"])}) for cost in of_documents]
            multiply_adds[name].extend(cost.multiply_adds for cost in batch)
            rows[name].extend(cost.rows[0] for cost in batch)
            if batch:  # memory keeps the sum alone
                costs[name] = [add([*costs[name], *batch], len(batch[0].rows))]
    return {
        variant.name: Measured(
            variant,
            batch_size,
            tuple(tallies[run].scores() for run in runs[variant.name]),
            next(iter(costs[variant.name]), None),
            np.array(multiply_adds[variant.name]),
            np.array(rows[variant.name]),
            times[variant.name],
        )
        for variant in variants
    }


def predictions(corpus: Corpus, name: str, batch_size: int, log: RunLog) -> Iterator[Document]:
    """The corpus' documents with what a variant found in place of the gold."""
    for record in log.records():
        if record.get("batch_size") == batch_size and record["pass_number"] == 0:
            for document, spans in zip(_documents(_unit(record), corpus), record["found"][name], strict=True):
                yield replace(document, entities=tuple(_entities(document, spans)))
