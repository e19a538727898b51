"""Estimates core-hours and cost of tagging a corpus from a measured sample, dense and pruned, in each dtype."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from tqdm import tqdm

from engine import Document, Engine, InputError, Strategy
from engine.bulk.folder import RunFolder
from engine.bulk.inputs import InputFile
from engine.bulk.worker import read_file
from engine.command import STANDARD_ERROR
from engine.latency import PASSES, Latency, time_variants
from engine.options import DTYPES, EngineOptions, tag_documents

MAX_FILES = 20  # files that the sample is spread over

Pair = tuple[Engine, Strategy]


def estimate(
    files: Sequence[InputFile],
    options: EngineOptions,
    columns: tuple[str, str],
    documents: int,
    price: float,
    sample: int,
) -> Iterator[str]:
    """Yields the lines of a Markdown table of ``dense`` and the chosen strategy, in each dtype that runs here.

    Reading, tagging on one thread and writing a sample, the first documents of at most `MAX_FILES` evenly spread files,
    are measured; the rest is extrapolated in proportion, to so many ``documents`` and the ``price`` of a core-hour in
    any currency. Raises an `InputError` if there is no document to measure.
    """
    torch.set_num_threads(1)
    files = files[:: -(-len(files) // MAX_FILES)]
    begin = time.perf_counter()
    read, problems = _read_sample(files, columns, sample)
    read_s = time.perf_counter() - begin
    if not read:
        raise InputError(
            problems[0] if problems else "expected documents to measure, got none in the inputs; choose others"
        )
    pairs, refused = _load_pairs(options)
    seconds = _time_passes(pairs, read, options.batch_size)
    tagged = list(tag_documents(*pairs[-1], read, options.batch_size))
    with TemporaryDirectory() as folder:
        begin = time.perf_counter()
        RunFolder(Path(folder), "jsonl").write_result("sample", tagged)
        write_s = time.perf_counter() - begin
    io_s = (read_s + write_s) / len(read)

    words = sum(len(document.text.split()) for document in read) / len(read)
    untitled = sum(document.title_end == len(document.text) for document in read)
    yield f"Measured: {len(read)} documents of {len(files)} files, {words:.0f} words on average, {untitled} of them a "
    yield f"title alone; one thread, {options.batch_size} documents at a time, {PASSES} passes; reading and writing "
    yield f"{io_s * 1e3:.2f} ms a document. Computed: {documents:,} documents like these, {price} a core-hour."
    yield ""
    yield "| strategy | dtype | documents/s of a core (slowest – fastest pass) | core-hours | cost | speed-up |"
    yield "| --- | --- | --- | --- | --- | --- |"
    dense_hours = None
    for (engine, strategy), passes in zip(pairs, seconds, strict=True):
        low, middle, high = (len(read) / (of(passes) + io_s * len(read)) for of in (max, statistics.median, min))
        hours = documents / middle / 3600
        dense_hours = dense_hours or hours
        speeds = f"{middle:.1f} ({low:.1f} – {high:.1f})"
        costs = f"{hours:,.1f} | {hours * price:,.2f} | {dense_hours / hours:.2f}×"
        yield f"| `{strategy.name}` | {engine.dtype} | {speeds} | {costs} |"
    for problem in refused:
        yield f"\nNot here: {problem}"
    for problem in problems:
        yield f"\nReading stopped: {problem}"


def _read_sample(files: Sequence[InputFile], columns: tuple[str, str], size: int) -> tuple[list[Document], list[str]]:
    """Returns the first documents of each file, ``size`` in all, and the errors that stopped reading."""
    found: list[Document] = []
    problems = []
    for file in files:
        try:
            found += islice(read_file(file, columns), -(-size // len(files)))
        except InputError as error:
            problems.append(str(error))
    return found[:size], problems


def _load_pairs(options: EngineOptions) -> tuple[list[Pair], list[str]]:
    """Loads dense in each dtype, then the chosen strategy in each; also returns why a dtype cannot be used."""
    chosen, refused = [], []
    for dtype in DTYPES:
        try:
            if dtype != "auto":
                chosen.append(replace(options, dtype=dtype).load())
        except InputError as error:
            refused.append(str(error))
    if not chosen:
        raise InputError(refused[0])
    dense = [(engine, engine.strategy("dense")) for engine, _ in chosen]
    return dense + [pair for pair in chosen if pair[1].name != "dense"], refused


def _time_passes(pairs: Sequence[Pair], read: Sequence[Document], batch_size: int) -> list[list[float]]:
    """Returns the seconds of each timed pass, per pair of engine and strategy."""
    batches = [[document.text for document in read[at : at + batch_size]] for at in range(0, len(read), batch_size)]

    def call(number: int, batch: int) -> Latency:
        engine, strategy = pairs[number]
        return engine.tag_batch(batches[batch], strategy, batch_size=batch_size)[0].latency

    total = (PASSES + 1) * len(pairs) * len(batches)
    with tqdm(total=total, desc="measuring", unit=" calls", file=STANDARD_ERROR) as bar:
        times = time_variants(range(len(pairs)), len(batches), call, bar.update)
    return [[sum(passes) / 1e3 for passes in zip(*of.total, strict=True)] for of in times.values()]
