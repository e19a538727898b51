"""Measures everything that a run lacks and writes all files of a report but its pages."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import psutil
import torch

from engine.data.corpora import Corpus
from engine.data.formats import WRITERS
from engine.errors import InputError
from engine.latency import PASSES, speedup
from engine.runs import replacing
from engine.text.documents import Document
from eval import schema
from eval.measure import environment
from eval.measure.analyses import analyse, training_documents
from eval.measure.baselines import tune
from eval.measure.cost import cost_rows
from eval.measure.measured import Measured, Scores, collect, dense_of, predictions
from eval.measure.runner import Plan, evaluate, loads, open_log
from eval.measure.setup import LOG, Setup, set_up
from eval.measure.variants import of_baseline
from eval.records import interval_row, write_records
from eval.schema import BASELINE, DIGITS, columns, display_names

BUSY = 0.2  # share of the processors used by others above which times cannot be trusted
SAMPLE_NOTE = (
    "This is the sample corpus that comes with the project, written for it: a check that everything works, "
    "not a benchmark."
)


def measure(arguments: argparse.Namespace, command: str) -> None:
    """Measures what the log lacks and analyses it; writes tables and facts to ``--out``, and predictions."""
    setup = set_up(arguments)
    out, corpus, sizes = Path(arguments.out), setup.plan.corpus, setup.plan.batch_sizes
    training, missing = None, []
    try:
        training = training_documents(corpus, arguments.data_dir)
    except InputError as error:
        missing.append(f"Groups by training mentions are left out: {error}")
    log = open_log(out, LOG, _conditions(setup))
    tuned = {one.name: of_baseline(one) for one in tune(setup.baselines, corpus, sizes, log)}
    variants = [tuned[one.name] if one.kind == BASELINE else one for one in setup.plan.variants]
    plan = replace(setup.plan, variants=variants)
    evaluate(plan, log, setup.load)
    measured = {size: collect(plan, size, log) for size in sizes}
    _write_tables(out, corpus, measured, setup.seed)
    names = display_names((variant.name, variant.dtype) for variant in variants)
    for variant in variants if arguments.predictions else ():
        found = predictions(plan, variant, sizes[0], log)
        write_predictions(Path(arguments.predictions), names[variant.name, variant.dtype], found, arguments.format)
    starts = loads(log)
    about = _about(setup, plan, command, interruptions=len(starts) - 1)
    notes = [] if arguments.corpus else [SAMPLE_NOTE]
    if max(starts) > BUSY:
        notes.append(f"Other processes used {max(starts):.0%} of the processors when this began: distrust the times.")
    if corpus.skipped:
        notes.append(f"Broken documents left out: {corpus.skipped}.")
    analyse(variants, corpus, out, training, setup.seed)
    (out / "results.json").write_text(json.dumps({"about": about, "notes": [*notes, *missing]}))


def _conditions(setup: Setup) -> dict[str, Any]:
    """The facts that must be the same when an interrupted run continues."""
    plan = setup.plan
    return {
        **environment.conditions(plan.corpus, setup.engines),
        "timed": [len(plan.timed), setup.seed if len(plan.timed) < len(plan.corpus.documents) else None],
        "variants": [dict(variant.conditions) for variant in plan.variants],
        "batch_sizes": plan.batch_sizes,
        "passes": PASSES,
    }


def _write_tables(out: Path, corpus: Corpus, measured: Mapping[int, Mapping[str, Measured]], seed: int) -> None:
    pairs = [(one, by_key) for by_key in measured.values() for one in by_key.values()]
    texts = [document.text for document in corpus.documents]
    rows: dict[str, Iterable[object]] = {
        "results": (result_row(*pair, corpus, seed) for pair in pairs),
        "intervals": (row for by_key in measured.values() for row in interval_rows(by_key, seed)),
        "times": (row for one, _ in pairs for row in time_rows(one)),
        "cost": cost_rows(texts, measured, seed),
    }
    for name, of_run in rows.items():
        names = result_columns(corpus) if name == "results" else columns(name)
        pd.DataFrame(list(of_run), columns=names).to_csv(out / f"{name}.csv", index=False, float_format=DIGITS)
    write_records(out, [document.id for document in corpus.documents], [one.record for one, _ in pairs])


def result_columns(corpus: Corpus) -> list[str]:
    """The columns of ``results.csv``; those of the scored types follow ``recall``."""
    names = columns("results")
    after = names.index("recall") + 1
    return [*names[:after], *map(schema.type_column, corpus.types), *names[after:]]


def result_row(measured: Measured, others: Mapping[str, Measured], corpus: Corpus, seed: int) -> dict[str, Any]:
    """The row of ``results.csv`` for a variant; ``others``: all variants at its batch size, dense among them."""
    runs, times, variant, cost = measured.runs, measured.times, measured.variant, measured.cost
    dense, own_dense = dense_of(others), dense_of(others, variant.dtype)
    ran_densely = own_dense.variant.dtype == variant.dtype
    dense_rows = float(dense.rows.sum())
    versions = environment.versions()

    def mean(score: Callable[[Scores], float]) -> float:
        return float(np.mean([score(run) for run in runs]))

    row: schema.VariantResult = {
        "corpus": corpus.name,
        "split": corpus.split,
        "documents": len(corpus.documents),
        "timed_documents": len(measured.timed),
        "strategy": variant.name,
        "kind": variant.kind,
        "family": variant.family,
        "replays": variant.replays,
        "prunes": variant.prunes,
        "point": variant.strategy.point if variant.strategy else "",
        "batch_size": measured.batch_size,
        "f1": mean(lambda run: run.total.f1),
        "precision": mean(lambda run: run.total.precision),
        "recall": mean(lambda run: run.total.recall),
        "f1_seqeval": mean(lambda run: run.seqeval),
        "unscored_predictions": round(mean(lambda run: run.unscored)),
        "latency_ms_median": float(np.median(times.batches)),
        "latency_ms_p95": float(np.quantile(times.batches, 0.95)),
        "encoder_ms_median": float(np.median(times.encoder_batches)),
        "tokens_per_s": float(dense.rows[dense.timed].sum()) / times.batches.sum() * 1e3,
        "speedup_vs_dense": speedup(dense.times, times),
        "speedup_vs_dense_same_dtype": speedup(own_dense.times, times) if ran_densely else None,
        "theoretical_speedup": cost.theoretical_speedup if cost else None,
        "token_layers_kept": cost.token_layers_kept if cost else None,
        "token_reduction": (1 - cost.rows[-1] / dense_rows if dense_rows else 0.0) if cost else None,
        "gmacs_per_document": cost.macs / 1e9 / len(corpus.documents) if cost else None,
        "device": variant.device,
        "dtype": variant.dtype,
        "threads": torch.get_num_threads(),
        "seed": seed,
        "torch": versions["torch"],
        "transformers": versions["transformers"],
        "commit": environment.commit(),
    }
    by_type = {
        schema.type_column(type_): float(np.mean([run.by_type[type_].f1 for run in runs])) for type_ in corpus.types
    }
    return {**row, **by_type}


def interval_rows(measured: Mapping[str, Measured], seed: int) -> Iterator[schema.Interval]:
    """Compares every variant with dense in the first dtype and in its own, and each strategy with all it must beat."""
    dense, every = dense_of(measured), list(measured.values())
    pairs = [(one, dense) for one in every]
    own_dense = [(one, dense_of(measured, one.variant.dtype)) for one in every]
    pairs += [(one, own) for one, own in own_dense if own not in (one, dense)]
    pairs += [(one, other) for one in every for other in every if one.variant.must_beat(other.variant)]
    for one, other in pairs:
        yield interval_row([one.record], [other.record], seed)


def time_rows(measured: Measured) -> Iterator[tuple[object, ...]]:
    """Yields the cells of the rows of ``times.csv`` for a variant, see `eval.schema.BatchTime`."""
    pairs = zip(measured.times.batches.tolist(), measured.times.encoder_batches.tolist(), strict=True)
    for batch, of_batch in enumerate(pairs):
        yield *measured.record.key, batch, *of_batch


def _about(setup: Setup, plan: Plan, command: str, interruptions: int) -> dict[str, Any]:
    """Facts about the run for readers."""
    engine = setup.engines[0]
    settings: dict[str, Mapping[str, Any]] = {}
    names = display_names((variant.name, variant.dtype) for variant in plan.variants)
    for variant in plan.variants:
        if variant.strategy and variant.strategy.prunes:
            record = variant.strategy.to_json()
            settings[variant.name] = {key: part for key, part in record.items() if key not in ("name", "point")}
        elif variant.settings:
            settings[names[variant.name, variant.dtype]] = {"dtype": variant.dtype, **variant.settings}
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


def write_predictions(folder: Path, label: str, documents: Iterable[Document], format_: str = "pubtator") -> Path:
    """Writes a variant's predictions document by document to a file that is named after its display name.

    A file under its final name is complete.
    """
    writer = WRITERS[format_]
    path = folder / (quote(label, safe="@+ ()") + writer.suffix)
    with replacing(path) as fresh, fresh.open("w", encoding="utf-8", errors="replace", newline="") as file:
        file.writelines(writer.write(documents))
    return path
