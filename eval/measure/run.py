"""Measures taggers: what they find in a corpus, how long they take, how much memory they hold, and on what machine."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.cli.progress import progress
from engine.corpora import Corpus
from engine.latency import PASSES, Latency, time_variants
from eval.measure import environment
from eval.measure.taggers import EngineTagger, Tagger
from eval.record import Measured
from eval.schema import CASCADE, DEFAULT_STRATEGY, DENSE
from eval.statistics import SEED


def measure(
    taggers: Sequence[Tagger], corpus: Corpus, timed: Mapping[int, Sequence[int]], elsewhere: Sequence[Corpus] = ()
) -> dict[str, Measured]:
    """Measures all taggers in this process; returns what was measured by the variant's name.

    ``timed``: number of texts per call → indices of the documents that are timed, after a discarded pass over them;
    predictions are made at the first number.
    ``elsewhere``: further corpora, which are only tagged.
    """
    measured, *others = (predict(taggers, each, next(iter(timed))) for each in (corpus, *elsewhere))
    times = {}
    for size, indices in timed.items():
        texts = [corpus.documents[index].text for index in indices]
        times[size] = take_times(taggers, batched(texts, size), f"{len(taggers)} variants")
    return {
        name: replace(each, elsewhere=[o[name] for o in others], times={size: of[name] for size, of in times.items()})
        for name, each in measured.items()
    }


def take_times(taggers: Sequence[Tagger], batches: Sequence[Sequence[str]], what: str) -> dict[str, np.ndarray]:
    """Milliseconds of each batch of texts, ``(batches,)``, by the variant's name; ``what`` says what is timed."""

    def call(tagger: Tagger, batch: int) -> Latency:
        return Latency(tagger.tag(batches[batch])[1], len(batches[batch]))

    for tagger in taggers:
        tagger.release()  # each batch size loads its own graphs
    calls = (PASSES + 1) * len(taggers) * len(batches)
    with progress(what=f"Timing {what}, {len(batches[0])} a call", total=calls) as bar:
        times = time_variants(taggers, len(batches), call, bar.update)
    return {tagger.variant.name: milliseconds for tagger, milliseconds in times.items()}


def predict(taggers: Sequence[Tagger], corpus: Corpus, batch_size: int) -> dict[str, Measured]:
    """What taggers find in all documents, under all their seeds, by the variant's name."""
    batches = batched([document.text for document in corpus.documents], batch_size)
    measured, seeds = {}, sum(tagger.seeds for tagger in taggers)
    with progress(what=f"Predicting {corpus.title} with {len(taggers)} variants", total=seeds * len(batches)) as bar:
        for tagger in taggers:
            bar.set_postfix_str(tagger.variant.name)
            runs: list[list[Any]] = [[] for _ in range(tagger.seeds)]
            for seed, run in enumerate(runs):
                for texts in batches:
                    run += tagger.tag(texts, seed)[0]
                    bar.update()
            measured[tagger.variant.name] = Measured(tagger.variant, corpus, runs)
    return measured


def batched(texts: Sequence[str], size: int) -> list[Sequence[str]]:
    return [texts[begin : begin + size] for begin in range(0, len(texts), size)]


def measure_memory(taggers: Sequence[Tagger]) -> dict[str, int]:
    """Bytes that a process with one variant alone occupies: dense, and strategies that prune, by their names."""
    memory = {}
    for tagger in taggers:
        if isinstance(tagger, EngineTagger) and (tagger.variant.prunes or tagger.variant.kind == DENSE):
            strategy = tagger.strategy
            if strategy.kind == CASCADE:
                strategy = strategy.with_settings(threshold=0.0)  # so that the large model reads the text, too
            if occupied := environment.resident_memory(tagger.engine, strategy):
                memory[tagger.variant.name] = occupied
    return memory


def describe(
    taggers: Sequence[Tagger],
    corpus: Corpus,
    elsewhere: Sequence[Corpus],
    timed: Mapping[int, Sequence[int]],
    command: str,
) -> dict[str, Any]:
    """Facts about a report for its readers; the first tagger is the reference, the others are as in `measure`."""
    ours = [tagger for tagger in taggers if isinstance(tagger, EngineTagger) and tagger.variant.strategy]
    engines, documents = list(dict.fromkeys(tagger.engine for tagger in ours)), len(corpus.documents)
    first = engines[0]
    dtypes = [f"{engine.dtype} ({engine.why})" if engine.why else engine.dtype for engine in engines]
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions().items())
    drawn = ", ".join(f"{-(-len(of) // n)} calls of {n} with {len(set(of))} documents" for n, of in timed.items())
    return {
        "command": command,
        "model": Path(first.source).name,
        DEFAULT_STRATEGY: first.strategy().title,
        "settings": {tagger.variant.name: tagger.variant.settings for tagger in taggers if tagger.variant.settings},
        "documents": documents,
        "timed": f"{drawn}, drawn with seed {SEED}",
        "scored types": ", ".join(corpus.types),
        "elsewhere": "; ".join(f"{c.title}, {len(c.documents)} documents ({', '.join(c.types)})" for c in elsewhere)
        or "not measured",
        "device, dtype, threads": f"{first.device}, {' and '.join(dtypes)}, {torch.get_num_threads()}",
        "machine": environment.machine(),
        "GPU": "measured" if first.device != "cpu" else "not measured",
        "versions": f"{versions}, commit {environment.commit()}",
        "weights": f"SHA-256 {first.digest[:16]}…",
        "timing": f"variants interleaved batch by batch, order rotated; a discarded pass, then the median of {PASSES}",
        "seed of the bootstrap": SEED,
    }
