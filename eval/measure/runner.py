"""Runs variants on a corpus, batch by batch, and logs every batch, so that an interrupted run can continue."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from engine.data.corpora import Corpus
from engine.inspection.cost import Cost
from engine.inspection.trace import WordTrace
from engine.latency import Unit, units
from engine.runs import Log, check_same, read_json, write_json
from engine.text.documents import Document, Entity
from eval.measure.environment import REST_S
from eval.measure.variants import Tagged, Variant

BURN_IN = 3  # batches that warm up threads, allocators and caches before a process continues another's timings


@dataclass(frozen=True, eq=False)
class Plan:
    """A plan of measurements."""

    corpus: Corpus  # with gold
    variants: Sequence[Variant]  # each tags every batch
    batch_sizes: Sequence[int]  # numbers of documents per call
    timed: Sequence[int]  # ascending indices of the documents that are timed; predictions are made for all documents
    traced: bool = False  # whether the log also says where each word exited

    def units(self) -> list[Unit]:
        """All batches in the order in which they run."""
        return [unit for size in self.batch_sizes for unit in units(len(self.corpus.documents), size, len(self.timed))]

    def documents(self, unit: Unit) -> Sequence[Document]:
        """The documents of a batch, out of all documents in the discarded pass and out of the timed ones afterwards."""
        places = slice(unit.batch * unit.batch_size, (unit.batch + 1) * unit.batch_size)
        if unit.pass_number == 0:
            return self.corpus.documents[places]
        return [self.corpus.documents[place] for place in self.timed[places]]


def draw_timed(documents: int, count: int, seed: int) -> list[int]:
    """Draws the documents to time at random and returns their indices in ascending order."""
    return sorted(np.random.default_rng(seed).choice(documents, count, replace=False).tolist())


def open_log(folder: Path, name: str, conditions: Mapping[str, Any]) -> Log:
    """Opens ``NAME.jsonl`` in a locked folder; ``NAME.json`` beside it holds the conditions of the run.

    Raises:
        InputError: if the folder contains a run under other conditions.
    """
    stored, log = folder / f"{name}.json", folder / f"{name}.jsonl"
    if stored.is_file():
        check_same(folder, read_json(stored), conditions)
    else:
        log.unlink(missing_ok=True)
        write_json(stored, conditions)
    return Log(log)


@dataclass(frozen=True)
class LoggedBatch:
    """A batch in the log."""

    unit: Unit  # batch size, pass and number of the batch
    documents: Sequence[Document]  # its documents
    times: Mapping[str, tuple[float, float]]  # milliseconds of the call and of the encoder, by variant
    # Entities of each document, by variant; like costs and exits in the discarded pass only.
    found: Mapping[str, list[list[Entity]]]
    costs: Mapping[str, list[Cost]]  # of each document, by variant, if known
    # For each document the exit layers of its words, by variant, see `exit_layers`; only if traced.
    exits: Mapping[str, list[list[int]]]


def evaluate(plan: Plan, log: Log, load: float = 0.0) -> None:
    """Runs and logs the batches that the log lacks.

    Predictions and costs come from the discarded first pass. Batches keep the order of the documents and are the same
    for all variants. The log also records ``load``, the load of the machine before this process began.
    """
    done = {logged.unit for logged in logged_batches(plan, log)}
    todo = [unit for unit in plan.units() if unit not in done]
    if todo:
        log.append({"load": load})
    for unit in todo[:BURN_IN] if done and plan.timed else ():
        _run_batch(unit, plan, reseeded=False)
    for unit in tqdm(todo, desc="batches", initial=len(done), total=len(done) + len(todo), disable=None):
        if unit.batch == 0:
            gc.collect()
        # Which words a seed chooses does not depend on the batch size, so the other seeds run at one size only.
        log.append(_run_batch(unit, plan, reseeded=unit.batch_size == plan.batch_sizes[0]))


def _run_batch(unit: Unit, plan: Plan, *, reseeded: bool) -> dict[str, Any]:
    """Runs a batch under all variants and returns its record, see `LoggedBatch`."""
    texts = [document.text for document in plan.documents(unit)]
    record: dict[str, Any] = {"unit": asdict(unit), "times": {}, "found": {}, "costs": {}, "exits": {}}
    threads = torch.get_num_threads()
    by_key = {variant.key: variant for variant in plan.variants}
    for key in unit.order(list(by_key)):
        torch.set_num_threads(by_key[key].threads)
        if plan.timed:
            time.sleep(REST_S)
        tagged = by_key[key].tag(texts)
        record["times"][key] = (tagged.latency.total_ms, tagged.latency.encoder_ms)
        if unit.pass_number:
            continue
        record["found"][key] = _spans(tagged)
        record["costs"][key] = [asdict(cost) for cost in tagged.costs()]
        if plan.traced:
            record["exits"][key] = [exit_layers(result.trace.words) for result in tagged.results]
        for other in by_key[key].reseeded if reseeded else ():
            record["found"][other.key] = _spans(other.tag(texts))
    torch.set_num_threads(threads)
    return record


def _spans(tagged: Tagged) -> list[list[tuple[int, int, str, float]]]:
    return [[(e.start, e.end, e.type, round(e.score, 6)) for e in found] for found in tagged.entities]


def exit_layers(words: Sequence[WordTrace]) -> list[int]:
    """The layer after which each word exited, or the last one; negative for words that were recovered."""
    return [-word.layer if word.state == "recovered" else word.layer for word in words]


def logged_batches(plan: Plan, log: Log) -> Iterator[LoggedBatch]:
    """Reads the batches in the order in which they were logged."""
    for record in log:
        if "unit" not in record:  # the load, or what `eval.measure.baselines.tune` chose
            continue
        unit = Unit(**record["unit"])
        documents = plan.documents(unit)
        found = {
            key: [
                [Entity(start, end, type_, document.text[start:end], score) for start, end, type_, score in spans]
                for document, spans in zip(documents, of_documents, strict=True)
            ]
            for key, of_documents in record["found"].items()
        }
        costs = {
            key: [Cost(**cost | {"rows": tuple(cost["rows"])}) for cost in of_documents]
            for key, of_documents in record["costs"].items()
        }
        yield LoggedBatch(unit, documents, record["times"], found, costs, record["exits"])


def loads(log: Log) -> list[float]:
    """The load of the machine, 0–1, when the run began and whenever it continued."""
    return [record["load"] for record in log if "load" in record]
