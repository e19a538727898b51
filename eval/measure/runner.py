"""Runs variants on a corpus, batch by batch, and logs every batch, so that an interrupted run can continue."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from engine.latency import Unit
from engine.runs import Log, check_same, read_json, write_json
from eval.measure.environment import own_threads
from eval.measure.variants import Tagger
from eval.record import Plan, Row

BURN_IN = 3  # batches that warm up threads, allocators and caches before a process continues another's timings


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


def logged(log: Log, fact: str) -> list[Any]:
    """What the log says about a fact of the run that is no batch, such as ``load``, each time it was noted."""
    return [line[fact] for line in log if fact in line]


def evaluate(plan: Plan, taggers: Sequence[Tagger], log: Log, load: float = 0.0) -> None:
    """Runs and logs the batches that the log lacks.

    Rows come from the discarded first pass. Batches keep the order of the documents and are the same for all variants.
    The log also notes ``load``, the load of the machine before this process began.
    """
    done = {Unit(**unit) for unit in logged(log, "unit")}
    todo = [unit for unit in plan.units() if unit not in done]
    if todo:
        log.append({"load": load})
    for unit in todo[:BURN_IN] if done and plan.timed else ():
        _run_batch(unit, plan, taggers, reseeded=False)
    for unit in tqdm(todo, desc="batches", initial=len(done), total=len(done) + len(todo), disable=None):
        if unit.batch == 0 and unit.pass_number == 0:  # each batch size loads its own graphs
            for tagger in taggers:
                tagger.release()
        if unit.batch == 0:
            gc.collect()
        # Which words a seed chooses does not depend on the batch size, so the other seeds run at one size only.
        log.append(_run_batch(unit, plan, taggers, reseeded=unit.batch_size == plan.batch_sizes[0]))


def _run_batch(unit: Unit, plan: Plan, taggers: Sequence[Tagger], *, reseeded: bool) -> dict[str, Any]:
    """Runs a batch under all variants and returns its line of the log."""
    texts = [document.text for document in plan.documents(unit)]
    calls: dict[str, Any] = {}
    for index in unit.order(range(len(taggers))):
        tagger = taggers[index]
        with own_threads(tagger.threads, rest=bool(plan.timed)):
            tagged = tagger.tag(texts)
        runs: list[list[Row]] = []
        if unit.pass_number == 0:
            runs = [tagged.rows(), *(other(texts).rows() for other in tagger.reseeded if reseeded)]
        found = [[row.to_json() for row in rows] for rows in runs]
        calls[tagger.variant.key] = {"ms": tagged.ms, "runs": found}
    return {"unit": asdict(unit), "calls": calls}
