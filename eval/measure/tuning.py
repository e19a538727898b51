"""Finds the baselines' fastest settings by trial before anything is timed, and keeps them in the run's log.

They slightly affect what ``onnx-int8`` finds: activations that run together are quantised together.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import compress

import numpy as np
from tqdm import tqdm

from engine.data.corpora import Corpus
from engine.runs import Log
from eval.measure.baselines.base import Baseline, Setting
from eval.measure.runner import REST_S

TRIED = 16  # documents, or two batches if that is more
AMONG = 512  # the first documents, which they are sampled from
PASSES = 3
BEHIND, SETTLED_MS = 1.5, 500.0  # options slower than BEHIND × max(SETTLED_MS, the fastest's time) are dropped
ALIKE = 1.02  # the first option within this ratio of the fastest is taken, so runs rarely differ


def tuned(baselines: Sequence[Baseline], corpus: Corpus, batch_sizes: Sequence[int], log: Log) -> list[Baseline]:
    """The baselines with the fastest option at each batch size, or with those already in the log."""
    known = next((record["tuned"] for record in log if "tuned" in record), None)
    if known is None:
        samples = {size: sample(corpus, max(TRIED, 2 * size)) for size in batch_sizes}
        known = {}
        for baseline in tqdm(baselines, desc="settings of baselines", disable=None):
            known[baseline.name] = [dict(fastest(baseline, of, size)) for size, of in samples.items()]
            baseline.release()
        log.append({"tuned": known})
    return [baseline.at(dict(zip(batch_sizes, known[baseline.name], strict=True))) for baseline in baselines]


def sample(corpus: Corpus, count: int) -> list[str]:
    """``count`` texts of all lengths in corpus order, the longest among them: long ones have several windows."""
    lengths = [len(document.text) for document in corpus.documents[:AMONG]]
    ranks = np.linspace(0, len(lengths) - 1, min(count, len(lengths))).round().astype(int)
    return [corpus.documents[index].text for index in sorted(np.argsort(lengths, kind="stable")[ranks].tolist())]


def fastest(baseline: Baseline, texts: Sequence[str], batch_size: int) -> Setting:
    """The option with the smallest sum of end-to-end times, each the best of ``PASSES``.

    Options that fall behind are dropped, once enough was timed that a hiccup cannot decide.
    """
    batches = [texts[start : start + batch_size] for start in range(0, len(texts), batch_size)]
    tried = [(option, baseline.at({batch_size: option})) for option in baseline.options]
    totals = [0.0] * len(tried)
    for batch in batches:
        times = [[_call(one, batch) for _, one in tried] for _ in range(PASSES)]
        totals = [total + min(of) for total, *of in zip(totals, *times, strict=True)]
        ahead = [total <= BEHIND * max(SETTLED_MS, min(totals)) for total in totals]
        tried, totals = list(compress(tried, ahead)), list(compress(totals, ahead))
    return next(option for (option, _), total in zip(tried, totals, strict=True) if total <= ALIKE * min(totals))


def _call(baseline: Baseline, texts: Sequence[str]) -> float:
    """Milliseconds of a call after a rest, since another option's idle threads may still spin."""
    time.sleep(REST_S)
    return baseline.tag(texts)[1].total_ms
