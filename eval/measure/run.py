"""A run of ``eval.report``: checks its inputs before anything is timed, measures, and writes the files."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import pandas as pd
import psutil
import torch

from engine.data.corpora import Corpus, load_corpus
from engine.data.formats import WRITERS
from engine.errors import InputError
from engine.latency import PASSES, busy_share
from engine.runs import read_json, replacing
from engine.tagger import Engine
from engine.text.documents import Document
from eval import schema
from eval.measure import environment
from eval.measure.analyses import training_documents
from eval.measure.baselines import load_baselines
from eval.measure.baselines.base import Baseline
from eval.measure.cost import cost_rows, texts_needed
from eval.measure.runner import Plan, collect, draw, evaluate, loads, open_log, predictions
from eval.measure.strategies import choose_variants, load_engines
from eval.measure.tables import interval_rows, result_columns, result_row, time_rows
from eval.measure.tuning import tuned
from eval.measure.variants import Variant, check_names, of_baseline, of_model
from eval.options import check_types, dtypes, named_folders, names, whole_numbers
from eval.records import write_records
from eval.schema import DIGITS, labels

LOG = "run"
BUSY = 0.2  # share of the processors used by others above which times cannot be trusted
SAMPLE_NOTE = (
    "This is the sample corpus that comes with the project, written for it: a check that everything works, "
    "not a benchmark."
)


@dataclass(frozen=True, eq=False)
class Setup:
    """The variants to measure and the corpus to measure them on.

    ``engines``: one per dtype; ``ours``: their strategies, and controls; ``timed``: indices of the timed documents;
    ``load``: of the machine beforehand, 0–1; ``seed``: of the bootstrap and the draw of ``timed``; ``files``: of the
    baselines.
    """

    engines: list[Engine]
    ours: list[Variant]
    corpus: Corpus
    batch_sizes: list[int]
    timed: list[int]
    baselines: list[Baseline]
    models: list[Variant]
    load: float
    seed: int
    files: TemporaryDirectory[str]

    @property
    def engine(self) -> Engine:
        """The first dtype's engine."""
        return self.engines[0]

    def plan(self, baselines: Iterable[Baseline]) -> Plan:
        """Everything to measure, with the given baselines."""
        return Plan(self.corpus, [*self.ours, *map(of_baseline, baselines), *self.models], self.batch_sizes, self.timed)


def set_up(arguments: argparse.Namespace, sample: Path) -> Setup:
    """Loads the engines, corpus and variants.

    Args:
        arguments: of ``eval.report``.
        sample: the corpus if they name none.

    Raises:
        InputError: an option that is not usable.
    """
    load = busy_share()
    sizes = whole_numbers(arguments.batch_size or ("1,32" if arguments.corpus else "1"), "--batch-size")
    wanted = _dtypes(arguments)
    if arguments.threads is not None:
        if arguments.threads > (cores := os.cpu_count() or 1):
            raise InputError(
                f"expected --threads up to {cores}, the processors here, got {arguments.threads}; lower it"
            )
        torch.set_num_threads(arguments.threads)
    others = named_folders(arguments.others)
    corpus = _scored_corpus(arguments, sample)
    documents = len(corpus.documents)
    if (timed := arguments.timed or documents) > documents:
        raise InputError(f"expected --timed up to {documents}, the documents of {corpus.name}, got {timed}; lower it")
    engines = load_engines(arguments.model, wanted, arguments.device, arguments.labels)
    gold = {entity.type for document in corpus.documents for entity in document.entities}
    if unknown := set(corpus.types) - gold - set(engines[0].labels.types):
        raise InputError(f"expected types of the gold or the model, got {sorted(unknown)}; fix --types")
    check_types(corpus.types, engines[0].labels.types)

    def calibration() -> list[str]:
        if (training := training_documents(corpus, arguments.data_dir)) is None:
            raise InputError(
                f"expected a corpus with a training split to calibrate on, got {corpus.name} {corpus.split}; choose a "
                "named corpus, or leave out what needs one of --baselines"
            )
        return [document.text for document in training]

    files = TemporaryDirectory()
    run = Setup(
        engines,
        choose_variants(engines, arguments),
        corpus,
        sizes,
        draw(documents, timed, arguments.seed),
        load_baselines(engines[0], names(arguments.baselines), calibration, Path(files.name)),
        [
            of_model(name, one, one.strategy(strategy, arguments.point))
            for name, folder, strategy in others
            for one in load_engines(folder, wanted, arguments.device)
        ],
        load,
        arguments.seed,
        files,
    )
    check_names(run.plan(run.baselines).variants)
    return run


def _dtypes(arguments: argparse.Namespace) -> list[str]:
    """The dtypes of the engines; ``auto``, whose choice depends on the machine's load, is that of the run to resume."""
    wanted, stored = dtypes(arguments.dtype), Path(arguments.out) / f"{LOG}.json"
    if "auto" in wanted and stored.is_file():
        return dtypes(read_json(stored).get("dtype", arguments.dtype))
    return wanted


def _scored_corpus(arguments: argparse.Namespace, sample: Path) -> Corpus:
    """The corpus to evaluate; its types are the scored ones."""
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
    columns = [schema.type_column(type_) for type_ in (schema.SEQEVAL, *types)]
    if len(set(columns)) < len(columns):
        raise InputError(
            f"expected types that differ in more than case, none of them called seqeval, got {list(types)}; rename them"
        )
    return Corpus(name, corpus.split, types, corpus.documents, corpus.skipped)


def measure(run: Setup, arguments: argparse.Namespace, command: str) -> dict[str, Any]:
    """Measures what the log lacks; writes ``results.csv`` and its companions to ``--out``, and predictions.

    Returns:
        What readers must know about the run: ``about``, facts by name, and ``notes``.
    """
    out, corpus, sizes = Path(arguments.out), run.corpus, run.batch_sizes
    log = open_log(out, LOG, _conditions(run))
    plan = run.plan(tuned(run.baselines, corpus, sizes, log))
    evaluate(plan, log, run.load)
    measured = {size: collect(plan, size, log) for size in sizes}
    every = [(one, by_key) for by_key in measured.values() for one in by_key.values()]
    texts = [document.text for document in corpus.documents[: texts_needed(sizes)]]
    tables: dict[str, tuple[Iterable[Mapping[str, Any]], Sequence[str]]] = {
        "results": ((result_row(*pair, corpus, run.seed) for pair in every), result_columns(corpus)),
        "intervals": (
            (row for by_key in measured.values() for row in interval_rows(by_key, run.seed)),
            schema.columns(schema.Interval),
        ),
        "times": ((row for one, _ in every for row in time_rows(one)), schema.columns(schema.BatchTime)),
        "cost": (cost_rows(texts, measured, run.seed), schema.columns(schema.Cost)),
    }
    for name, (rows, columns) in tables.items():
        pd.DataFrame(list(rows), columns=list(columns)).to_csv(out / f"{name}.csv", index=False, float_format=DIGITS)
    write_records(out, [document.id for document in corpus.documents], [one.record for one, _ in every])
    names = labels((variant.name, variant.dtype) for variant in plan.variants)
    for variant in plan.variants if arguments.predictions else ():
        found = predictions(plan, variant, sizes[0], log)
        write_predictions(arguments.predictions, names[variant.name, variant.dtype], found, arguments.format)
    starts = loads(log)
    notes = [] if arguments.corpus else [SAMPLE_NOTE]
    if max(starts) > BUSY:
        notes.append(f"Other processes used {max(starts):.0%} of the processors when this began: distrust the times.")
    if corpus.skipped:
        notes.append(f"Broken documents left out: {corpus.skipped}.")
    return {"about": _about(run, plan, command, interruptions=len(starts) - 1), "notes": notes}


def _conditions(run: Setup) -> dict[str, Any]:
    """The facts that must be unchanged for a run to resume."""
    return {
        **environment.conditions(run.corpus, run.engines),
        "timed": [len(run.timed), run.seed if len(run.timed) < len(run.corpus.documents) else None],
        "variants": [dict(variant.conditions) for variant in run.plan(run.baselines).variants],
        "batch_sizes": run.batch_sizes,
        "passes": PASSES,
    }


def _about(run: Setup, plan: Plan, command: str, interruptions: int) -> dict[str, Any]:
    """Facts about the run for readers."""
    engine = run.engine
    settings: dict[str, Mapping[str, Any]] = {}
    names = labels((variant.name, variant.dtype) for variant in plan.variants)
    for variant in plan.variants:
        if variant.strategy and variant.strategy.prunes:
            record = variant.strategy.to_json()
            settings[variant.name] = {key: part for key, part in record.items() if key not in ("name", "point")}
        elif variant.settings:
            settings[names[variant.name, variant.dtype]] = {"dtype": variant.dtype, **variant.settings}
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions().items())
    formats = [f"{e.dtype} ({e.precision.why})" if e.precision.why else e.dtype for e in run.engines]
    documents, timed = len(run.corpus.documents), len(run.timed)
    resident = psutil.Process().memory_info().rss / 2**20
    return {
        "command": command,
        "model": Path(engine.source).name,
        "settings": settings,
        "documents": documents,
        "timed": f"{timed} of {documents} documents, drawn with seed {run.seed}"
        if timed < documents
        else "all documents",
        "scored types": ", ".join(run.corpus.types),
        "device, dtype, threads": f"{engine.device}, {' and '.join(formats)}, {torch.get_num_threads()}",
        "machine": environment.machine(),
        "GPU": "measured" if engine.device.type == "cuda" else "not measured",
        "versions": f"{versions}, commit {environment.commit()}",
        "weights": f"SHA-256 {engine.digest[:16]}…",
        "timing": f"variants interleaved batch by batch, order rotated; a discarded pass, then the median of {PASSES}",
        "memory": f"one engine per dtype and all baselines held at once: {resident:.0f} MiB resident at the end",
        "interruptions": interruptions,
        "seed of the bootstrap": run.seed,
    }


def predictions_file(folder: str | Path, strategy: str, format_: str = "pubtator") -> Path:
    """The file that `write_predictions` writes; one per strategy name.

    Raises:
        InputError: unknown format.
    """
    if format_ not in WRITERS:
        raise InputError(f"expected one of the formats {list(WRITERS)}, got {format_!r}; choose one of them")
    return Path(folder) / (quote(strategy, safe="@+ ()") + WRITERS[format_].suffix)


def write_predictions(
    folder: str | Path, strategy: str, documents: Iterable[Document], format_: str = "pubtator"
) -> Path:
    """Writes a strategy's predictions, document by document; a file under its final name is complete.

    Args:
        folder: created if missing.
        strategy: its name, e.g. ``random@entropy``; the file is named after it.
        documents: with the predicted entities in place of gold.
        format_: a key of `engine.data.formats.WRITERS`.

    Returns:
        The file.
    """
    path, writer = predictions_file(folder, strategy, format_), WRITERS[format_]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as fresh, fresh.open("w", encoding="utf-8", errors="replace", newline="") as file:
        file.writelines(writer.write(documents))
    return path
