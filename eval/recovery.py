"""What recovery gives and costs, for each trigger at each operating point: ``python -m eval.recovery``.

Beside each trigger stands bringing back as many words at random, in as many windows of the same batch, and what running
the doubtful windows densely instead would cost.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from engine.corpora import Corpus, load_corpus
from engine.errors import InputError
from engine.memory import MemoryBuffer
from engine.recovery import TRIGGERS, Recovery
from engine.scores import lowest_per_window
from engine.scoring import Counts, count_documents
from engine.strategies import CONTROLLED, Strategy
from engine.tagger import Engine, Result, load_engine
from eval.latency import measure, speedup
from eval.statistics import f1_difference_interval

BATCH = 32


@dataclass(frozen=True)
class RandomRecovery(Recovery):
    """Brings back as many words as the trigger would, in other windows and of other certainty: at random."""

    seed: int = 0

    def choose(self, memory: MemoryBuffer) -> np.ndarray:
        """As many words of as many windows of the batch."""
        window, windows = memory.batch.words.window, len(memory.batch.lengths)
        wanted = np.bincount(window[super().choose(memory)], minlength=windows)
        rng = np.random.default_rng([self.seed, int(memory.batch.input_ids.sum())])
        left = np.bincount(window[~memory.alive], minlength=windows)
        limits = np.zeros(windows, dtype=np.int64)
        for count in sorted(wanted[wanted > 0].tolist(), reverse=True):  # so that there always is a window
            able = np.flatnonzero((left >= count) & (limits == 0))
            limits[rng.choice(able)] = count
        return lowest_per_window(rng.random(len(window)), ~memory.alive, window, limits)


def summary(engine: Engine, corpus: Corpus, base: Strategy, recovery: Recovery, seed: int) -> dict[str, Any]:
    """One row of ``recovery.csv``: F1 0–1, shares 0–1, times as ratios of the base strategy's."""
    texts = [document.text for document in corpus.documents]
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    recovering = replace(base.recovering(), recovery=recovery)
    by_chance = replace(recovering, recovery=RandomRecovery(**vars(recovery)))
    variants = {"dense": engine.strategy("dense"), "without": base, "with": recovering}
    found: dict[str, list[Result]] = {name: [] for name in variants}

    def call(name: str, batch: int) -> Any:
        results = engine.tag_batch(batches[batch], variants[name], batch_size=BATCH)
        if len(found[name]) < len(texts):
            found[name] += results
        return results[0].latency

    times = measure(list(variants), len(batches), call, lambda: None)
    found["random"] = engine.tag_batch(texts, by_chance, batch_size=BATCH)
    counts = {
        name: [count_documents(corpus.documents, [result.entities for result in results], corpus.types)]
        for name, results in found.items()
    }
    f1 = {name: sum(of[0], Counts()).f1 for name, of in counts.items()}
    gain = f1_difference_interval(counts["with"], counts["without"], seed)
    over_random = f1_difference_interval(counts["with"], counts["random"], seed)
    doubtful = [any(word.state == "recovered" for word in result.trace.words) for result in found["with"]]
    pairs = list(zip(found["without"], found["with"], doubtful, strict=True))
    extra = sum(after.cost.multiply_adds - before.cost.multiply_adds for before, after, _ in pairs)
    densely = sum(after.cost.dense_multiply_adds for _, after, fired in pairs if fired)
    lost = f1["dense"] - f1["without"]
    return {
        "strategy": base.name,
        "point": base.point,
        "trigger": recovery.trigger,
        "recovery": str(recovery),
        "documents": len(texts),
        "documents_fired": float(np.mean(doubtful)),
        "words_back": sum(word.state == "recovered" for result in found["with"] for word in result.trace.words),
        "words_back_random": sum(
            word.state == "recovered" for result in found["random"] for word in result.trace.words
        ),
        "f1_dense": f1["dense"],
        "f1_without": f1["without"],
        "f1_with": f1["with"],
        "gain_low": gain.low,
        "gain_high": gain.high,
        "f1_random": f1["random"],
        "over_random_low": over_random.low,
        "over_random_high": over_random.high,
        "won_back": (f1["with"] - f1["without"]) / lost if lost > 0 else float("nan"),
        "multiply_adds_share": extra / sum(result.cost.multiply_adds for result in found["with"]),
        "cost_against_dense_rerun": extra / densely if densely else float("nan"),
        "time_share": 1 - speedup(times["without"], times["with"]),
        "speedup_vs_dense": speedup(times["dense"], times["with"]),
        "speedup_without": speedup(times["dense"], times["without"]),
    }


def rows(engine: Engine, corpus: Corpus, names: list[str], seed: int) -> Iterator[dict[str, Any]]:
    """All triggers at all stored points of the strategies."""
    for name in names:
        for point in engine.points.get(name, {}):
            base = engine.strategy(name, point)
            stored = engine.strategy(f"{name}+recovery", point).recovery
            assert stored is not None, "a strategy with recovery has settings for it"
            for trigger in (*TRIGGERS, "any"):
                marked = replace(stored, trigger=trigger)
                row = summary(engine, corpus, base, marked, seed)
                yield row | {"stored": trigger == stored.trigger}


def main(argv: list[str] | None = None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.recovery", description=__doc__)
    parser.add_argument("--corpus", default="bc5cdr", help="bc5cdr, ncbi-disease or a file")
    parser.add_argument("--split", default="test")
    parser.add_argument("--data-dir", help="where to look for named corpora first")
    parser.add_argument("--model", help="folder or hub id; default: the shipped weights")
    parser.add_argument("--strategies", default="entropy", help=f"comma-separated, out of {', '.join(CONTROLLED)}")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for recovery.csv (default results)")
    arguments = parser.parse_args(argv)
    try:
        engine = load_engine(arguments.model)
        corpus = load_corpus(arguments.corpus, arguments.split, arguments.data_dir)
        names = arguments.strategies.split(",")
        if missing := [name for name in names if name not in CONTROLLED or name not in engine.points]:
            raise InputError(f"expected strategies with operating points, got {missing}; calibrate them first")
        arguments.out.mkdir(parents=True, exist_ok=True)
        found = []
        for row in tqdm(rows(engine, corpus, names, arguments.seed), desc="settings", disable=None):
            found.append(row)
            pd.DataFrame(found).to_csv(arguments.out / "recovery.csv", index=False)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(pd.DataFrame(found).drop(columns=["recovery"]).to_string(index=False, float_format=lambda x: f"{x:.4f}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
