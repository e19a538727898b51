"""A run: measures batch by batch what its log lacks, and writes all files of a report but its pages."""

import gc
from pathlib import Path
from typing import Any

import torch

import engine
import eval
from engine.cli.progress import Progress
from engine.cli.runs import Log, check_same, code_digest, read_json, write_json
from engine.corpora import Corpus
from engine.latency import BUSY, PASSES, Unit, busy_share
from engine.pruning.strategy_names import CASCADE
from eval import schema
from eval.analysis.tables import write_tables
from eval.config import ReportConfig
from eval.measure import environment
from eval.measure.baselines import tune
from eval.measure.baselines.base import Baseline
from eval.measure.setup import Setup, set_up
from eval.measure.taggers import EngineTagger
from eval.record import RunRecord, Tagged
from eval.schema import DEFAULT_STRATEGY, DENSE, MODEL
from eval.statistics import SEED

BURN_IN = 3  # batches that warm up threads, allocators and caches before a process continues another's timings
SAMPLE_NOTE = (
    "This is the sample corpus that comes with the project, written for it: a check that everything works, "
    "not a benchmark."
)


def measure(config: ReportConfig, corpus: Corpus, command: str) -> Progress:
    """Measures what a report is asked for; writes its tables and facts, which name the command."""
    out = Path(config.out)
    with Progress("Loading the models") as loading:
        setup = set_up(config, corpus, loading)
    record = RunRecord(setup.schedule, open_log(out, setup))
    baselines = [one for one in setup.taggers if isinstance(one, Baseline)]
    tune(baselines, corpus, config.batch_size, record.log)
    with progress_of(setup, record) as progress:
        run(setup, record, progress)
        if not record.facts("memory"):
            progress.note = "memory of a process with each strategy"
            record.log.append({"memory": _measure_memory(setup)})
        progress.note = "tables"
        (memory,), loads = record.facts("memory"), record.facts("load")
        facts = environment.versions() | {"threads": torch.get_num_threads(), "commit": environment.commit()}
        write_tables(out, record, memory, facts, setup.training)
    notes = [] if config.corpus else [SAMPLE_NOTE]
    about = _about(setup, command, interruptions=len(loads) - 1)
    if max(loads) > BUSY:
        about[schema.BUSY] = f"other processes used {max(loads):.0%} of the processors as this began"
    if corpus.skipped:
        notes.append(f"Broken documents left out: {corpus.skipped}.")
    write_json(out / "results.json", {"about": about, "notes": notes})
    return progress


def open_log(folder: Path, setup: Setup) -> Log:
    """Opens ``run.jsonl`` in a locked folder; ``run.json`` beside it holds the conditions of the run.

    Raises an `InputError` if the folder contains a run under other conditions.
    """
    stored, log, conditions = folder / "run.json", folder / "run.jsonl", conditions_of(setup)
    if stored.is_file():
        check_same(folder, read_json(stored), conditions)
    else:
        log.unlink(missing_ok=True)
        write_json(stored, conditions)
    return Log(log)


def conditions_of(setup: Setup) -> dict[str, Any]:
    """The facts that must be the same when an interrupted run continues."""
    first, schedule, corpus = setup.engines[0], setup.schedule, setup.schedule.corpus
    others = [one.engine for one in setup.taggers if isinstance(one, EngineTagger) and one.variant.kind == MODEL]
    return {
        "commit": environment.commit(),
        "code": code_digest(engine, eval),
        "versions": environment.versions(),
        "machine": environment.machine(),
        "threads": torch.get_num_threads(),
        "device": first.device,
        "dtype": ",".join(engine.dtype for engine in setup.engines),
        "corpus": [corpus.name, corpus.split, corpus.digest],
        "types": corpus.types,
        "model": first.fingerprint | {"runtime": [engine.fingerprint["runtime"] for engine in setup.engines]},
        "timed": len(schedule.timed),
        "variants": [
            {one.title: one.strategy.to_json() if one.strategy else dict(one.settings)} for one in schedule.variants
        ],
        "others": [engine.fingerprint for engine in others],
        "batch_sizes": schedule.batch_sizes,
        "passes": PASSES,
    }


def progress_of(setup: Setup, record: RunRecord) -> Progress:
    """Says what will be measured and about how long it takes, as if every variant took as long as dense.

    Work is counted in texts that a variant tags.
    """
    schedule, variants = setup.schedule, len(setup.taggers)
    every = (record.todo, schedule.units())
    left, total = (sum(len(schedule.documents(unit)) for unit in units) * variants for units in every)
    texts = [document.text for document in schedule.corpus.documents[:3]]
    ms = min(setup.taggers[0].tag([text])[1] for text in texts) if left else 0  # the first call also loads the graph
    named = ", ".join(variant.name for variant in schedule.variants[:20]) + ", …" * (variants > 20)
    return Progress(
        f"Measuring {variants} variants: {named}",
        total=total,
        done=total - left,
        about_s=ms / 1000 * left,
        resume="The same command continues.",
    )


def run(setup: Setup, record: RunRecord, progress: Progress) -> None:
    """Measures what the record lacks."""
    todo = list(record.todo)
    if todo:
        record.log.append({"load": busy_share() if setup.schedule.timed else 0.0})
    resumed = len(todo) < len(setup.schedule.units())
    for unit in todo[:BURN_IN] if resumed and setup.schedule.timed else ():
        _run_batch(unit, setup, Progress())
    for unit in todo:
        if unit.batch == 0:
            if unit.pass_number == 0:  # each batch size loads its own graphs
                for tagger in setup.taggers:
                    tagger.release()
            gc.collect()
        record.add(unit, _run_batch(unit, setup, progress))


def _run_batch(unit: Unit, setup: Setup, progress: Progress) -> dict[str, tuple[float, list[list[Tagged]]]]:
    """Runs a batch under all variants; returns for each its milliseconds and, for predictions, its finds by seed."""
    schedule, predicts = setup.schedule, setup.schedule.predicts(unit)
    what = "predictions" if predicts else f"pass {unit.pass_number}" if unit.pass_number else "warming up"
    texts = [document.text for document in schedule.documents(unit)]
    calls: dict[str, tuple[float, list[list[Tagged]]]] = {}
    for tagger in unit.order(setup.taggers):
        name = tagger.variant.name
        progress.note = f"{what}, {unit.batch_size} a call, {name}"
        found, ms = tagger.tag(texts)
        others = (tagger.tag(texts, seed)[0] for seed in range(1, tagger.seeds))
        calls[name] = ms, [found, *others] if predicts else []
        progress.advance(len(texts))
    return calls


def _measure_memory(setup: Setup) -> dict[str, int]:
    """Bytes that a process with one variant alone occupies: dense, and strategies that prune, by their names."""
    engines = {engine.dtype: engine for engine in setup.engines}
    memory: dict[str, int] = {}
    for variant in setup.schedule.variants:
        if variant.strategy is not None and (variant.prunes or variant.kind == DENSE):
            strategy = variant.strategy
            if strategy.kind == CASCADE:
                strategy = strategy.with_settings(threshold=0.0)  # so that the large model reads the text, too
            occupied = environment.resident_memory(engines[variant.dtype], strategy)
            memory |= {variant.name: occupied} if occupied else {}
    return memory


def _about(setup: Setup, command: str, interruptions: int) -> dict[str, Any]:
    """Facts about the run for readers."""
    first, schedule = setup.engines[0], setup.schedule
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions().items())
    dtypes = [f"{engine.dtype} ({engine.why})" if engine.why else engine.dtype for engine in setup.engines]
    documents, timed = len(schedule.corpus.documents), len(schedule.timed)
    drawn = f"{timed} of {documents} documents, drawn with seed {SEED}"
    return {
        "command": command,
        "model": Path(first.source).name,
        DEFAULT_STRATEGY: first.strategy().title,
        "settings": {one.variant.name: one.variant.settings for one in setup.taggers if one.variant.settings},
        "documents": documents,
        "timed": drawn if timed < documents else "all documents",
        "scored types": ", ".join(schedule.corpus.types),
        "device, dtype, threads": f"{first.device}, {' and '.join(dtypes)}, {torch.get_num_threads()}",
        "machine": environment.machine(),
        "GPU": "measured" if first.device != "cpu" else "not measured",
        "versions": f"{versions}, commit {environment.commit()}",
        "weights": f"SHA-256 {first.digest[:16]}…",
        "timing": f"variants interleaved batch by batch, order rotated; a discarded pass, then the median of {PASSES}",
        "seed of the bootstrap": SEED,
        "interruptions": interruptions,
    }
