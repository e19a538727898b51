"""The best settings of baselines, found by trying them before anything is timed, and kept in the run's log.

What ``onnx-int8`` finds depends on them a little: activations that run together are quantised together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.data.corpora import Corpus
from eval.measure.baselines import Baseline
from eval.measure.runlog import RunLog

TRIED = 16  # documents
AMONG = 512  # the first documents, of which they are a sample
PASSES = 2
ALIKE = 1.02  # within this ratio of the fastest the smallest limit is taken, so that runs rarely differ


def tuned(baselines: Sequence[Baseline], corpus: Corpus, batch_sizes: Sequence[int], log: RunLog) -> list[Baseline]:
    """The baselines with the limits that are fastest at each batch size, or with those that the log holds already."""
    if not baselines:
        return []
    known = next((record["limits"] for record in log.records() if "limits" in record), None)
    if known is None:
        texts = sample(corpus)
        known = {baseline.name: [fastest(baseline, texts, size) for size in batch_sizes] for baseline in baselines}
        log.append({"limits": known})
    return [baseline.at(dict(zip(batch_sizes, known[baseline.name], strict=True))) for baseline in baselines]


def sample(corpus: Corpus) -> list[str]:
    """Texts of all lengths in the order of the corpus, the longest among them: long ones have several windows."""
    lengths = [len(document.text) for document in corpus.documents[:AMONG]]
    ranks = np.linspace(0, len(lengths) - 1, min(TRIED, len(lengths))).round().astype(int)
    return [corpus.documents[index].text for index in sorted(np.argsort(lengths, kind="stable")[ranks].tolist())]


def fastest(baseline: Baseline, texts: Sequence[str], batch_size: int) -> int:
    """The limit with the smallest sum of end-to-end times, each the better one of ``PASSES``."""
    batches = [texts[start : start + batch_size] for start in range(0, len(texts), batch_size)]
    totals = dict.fromkeys(baseline.limits, 0.0)
    for batch in batches:
        times: dict[int, list[float]] = {limit: [] for limit in baseline.limits}
        for _ in range(PASSES):
            for limit in baseline.limits:
                _, latency = baseline.at({batch_size: limit}).tag(batch)
                times[limit].append(latency.total_ms)
        for limit in baseline.limits:
            totals[limit] += min(times[limit])
    return next(limit for limit, total in totals.items() if total <= ALIKE * min(totals.values()))
