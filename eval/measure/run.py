"""A run of ``eval.report``: what it needs, checked before anything is timed, and the files that measuring gives."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from engine.data.corpora import Corpus, load_corpus
from engine.errors import InputError
from engine.pruning.strategy import Strategy
from engine.tagger import Engine, load_engine
from eval import schema
from eval.measure import environment
from eval.measure.baselines import Baseline, load_baselines
from eval.measure.cost import cost_rows, texts_needed
from eval.measure.evaluate import collect, evaluate, number_of_calls, predictions
from eval.measure.latency import PASSES
from eval.measure.predictions import predictions_file, write_predictions
from eval.measure.runlog import RunLog
from eval.measure.strategies import choose_strategies
from eval.measure.tables import document_rows, interval_rows, result_columns, result_row, time_rows
from eval.measure.tuning import tuned
from eval.measure.variants import Variant, check_names, of_baseline, of_model, of_strategy
from eval.options import named_folders, whole_numbers
from eval.schema import DENSE

BUSY = 0.2  # share of the processors used by others, above which times are not to be trusted
SAMPLE_NOTE = (
    "This is the sample corpus that comes with the project, written for it: a check that everything works, "
    "not a benchmark."
)


@dataclass(frozen=True, eq=False)
class Run:
    """What is measured, on what. ``load``: of the machine beforehand, 0–1; ``seed``: of the bootstrap."""

    engine: Engine
    corpus: Corpus
    batch_sizes: list[int]
    strategies: list[Strategy]
    baselines: list[Baseline]
    models: list[Variant]
    load: float
    seed: int

    def variants(self, baselines: Iterable[Baseline]) -> list[Variant]:
        """All that is measured, with the baselines as they are tuned."""
        ours = [of_strategy(self.engine, strategy) for strategy in self.strategies]
        return [*ours, *map(of_baseline, baselines), *self.models]


def set_up(arguments: argparse.Namespace, sample: Path) -> Run:
    """Loads everything.

    Args:
        arguments: of ``eval.report``.
        sample: the corpus where they name none.

    Raises:
        InputError: an option that is not usable.
    """
    load = environment.busy()
    sizes = whole_numbers(arguments.batch_size or ("1,32" if arguments.corpus else "1"), "--batch-size")
    for option in ("limit", "threads"):
        value = getattr(arguments, option)
        if value is not None and value < 1:
            raise InputError(f"expected --{option} 1 or more, got {value}; change it")
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    if arguments.predictions:
        predictions_file(arguments.predictions, DENSE, arguments.format)
    others = named_folders(arguments.others)
    corpus = _scored_corpus(arguments, sample)
    engine = load_engine(arguments.model, arguments.dtype, arguments.device, arguments.labels)
    gold = {entity.type for document in corpus.documents for entity in document.entities}
    if unknown := set(corpus.types) - gold - set(engine.labels.types):
        raise InputError(f"expected types of the gold or the model, got {sorted(unknown)}; fix --types")
    run = Run(
        engine,
        corpus,
        sizes,
        choose_strategies(engine, arguments),
        load_baselines(engine, [name.strip() for name in arguments.baselines.split(",") if name.strip()]),
        [of_model(name, load_engine(folder, engine.dtype, arguments.device)) for name, folder in others],
        load,
        arguments.seed,
    )
    check_names(run.variants(run.baselines))
    return run


def _scored_corpus(arguments: argparse.Namespace, sample: Path) -> Corpus:
    """The corpus to evaluate, its types those that are scored."""
    corpus = load_corpus(
        arguments.corpus or str(sample),
        arguments.split,
        arguments.data_dir,
        skip_bad=arguments.skip_bad,
        limit=arguments.limit,
        on_disk=True,
    )
    types = tuple(part.strip() for part in arguments.types.split(",")) if arguments.types else corpus.types
    name = corpus.name if arguments.corpus else "sample"
    if not corpus.documents:
        raise InputError(f"expected documents in {name}, got none; choose another file")
    if not types:
        raise InputError(f"expected gold entities in {name}, got none; choose a file with gold, or name --types")
    return Corpus(name, corpus.split, types, corpus.documents, corpus.skipped)


def measure(run: Run, arguments: argparse.Namespace, command: str) -> dict[str, Any]:
    """Measures what is not measured yet and writes ``results.csv``, its companions and the predictions to ``--out``.

    Returns:
        What readers must know of the run: ``about``, facts by name, and ``notes``.
    """
    out, corpus, sizes = Path(arguments.out), run.corpus, run.batch_sizes
    log = RunLog(out, _conditions(run))
    variants = run.variants(tuned(run.baselines, corpus, sizes, log))
    with tqdm(total=number_of_calls(corpus, variants, sizes), desc="calls", disable=None) as bar:
        evaluate(corpus, variants, sizes, log, bar.update, run.load)
    measured = {size: collect(corpus, variants, size, log) for size in sizes}
    every = [(one, by_name[DENSE]) for by_name in measured.values() for one in by_name.values()]
    texts = [document.text for document in corpus.documents[: texts_needed(sizes)]]
    tables: dict[str, tuple[Iterable[Mapping[str, Any]], Sequence[str]]] = {
        "results": ((result_row(*pair, run.engine, corpus, run.seed) for pair in every), result_columns(corpus)),
        "intervals": (
            (row for by_name in measured.values() for row in interval_rows(by_name, run.seed)),
            schema.columns(schema.Interval),
        ),
        "documents": (
            (row for one, _ in every for row in document_rows(one, corpus)),
            schema.columns(schema.DocumentCounts),
        ),
        "times": ((row for one, _ in every for row in time_rows(one)), schema.columns(schema.BatchTime)),
        "cost": (cost_rows(run.engine, texts, measured, run.seed), schema.columns(schema.Cost)),
    }
    for name, (rows, columns) in tables.items():
        pd.DataFrame(list(rows), columns=list(columns)).to_csv(out / f"{name}.csv", index=False)
    for variant in variants if arguments.predictions else ():
        found = predictions(corpus, variant.name, sizes[0], log)
        write_predictions(arguments.predictions, variant.name, found, arguments.format)
    loads = [record["load"] for record in log.records() if "load" in record]
    notes = [] if arguments.corpus else [SAMPLE_NOTE]
    if max(loads) > BUSY:
        notes.append(f"Other processes used {max(loads):.0%} of the processors when this began: distrust the times.")
    if corpus.skipped:
        notes.append(f"{corpus.skipped} broken documents were left out.")
    return {"about": _about(run, variants, command, interruptions=len(loads) - 1), "notes": notes}


def _conditions(run: Run) -> dict[str, Any]:
    """What must stay the same for a run to be continued."""
    variants = run.variants(run.baselines)
    return {
        "commit": environment.commit(),
        "code": environment.code_digest(),
        "versions": environment.versions(),
        "weights": run.engine.digest,
        "device": str(run.engine.device),
        "dtype": run.engine.dtype,
        "threads": torch.get_num_threads(),
        "corpus": [run.corpus.name, run.corpus.split, environment.corpus_digest(run.corpus.documents)],
        "types": run.corpus.types,
        "variants": [v.strategy.to_json() if v.strategy else {v.name: dict(v.settings)} for v in variants],
        "batch_sizes": run.batch_sizes,
        "passes": PASSES,
    }


def _about(run: Run, variants: Sequence[Variant], command: str, interruptions: int) -> dict[str, Any]:
    """Facts on the run for readers."""
    engine = run.engine
    settings: dict[str, Mapping[str, Any]] = {}
    for variant in variants:
        if variant.strategy and variant.strategy.prunes:
            record = variant.strategy.to_json()
            settings[variant.name] = {key: part for key, part in record.items() if key not in ("name", "point")}
        elif variant.settings:
            settings[variant.name] = variant.settings
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions().items())
    return {
        "command": command,
        "model": Path(engine.source).name,
        "settings": settings,
        "documents": len(run.corpus.documents),
        "scored types": ", ".join(run.corpus.types),
        "device, dtype, threads": f"{engine.device}, {engine.dtype}, {torch.get_num_threads()}",
        "machine": environment.machine(),
        "GPU": "measured" if engine.device.type == "cuda" else "not measured",
        "versions": f"{versions}, commit {environment.commit()}",
        "weights": f"SHA-256 {engine.digest[:16]}…",
        "timing": f"variants interleaved batch by batch, order rotated; a discarded pass, then the median of {PASSES}",
        "interruptions": interruptions,
        "seed of the bootstrap": run.seed,
    }
