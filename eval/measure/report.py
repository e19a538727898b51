"""Measures everything that a run lacks and writes all files of a report but its pages."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import torch

from engine.cascade import Cascade
from engine.data.formats import WRITERS
from engine.errors import InputError
from engine.latency import PASSES
from engine.pruning.strategy_names import DENSE
from engine.runs import replacing
from engine.text.documents import Document
from eval.analysis.tables import write_tables
from eval.measure import environment
from eval.measure.baselines import tune
from eval.measure.runner import evaluate, logged, open_log
from eval.measure.setup import LOG, Setup, set_up, training_documents
from eval.measure.variants import of_baseline
from eval.record import Measured, read_record
from eval.schema import BASELINE, display_names

BUSY = 0.2  # share of the processors used by others above which times cannot be trusted
SAMPLE_NOTE = (
    "This is the sample corpus that comes with the project, written for it: a check that everything works, "
    "not a benchmark."
)


def measure(arguments: argparse.Namespace, command: str) -> None:
    """Measures what the log lacks; writes tables and facts to ``--out``, and predictions."""
    setup = set_up(arguments)
    out, corpus, sizes = Path(arguments.out), setup.plan.corpus, setup.plan.batch_sizes
    training, missing = None, []
    try:
        training = training_documents(corpus, arguments.data_dir)
    except InputError as error:
        missing.append(f"Groups by training mentions are left out: {error}")
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
    write_tables(out, corpus, record, memory, facts, training, setup.seed)
    if arguments.predictions:
        names = display_names((variant.name, variant.dtype) for variant in plan.variants)
        for one in record[sizes[0]].values():
            name = names[one.variant.name, one.variant.dtype]
            write_predictions(Path(arguments.predictions), name, _predicted(corpus.documents, one), arguments.format)
    notes = [] if arguments.corpus else [SAMPLE_NOTE]
    if max(starts) > BUSY:
        notes.append(f"Other processes used {max(starts):.0%} of the processors when this began: distrust the times.")
    if corpus.skipped:
        notes.append(f"Broken documents left out: {corpus.skipped}.")
    about = _about(setup, command, interruptions=len(starts) - 1)
    (out / "results.json").write_text(json.dumps({"about": about, "notes": [*notes, *missing]}))


def _conditions(setup: Setup) -> dict[str, Any]:
    """The facts that must be the same when an interrupted run continues."""
    plan = setup.plan
    return {
        **environment.conditions(plan.corpus, setup.engines),
        "timed": [len(plan.timed), setup.seed if len(plan.timed) < len(plan.corpus.documents) else None],
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
    drawn = f"{timed} of {documents} documents, drawn with seed {setup.seed}"
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
        "interruptions": interruptions,
        "seed of the bootstrap": setup.seed,
    }


def _predicted(documents: Iterable[Document], measured: Measured) -> Iterator[Document]:
    """Yields the documents with a variant's predictions in place of gold."""
    for document, row in zip(documents, measured.rows, strict=True):
        yield replace(document, entities=row.entities)


def write_predictions(folder: Path, label: str, documents: Iterable[Document], format_: str = "pubtator") -> Path:
    """Writes a variant's predictions document by document to a file that is named after its display name.

    A file under its final name is complete.
    """
    writer = WRITERS[format_]
    path = folder / (quote(label, safe="@+ ()") + writer.suffix)
    with replacing(path) as fresh, fresh.open("w", encoding="utf-8", errors="replace", newline="") as file:
        file.writelines(writer.write(documents))
    return path
