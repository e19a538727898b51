"""What recovery gains and costs, for each trigger at each operating point: ``recovery.csv``.

Each trigger is compared with recovering as many random words, in as many windows of the same batch (not timed), and
with the cost of a dense pass over the documents in which words came back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from tqdm import tqdm

from engine.data.corpora import Corpus
from engine.latency import PASSES, Latency, Times, speedup, time_variants
from engine.pruning.memory import MemoryBuffer
from engine.pruning.recovery import TRIGGERS, Recovery
from engine.pruning.resolve import RECOVERY, without_recovery
from engine.pruning.signals import lowest_per_window
from engine.pruning.strategy import Strategy
from engine.tagger import Engine, Result
from engine.text.scoring import Counts, count_documents
from eval.schema import DENSE, RecoveryGain
from eval.statistics import f1_difference_interval, speedup_interval

BATCH = 32


@dataclass(frozen=True)
class RandomRecovery(Recovery):
    """Recovers as many words as the trigger would, but random ones in random windows."""

    seed: int = 0

    def choose(self, memory: MemoryBuffer) -> np.ndarray:
        """Draws as many words, from as many random windows."""
        window, windows = memory.batch.words.window, len(memory.batch.lengths)
        wanted = np.bincount(window[super().choose(memory)], minlength=windows)
        rng = np.random.default_rng([self.seed, int(memory.batch.input_ids.sum())])
        left = np.bincount(window[~memory.alive], minlength=windows)
        limits = np.zeros(windows, dtype=np.int64)
        for count in sorted(wanted[wanted > 0].tolist(), reverse=True):  # largest first, so a window is always left
            able = np.flatnonzero((left >= count) & (limits == 0))
            limits[rng.choice(able)] = count
        return lowest_per_window(rng.random(len(window)), ~memory.alive, window, limits)


@dataclass(frozen=True)
class Outcome:
    """Results of one variant on all documents, in order."""

    results: list[Result]

    @property
    def recovered(self) -> list[int]:
        """Recovered words per document."""
        return [sum(word.state == "recovered" for word in result.trace.words) for result in self.results]

    @property
    def macs(self) -> int:
        """Summed over documents."""
        return sum(result.cost.macs for result in self.results)

    def counts(self, corpus: Corpus) -> list[Counts]:
        """Matches in each document."""
        return count_documents(corpus.documents, [result.entities for result in self.results], corpus.types)


def run(
    engine: Engine, corpus: Corpus, timed: Mapping[str, Strategy], untimed: Mapping[str, Strategy]
) -> tuple[dict[str, Outcome], dict[str, Times]]:
    """Runs all variants, and times some, interleaved batch by batch."""
    texts = [document.text for document in corpus.documents]
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    variants = {**timed, **untimed}
    found: dict[str, list[Result]] = {name: [] for name in variants}

    def call(name: str, batch: int) -> Latency:
        results = engine.tag_batch(batches[batch], variants[name], batch_size=BATCH)
        if len(found[name]) < len(texts):
            found[name] += results
        return results[0].latency

    calls = len(batches) * (len(timed) * (PASSES + 1) + len(untimed))
    with tqdm(total=calls, desc="calls", leave=False, disable=None) as bar:
        for name in untimed:
            for batch in range(len(batches)):
                call(name, batch)
                bar.update()
        times = time_variants(list(timed), len(batches), call, bar.update)
    return {name: Outcome(results) for name, results in found.items()}, times


def summary(
    corpus: Corpus,
    base: Strategy,
    recovery: Recovery,
    outcomes: Mapping[str, Outcome],
    times: Mapping[str, Times],
    seed: int,
    *,
    stored: bool,
) -> RecoveryGain:
    """What recovery gains and costs; ``stored``: whether it is the operating point's own."""
    trigger = recovery.trigger
    counts = {name: [outcomes[name].counts(corpus)] for name in (DENSE, "without", trigger, f"random {trigger}")}
    dense, without, own, chance = (Counts.total(of[0]).f1 for of in counts.values())
    gain = f1_difference_interval(counts[trigger], counts["without"], seed)
    over_chance = f1_difference_interval(counts[trigger], counts[f"random {trigger}"], seed)
    outcome = outcomes[trigger]
    speed = speedup_interval([times[DENSE].batches], [times[trigger].batches], seed)
    extra = outcome.macs - outcomes["without"].macs
    pairs = zip(outcome.recovered, outcome.results, strict=True)
    densely = sum(result.cost.dense_macs for back, result in pairs if back)
    return {
        "strategy": base.name,
        "point": base.point,
        "stored": stored,
        "trigger": trigger,
        "documents": len(corpus.documents),
        "documents_fired": float(np.mean([back > 0 for back in outcome.recovered])),
        "recovered_words": sum(outcome.recovered),
        "recovered_words_random": sum(outcomes[f"random {trigger}"].recovered),
        "f1_dense": dense,
        "f1_without": without,
        "f1_with": own,
        "gain_low": gain.low,
        "gain_high": gain.high,
        "f1_random": chance,
        "over_random_low": over_chance.low,
        "over_random_high": over_chance.high,
        "loss_recovered": (own - without) / (dense - without) if dense > without else float("nan"),
        "macs_share": extra / outcome.macs,
        "cost_against_dense_rerun": extra / densely if densely else float("nan"),
        "time_share": 1 - speedup(times["without"], times[trigger]),
        "speedup_without": speedup(times[DENSE], times["without"]),
        "speedup_with": speedup(times[DENSE], times[trigger]),
        "speedup_with_low": speed.low,
        "speedup_with_high": speed.high,
        "recovery": json.dumps(asdict(recovery)),
    }


def rows(
    engine: Engine, corpus: Corpus, names: Sequence[str], seed: int, points: Sequence[str] = ()
) -> Iterator[RecoveryGain]:
    """Yields all triggers at these points (default: all stored) of the strategies; a point's triggers run together."""
    for name in names:
        for point in points or engine.points.get(name, {}):
            recovering = engine.strategy(name + RECOVERY, point)
            own = recovering.recovery
            assert own is not None, "a strategy with recovery has settings for it"
            base = without_recovery(recovering)
            stored = own.trigger if point in engine.points.get(recovering.name, {}) else None
            timed, chance = {DENSE: engine.strategy(DENSE), "without": base}, {}
            triggers = (*TRIGGERS, "any")
            for trigger in triggers:
                recovery = replace(own, trigger=trigger)
                timed[trigger] = replace(recovering, recovery=recovery)
                chance[f"random {trigger}"] = replace(recovering, recovery=RandomRecovery(**vars(recovery), seed=seed))
            outcomes, times = run(engine, corpus, timed, chance)
            for trigger in triggers:
                recovery = replace(own, trigger=trigger)
                yield summary(corpus, base, recovery, outcomes, times, seed, stored=trigger == stored)
