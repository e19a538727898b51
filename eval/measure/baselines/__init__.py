"""Baselines: other ways to find entities, each with its fastest runtime parameters; one file for each runtime.

Those that run the same weights use our words, windows and decoding. Some need the extra ``baselines``.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from engine.base import Engine
from engine.corpora import Corpus
from engine.errors import InputError, extra
from eval.config import VariantName
from eval.measure.baselines import huggingface, onnx, openvino, spacy
from eval.measure.baselines.base import Baseline, Inputs, RuntimeParameters, state
from eval.measure.run import batched, take_times
from eval.measure.taggers import Tagger
from eval.schema import PIPELINE, SPACY

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


def load_baselines(engine: Engine, names: Sequence[VariantName], training: Sequence[str]) -> list[Baseline]:
    """Loads the baselines of these ``names``.

    ``engine``: the model whose weights they run.
    ``training``: texts of the corpus' training split.

    Raises an `InputError` if there is no such runtime or layer, or a package of the extra ``baselines`` is missing.
    """
    for name in names:
        if name.runtime not in BASELINES:
            raise InputError(f"There is no baseline {name.runtime!r}. Choose among {', '.join(BASELINES)}.")
        engine.strategy(name.strategy)  # refuses a cut of a model without gates, and more layers than it has
    with extra("baselines"):
        return [BASELINES[name.runtime](Inputs(name, engine, training)) for name in names]


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
