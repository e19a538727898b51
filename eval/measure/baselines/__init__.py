"""Baselines: other ways to find entities, each with its fastest runtime parameters; one file for each runtime.

Those that run the same weights use our words, windows and decoding. They need ``requirements-eval.txt``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import compress

import numpy as np

from engine.cli.progress import Progress
from engine.cli.runs import Log
from engine.errors import InputError
from engine.formats.corpora import Corpus
from engine.tagger import Engine
from eval.measure.baselines import huggingface, onnx, openvino, spacy
from eval.measure.baselines.base import Baseline, Inputs, RuntimeParameters
from eval.measure.environment import own_threads

BASELINES: dict[str, Callable[[str, Inputs], Baseline]] = {
    "hf-pipeline": huggingface.load_pipeline,
    "onnx-float32": onnx.load,
    "onnx-int8": onnx.load,
    "openvino-int8": openvino.load,
    "spacy": spacy.load,
}

TRIED = 16  # documents in a trial, or two batches if that is more
SAMPLED = 512  # a trial's documents are sampled from this many first ones
PASSES = 3
BEHIND, SETTLED_MS = 1.5, 500.0  # candidates slower than BEHIND × max(SETTLED_MS, the fastest's time) are dropped
ALIKE = 1.02  # the first candidate within this ratio of the fastest is taken, so that runs rarely differ


def load_baselines(engine: Engine, wanted: Sequence[str], calibration: Callable[[], Sequence[str]]) -> list[Baseline]:
    """Loads baselines, e.g. ``hf-pipeline`` or ``spacy=FOLDER``.

    ``calibration`` returns texts of the corpus' training split.

    Raises:
        InputError: if a name is unknown or a package of ``requirements-eval.txt`` is missing.
    """
    named = [text.partition("=") for text in wanted]
    if unknown := [name for name, _, _ in named if name not in BASELINES]:
        raise InputError(f"expected some of the baselines {list(BASELINES)}, got {unknown}; choose among them")
    if given := [name for name, _, argument in named if argument and name != "spacy"]:
        raise InputError(f"expected = only after spacy, got it after {given}; leave it out")
    inputs = Inputs(engine, calibration)
    return [BASELINES[name](name, replace(inputs, argument=argument)) for name, _, argument in named]


def tune(
    baselines: Sequence[Baseline], corpus: Corpus, batch_sizes: Sequence[int], log: Log, progress: Progress
) -> list[Baseline]:
    """Gives baselines the fastest runtime parameters for each batch size, or those that a run's log already contains.

    They slightly affect what ``onnx-int8`` finds, because activations that run together are quantised together.
    """
    stored = next((record["tuned"] for record in log if "tuned" in record), None)
    if stored is None:
        samples = {size: sample_texts(corpus, max(TRIED, 2 * size)) for size in batch_sizes}
        stored = {}
        for baseline in baselines:
            progress.note = f"trying settings of {baseline.name}"
            stored[baseline.name] = [dict(fastest(baseline, texts, size)) for size, texts in samples.items()]
            baseline.release()
        log.append({"tuned": stored})
    return [one.with_parameters(dict(zip(batch_sizes, stored[one.name], strict=True))) for one in baselines]


def tried_texts(baselines: Sequence[Baseline], batch_sizes: Sequence[int]) -> int:
    """How many texts `tune` tags at most, over all candidates and passes."""
    return sum(len(one.candidates) for one in baselines) * PASSES * sum(max(TRIED, 2 * size) for size in batch_sizes)


def sample_texts(corpus: Corpus, count: int) -> list[str]:
    """``count`` texts of all lengths in corpus order, the longest among them, because it may have several windows."""
    lengths = [len(document.text) for document in corpus.documents[:SAMPLED]]
    ranks = np.linspace(0, len(lengths) - 1, min(count, len(lengths))).round().astype(int)
    return [corpus.documents[index].text for index in sorted(np.argsort(lengths, kind="stable")[ranks].tolist())]


def fastest(baseline: Baseline, texts: Sequence[str], batch_size: int) -> RuntimeParameters:
    """The candidate with the smallest sum over batches of end-to-end times, each the best of ``PASSES``.

    Candidates that fall behind are dropped, but only once so much was timed that a hiccup cannot decide.
    """
    tried = [(candidate, baseline.with_parameters({batch_size: candidate})) for candidate in baseline.candidates]
    totals = [0.0] * len(tried)
    for start in range(0, len(texts), batch_size):
        batch = texts[start : start + batch_size]
        passes = [[_milliseconds(one, batch) for _, one in tried] for _ in range(PASSES)]
        totals = [total + min(times) for total, *times in zip(totals, *passes, strict=True)]
        ahead = [total <= BEHIND * max(SETTLED_MS, min(totals)) for total in totals]
        tried, totals = list(compress(tried, ahead)), list(compress(totals, ahead))
    pairs = zip(tried, totals, strict=True)
    return next(candidate for (candidate, _), total in pairs if total <= ALIKE * min(totals))


def _milliseconds(baseline: Baseline, texts: Sequence[str]) -> float:
    with own_threads(baseline.threads):
        return baseline.tag(texts)[1]
