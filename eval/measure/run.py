"""A run: measures batch by batch what its log lacks, and writes all files of a report but its pages."""

from __future__ import annotations

import argparse
import gc
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import torch
from tqdm import tqdm

from engine.cascade import Cascade
from engine.cli.runs import Log, check_same, read_json, replacing, write_json
from engine.formats import WRITERS
from engine.latency import BUSY, PASSES, Unit
from engine.pruning.strategy_names import DENSE
from engine.text.documents import Document
from eval.analysis.tables import write_tables
from eval.measure import environment
from eval.measure.baselines import tune
from eval.measure.environment import own_threads
from eval.measure.setup import Setup, set_up, training_documents
from eval.measure.variants import Tagger, of_baseline
from eval.record import Plan, Row, read_record
from eval.schema import BASELINE, display_names
from eval.statistics import SEED

LOG = "run"
BURN_IN = 3  # batches that warm up threads, allocators and caches before a process continues another's timings
SAMPLE_NOTE = (
    "This is the sample corpus that comes with the project, written for it: a check that everything works, "
    "not a benchmark."
)


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


def measure(arguments: argparse.Namespace, command: str) -> None:
    """Measures what the log lacks; writes tables and facts to ``--out``, and predictions."""
    setup = set_up(arguments)
    out, corpus, sizes = Path(arguments.out), setup.plan.corpus, setup.plan.batch_sizes
    training = training_documents(corpus, arguments.data_dir)
    log = open_log(out, LOG, _conditions(setup))
    tuned = {one.name: of_baseline(one) for one in tune(setup.baselines, corpus, sizes, log)}
    taggers = [tuned[one.variant.name] if one.variant.kind == BASELINE else one for one in setup.taggers]
    plan = replace(setup.plan, variants=[one.variant for one in taggers])
    setup = replace(setup, plan=plan, taggers=taggers)
    evaluate(plan, taggers, log, setup.load)
    if not logged(log, "memory"):
        log.append({"memory": _measure_memory(setup)})
    (memory,), starts, record = logged(log, "memory"), logged(log, "load"), read_record(plan, log)
    facts = environment.versions() | {"threads": torch.get_num_threads(), "commit": environment.commit()}
    write_tables(out, corpus, record, memory, facts, training)
    if arguments.predictions:
        names = display_names((variant.name, variant.dtype) for variant in plan.variants)
        for one in record[sizes[0]].values():
            pairs = zip(corpus.documents, one.rows, strict=True)
            found = (replace(document, entities=row.entities) for document, row in pairs)
            name = names[one.variant.name, one.variant.dtype]
            _write_predictions(Path(arguments.predictions), name, found, arguments.format)
    notes = [] if arguments.corpus else [SAMPLE_NOTE]
    if max(starts) > BUSY:
        notes.append(f"Other processes used {max(starts):.0%} of the processors when this began: distrust the times.")
    if corpus.skipped:
        notes.append(f"Broken documents left out: {corpus.skipped}.")
    about = _about(setup, command, interruptions=len(starts) - 1)
    (out / "results.json").write_text(json.dumps({"about": about, "notes": notes}))


def _conditions(setup: Setup) -> dict[str, Any]:
    """The facts that must be the same when an interrupted run continues."""
    plan = setup.plan
    return {
        **environment.conditions(plan.corpus, setup.engines),
        "timed": len(plan.timed),
        "variants": [dict(tagger.conditions) for tagger in setup.taggers],
        "batch_sizes": plan.batch_sizes,
        "passes": PASSES,
    }


def _measure_memory(setup: Setup) -> dict[str, int]:
    """Bytes that a process with one variant alone occupies: dense, and strategies that prune, by their keys."""
    engines = {engine.dtype: engine for engine in setup.engines}
    found: dict[str, int] = {}
    for variant in setup.plan.variants:
        if variant.strategy is not None and (variant.prunes or variant.kind == DENSE):
            strategy = variant.strategy
            if isinstance(strategy, Cascade):
                strategy = replace(strategy, threshold=0.0)  # so that the large model reads the text, too
            occupied = environment.resident_memory(engines[variant.dtype], strategy)
            found |= {variant.key: occupied} if occupied else {}
    return found


def _about(setup: Setup, command: str, interruptions: int) -> dict[str, Any]:
    """Facts about the run for readers."""
    engine, plan = setup.engines[0], setup.plan
    names = display_names((variant.name, variant.dtype) for variant in plan.variants)
    settings: dict[str, Mapping[str, Any]] = {
        one.name if one.prunes else names[one.name, one.dtype]: one.settings for one in plan.variants if one.settings
    }
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions().items())
    dtypes = [f"{e.dtype} ({e.why})" if e.why else e.dtype for e in setup.engines]
    documents, timed = len(plan.corpus.documents), len(plan.timed)
    drawn = f"{timed} of {documents} documents, drawn with seed {SEED}"
    resident = psutil.Process().memory_info().rss / 2**20
    return {
        "command": command,
        "model": Path(engine.source).name,
        "settings": settings,
        "documents": documents,
        "timed": drawn if timed < documents else "all documents",
        "scored types": ", ".join(plan.corpus.types),
        "device, dtype, threads": f"{engine.device}, {' and '.join(dtypes)}, {torch.get_num_threads()}",
        "machine": environment.machine(),
        "GPU": "measured" if engine.device != "cpu" else "not measured",
        "versions": f"{versions}, commit {environment.commit()}",
        "weights": f"SHA-256 {engine.digest[:16]}…",
        "timing": f"variants interleaved batch by batch, order rotated; a discarded pass, then the median of {PASSES}",
        "memory": f"one engine per dtype and all baselines held at once: {resident:.0f} MiB resident at the end",
        "seed of the bootstrap": SEED,
        "interruptions": interruptions,
    }


def _write_predictions(folder: Path, label: str, documents: Iterable[Document], format_: str) -> None:
    """Writes documents to a file that is named after a variant's display name; under its final name it is complete."""
    writer = WRITERS[format_]
    path = folder / (quote(label, safe="@+ ()") + writer.suffix)
    with replacing(path) as fresh, fresh.open("w", encoding="utf-8", errors="replace", newline="") as file:
        file.writelines(writer.write(documents))
