"""A run: measures batch by batch what its log lacks, and writes all files of a report but its pages."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch

from engine.cascade import Cascade
from engine.cli.progress import Progress
from engine.cli.runs import Log, check_same, read_json, write_json
from engine.formats.corpora import Corpus
from engine.latency import BUSY, PASSES, Unit
from eval.analysis.tables import write_tables
from eval.measure import environment
from eval.measure.baselines import tried_texts, tune
from eval.measure.environment import own_threads
from eval.measure.setup import Setup, set_up, training_documents
from eval.measure.variants import Tagger, of_baseline
from eval.record import Plan, Record, Row
from eval.schema import BASELINE, DENSE
from eval.statistics import SEED

LOG = "run"
BURN_IN = 3  # batches that warm up threads, allocators and caches before a process continues another's timings
SAMPLE_NOTE = (
    "This is the sample corpus that comes with the project, written for it: a check that everything works, "
    "not a benchmark."
)


def report(arguments: argparse.Namespace, corpus: Corpus, command: str) -> Progress:
    """Measures what ``eval.report`` was asked for; writes tables and facts to ``--out``, and predictions."""
    setup, out = set_up(arguments, corpus), Path(arguments.out)
    training = training_documents(corpus, arguments.data_dir)
    record = Record(setup.plan, open_log(out, setup))
    with progress_of(setup, record) as progress:
        setup = tuned(setup, record, progress)
        run(setup, record, progress)
        if not record.facts("memory"):
            progress.note = "memory"
            record.log.append({"memory": _measure_memory(setup)})
    (memory,), loads = record.facts("memory"), record.facts("load")
    facts = environment.versions() | {"threads": torch.get_num_threads(), "commit": environment.commit()}
    write_tables(out, record, memory, facts, training)
    notes = [] if arguments.corpus else [SAMPLE_NOTE]
    if max(loads) > BUSY:
        notes.append(f"Other processes used {max(loads):.0%} of the processors when this began: distrust the times.")
    if corpus.skipped:
        notes.append(f"Broken documents left out: {corpus.skipped}.")
    about = _about(setup, command, interruptions=len(loads) - 1)
    write_json(out / "results.json", {"about": about, "notes": notes})
    return progress


def open_log(folder: Path, setup: Setup) -> Log:
    """Opens ``run.jsonl`` in a locked folder; ``run.json`` beside it holds the conditions of the run.

    Raises:
        InputError: if the folder contains a run under other conditions.
    """
    stored, log, conditions = folder / f"{LOG}.json", folder / f"{LOG}.jsonl", _conditions(setup)
    if stored.is_file():
        check_same(folder, read_json(stored), conditions)
    else:
        log.unlink(missing_ok=True)
        write_json(stored, conditions)
    return Log(log)


def progress_of(setup: Setup, record: Record) -> Progress:
    """Says what will be measured and about how long it takes, as if every variant took as long as dense."""
    dense, plan = setup.taggers[0], setup.plan
    todo, total = (sum(len(plan.documents(unit)) for unit in units) for units in (record.todo, plan.units()))
    texts = [document.text for document in plan.corpus.documents[:3]]
    ms = min(dense.tag([text]).ms for text in texts) if todo else 0  # the first call also loads what it needs
    trials = 0 if record.facts("tuned") else tried_texts(setup.baselines, plan.batch_sizes)
    named = ", ".join(variant.name for variant in plan.variants[:20]) + ", …" * (len(plan.variants) > 20)
    return Progress(
        f"Measuring {len(plan.variants)} variants: {named}",
        total=total,
        done=total - todo,
        about_s=ms / 1000 * (todo * len(setup.taggers) + trials),
        resume="The same command continues.",
    )


def tuned(setup: Setup, record: Record, progress: Progress) -> Setup:
    """Gives baselines their fastest settings."""
    plan = setup.plan
    chosen = tune(setup.baselines, plan.corpus, plan.batch_sizes, record.log, progress)
    by_name = {baseline.name: of_baseline(baseline) for baseline in chosen}
    taggers = [by_name[one.variant.title] if one.variant.kind == BASELINE else one for one in setup.taggers]
    return replace(setup, taggers=taggers)


def run(setup: Setup, record: Record, progress: Progress) -> None:
    """Measures what the record lacks."""
    plan, todo, taggers = setup.plan, record.todo, setup.taggers
    if todo:
        record.log.append({"load": setup.load})
    resumed = len(todo) < len(plan.units())
    for unit in todo[:BURN_IN] if resumed and plan.timed else ():
        _run_batch(unit, plan, taggers, reseeded=False)
    for unit in todo:
        progress.note = (
            f"{unit.batch_size} a call, {'warming up' if unit.pass_number == 0 else f'pass {unit.pass_number}'}"
        )
        if unit.batch == 0:
            if unit.pass_number == 0:  # each batch size loads its own graphs
                for tagger in taggers:
                    tagger.release()
            gc.collect()
        record.add(unit, _run_batch(unit, plan, taggers, reseeded=unit.batch_size == plan.batch_sizes[0]))
        progress.advance(len(plan.documents(unit)))


def _run_batch(
    unit: Unit, plan: Plan, taggers: Sequence[Tagger], *, reseeded: bool
) -> dict[str, tuple[float, list[list[Row]]]]:
    """Runs a batch under all variants; returns for each its milliseconds and, in the first pass, its rows by seed."""
    texts = [document.text for document in plan.documents(unit)]
    calls: dict[str, tuple[float, list[list[Row]]]] = {}
    for index in unit.order(range(len(taggers))):
        tagger = taggers[index]
        with own_threads(tagger.threads, rest=bool(plan.timed)):
            tagged = tagger.tag(texts)
        runs = []
        if unit.pass_number == 0:
            runs = [tagged.rows(), *(other(texts).rows() for other in tagger.reseeded if reseeded)]
        calls[plan.variants[index].name] = tagged.ms, runs
    return calls


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
    """Bytes that a process with one variant alone occupies: dense, and strategies that prune, by their names."""
    engines = {engine.dtype: engine for engine in setup.engines}
    memory: dict[str, int] = {}
    for variant in setup.plan.variants:
        if variant.strategy is not None and (variant.prunes or variant.kind == DENSE):
            strategy = variant.strategy
            if isinstance(strategy, Cascade):
                strategy = replace(strategy, threshold=0.0)  # so that the large model reads the text, too
            occupied = environment.resident_memory(engines[variant.dtype], strategy)
            memory |= {variant.name: occupied} if occupied else {}
    return memory


def _about(setup: Setup, command: str, interruptions: int) -> dict[str, Any]:
    """Facts about the run for readers."""
    engine, plan = setup.engines[0], setup.plan
    settings: dict[str, Mapping[str, Any]] = {
        variant.name: tagger.variant.settings
        for variant, tagger in zip(plan.variants, setup.taggers, strict=True)
        if tagger.variant.settings
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
