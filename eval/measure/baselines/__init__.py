"""Baselines: other ways to find entities, each with its fastest runtime parameters; one file for each runtime.

Those that run the same weights use our words, windows and decoding. Some need the extra ``baselines``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from engine.base import Engine
from engine.corpora import Corpus
from engine.errors import InputError, extra
from engine.pruning.strategy_names import StrategyName
from eval.measure.baselines import huggingface, onnx, openvino, spacy
from eval.measure.baselines.base import Baseline, Inputs, RuntimeParameters, state
from eval.measure.run import batched, take_times
from eval.measure.taggers import Tagger
from eval.schema import PIPELINE

SPACY = "spacy"
BASELINES: dict[str, Callable[[Inputs], Baseline]] = {
    PIPELINE: huggingface.load,
    "onnx-float32": onnx.load,
    "onnx-int8": onnx.load,
    "openvino-int8": openvino.load,
    SPACY: spacy.load,
}

TRIAL_DOCUMENTS = 16  # in a trial, or two batches if that is more
FIRST_DOCUMENTS = 512  # of a corpus, of which those of a trial are a sample
EQUAL_RATIO = 1.02  # the first candidate within this ratio of the fastest is taken, so that runs rarely differ


def load_baselines(engines: Mapping[str, Engine], names: Sequence[str], training: Sequence[str]) -> list[Baseline]:
    """Loads the baselines of these ``names``, e.g. ``onnx-int8=truncate-3``.

    ``engines``: the models, by the names that may follow ``@``; ours has the name ``""``.
    ``training``: texts of the corpus' training split.

    Raises an `InputError` if a name is unknown or a package of the extra ``baselines`` is missing.
    """
    every = [parse_baseline(name, engines, training) for name in names if name != "none"]
    with extra("baselines"):
        return [BASELINES[inputs.runtime](inputs) for inputs in every]


def parse_baseline(name: str, engines: Mapping[str, Engine], training: Sequence[str]) -> Inputs:
    """What a baseline's name asks for; raises an `InputError` if there is no such baseline, model or layer."""
    runtime, _, folder = name.partition("=")
    if runtime == SPACY:
        return Inputs(name, runtime, engines[""], training, folder=folder)
    ours, at, model = name.partition("@")
    runtime, cut, strategy = ours.partition("=")
    if runtime not in BASELINES:
        raise InputError(f"There is no baseline {runtime!r}. Choose among {', '.join(BASELINES)}.")
    if at and (not model or model not in engines):
        raise InputError(f"The baseline {name!r} names no model of --others. Add NAME=FOLDER to --others.")
    layers = StrategyName.parse(strategy).layer if cut else 0
    if cut and (not layers or runtime == PIPELINE):
        raise InputError(f"Only onnx-… and openvino-… can be cut, by =truncate-K, not {name!r}.")
    if cut:
        engines[model].strategy(strategy)  # refuses a model without gates, and more layers than it has
    return Inputs(name, runtime, engines[model], training, layers)


def tune(taggers: Sequence[Tagger], corpus: Corpus, batch_sizes: Sequence[int]) -> None:
    """Gives the baselines among taggers the fastest runtime parameters for each batch size.

    They slightly affect what ``onnx-int8`` finds, because activations that run together are quantised together.
    """
    samples = {size: sample_texts(corpus, max(TRIAL_DOCUMENTS, 2 * size)) for size in batch_sizes}
    for baseline in taggers:
        if isinstance(baseline, Baseline):
            baseline.choose({size: fastest(baseline, size, texts) for size, texts in samples.items()})
            baseline.release()


def sample_texts(corpus: Corpus, count: int) -> list[str]:
    """``count`` texts of all lengths in corpus order, the longest among them, because it may have several windows."""
    lengths = [len(document.text) for document in corpus.documents[:FIRST_DOCUMENTS]]
    ranks = np.linspace(0, len(lengths) - 1, min(count, len(lengths))).round().astype(int)
    return [corpus.documents[index].text for index in sorted(np.argsort(lengths, kind="stable")[ranks].tolist())]


def fastest(baseline: Baseline, batch_size: int, texts: Sequence[str]) -> RuntimeParameters:
    """The candidate with the smallest sum of times over batches, all timed as variants are."""
    candidates = {state(candidate): candidate for candidate in baseline.candidates}
    trials = [
        replace(baseline, variant=replace(baseline.variant, name=name), chosen={batch_size: candidate})
        for name, candidate in candidates.items()
    ]
    what = f"{len(trials)} parameters of {baseline.variant.name}"
    times = {name: ms.sum() for name, ms in take_times(trials, batched(texts, batch_size), what).items()}
    return next(candidates[name] for name, total in times.items() if total <= EQUAL_RATIO * min(times.values()))
