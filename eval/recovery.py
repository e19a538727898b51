"""What recovery gives and costs, for each trigger at each operating point: ``python -m eval.recovery``.

Beside each trigger stands bringing back as many words at random, in as many windows of the same batch (which is not
timed), and what running the doubtful windows densely instead would cost.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from engine.data.corpora import Corpus, load_corpus
from engine.errors import InputError
from engine.inspection.trace import Latency
from engine.pruning.memory import MemoryBuffer
from engine.pruning.recovery import TRIGGERS, Recovery
from engine.pruning.signals import lowest_per_window
from engine.pruning.strategy import CONTROLLED, RECOVERY, Strategy
from engine.tagger import Engine, Result, load_engine
from engine.text.scoring import Counts, count_documents
from eval.analysis.statistics import f1_difference_interval, speedup_interval
from eval.measure.latency import PASSES, Times, measure, speedup
from eval.options import add_inputs
from eval.render.conclusions import in_points
from eval.render.markdown import table

BATCH = 32
NOTE = (
    "What bringing words back gives and costs, made by `python -m eval.recovery` from `recovery.csv`, which also has "
    "the settings. Brackets are 95 % intervals of a paired bootstrap over documents or batches; *(none)*: a difference "
    "inside its interval. *Random words*: as many, in as many windows of the same batch. Times at batch size 32, "
    "speed-ups against `dense` in the same run; the last column compares multiply-adds with running the doubtful "
    "windows densely."
)


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


@dataclass(frozen=True)
class Outcome:
    """Results of one variant on all documents, in order."""

    results: list[Result]

    @property
    def back(self) -> list[int]:
        """Words of each document that came back."""
        return [sum(word.state == "recovered" for word in result.trace.words) for result in self.results]

    @property
    def multiply_adds(self) -> int:
        """Of all documents."""
        return sum(result.cost.multiply_adds for result in self.results)

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
        times = measure(list(timed), len(batches), call, bar.update)
    return {name: Outcome(results) for name, results in found.items()}, times


def summary(
    corpus: Corpus, trigger: str, outcomes: Mapping[str, Outcome], times: Mapping[str, Times], seed: int
) -> dict[str, Any]:
    """What one trigger gives and costs; F1 and shares are 0–1, times are ratios within the run."""
    counts = {name: [outcomes[name].counts(corpus)] for name in ("dense", "without", trigger, f"random {trigger}")}
    dense, without, own, chance = (sum(of[0], Counts()).f1 for of in counts.values())
    gain = f1_difference_interval(counts[trigger], counts["without"], seed)
    over_chance = f1_difference_interval(counts[trigger], counts[f"random {trigger}"], seed)
    outcome, base = outcomes[trigger], outcomes["without"]
    speed = speedup_interval([times["dense"].batches], [times[trigger].batches], seed)
    extra = outcome.multiply_adds - base.multiply_adds
    pairs = zip(outcome.back, outcome.results, strict=True)
    densely = sum(result.cost.dense_multiply_adds for back, result in pairs if back)
    return {
        "trigger": trigger,
        "documents": len(corpus.documents),
        "documents_fired": float(np.mean([back > 0 for back in outcome.back])),
        "words_back": sum(outcome.back),
        "words_back_random": sum(outcomes[f"random {trigger}"].back),
        "f1_dense": dense,
        "f1_without": without,
        "f1_with": own,
        "gain_low": gain.low,
        "gain_high": gain.high,
        "f1_random": chance,
        "over_random_low": over_chance.low,
        "over_random_high": over_chance.high,
        "won_back": (own - without) / (dense - without) if dense > without else float("nan"),
        "multiply_adds_share": extra / outcome.multiply_adds,
        "cost_against_dense_rerun": extra / densely if densely else float("nan"),
        "time_share": 1 - speedup(times["without"], times[trigger]),
        "speedup_without": speedup(times["dense"], times["without"]),
        "speedup_with": speedup(times["dense"], times[trigger]),
        "speedup_with_low": speed.low,
        "speedup_with_high": speed.high,
    }


def rows(
    engine: Engine, corpus: Corpus, names: Sequence[str], seed: int, points: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """All triggers at these points (or all stored ones) of the strategies; the triggers of a point run together."""
    for name in names:
        for point in points or engine.points.get(name, {}):
            base = engine.strategy(name, point)
            stored = engine.strategy(name + RECOVERY, point).recovery
            assert stored is not None, "a strategy with recovery has settings for it"
            timed, chance = {"dense": engine.strategy("dense"), "without": base}, {}
            triggers = (*TRIGGERS, "any")
            for trigger in triggers:
                recovery = replace(stored, trigger=trigger)
                timed[trigger] = replace(base.recovering(), recovery=recovery)
                chance[f"random {trigger}"] = replace(
                    base.recovering(), recovery=RandomRecovery(**vars(recovery), seed=seed)
                )
            outcomes, times = run(engine, corpus, timed, chance)
            for trigger in triggers:
                about = {"strategy": name, "point": point, "stored": trigger == stored.trigger}
                settings = {"recovery": json.dumps(asdict(replace(stored, trigger=trigger)))}
                yield about | summary(corpus, trigger, outcomes, times, seed) | settings


def markdown(found: pd.DataFrame) -> str:
    """The table for people; the stored trigger of each point is marked."""
    columns = (
        "strategy", "trigger", "fired", "words back", "F1 dense", "without", "with (gain [95 %])",
        "random words (against them [95 %])", "share of time", "speed-up without", "with [95 %]", "cost ÷ dense rerun",
    )  # fmt: skip
    cells = []
    for record in found.to_dict("records"):
        row = {str(key): value for key, value in record.items()}
        gain = {"difference": row["f1_with"] - row["f1_without"], "low": row["gain_low"], "high": row["gain_high"]}
        over = {"difference": row["f1_with"] - row["f1_random"]}
        over |= {"low": row["over_random_low"], "high": row["over_random_high"]}
        for interval in (gain, over):
            interval["beyond_chance"] = not interval["low"] <= 0 <= interval["high"]
        speed = f"{row['speedup_with']:.2f}× [{row['speedup_with_low']:.2f}, {row['speedup_with_high']:.2f}]"
        rerun = row["cost_against_dense_rerun"]
        cells.append(
            (
                f"{row['strategy']} ({row['point']})",
                row["trigger"] + (" (stored)" if row["stored"] else ""),
                f"{row['documents_fired']:.1%}",
                str(row["words_back"]),
                f"{row['f1_dense']:.4f}",
                f"{row['f1_without']:.4f}",
                f"{row['f1_with']:.4f} ({in_points(gain)})",
                f"{row['f1_random']:.4f} ({in_points(over)})",
                f"{row['time_share']:.1%}",
                f"{row['speedup_without']:.2f}×",
                speed,
                "" if pd.isna(rerun) else f"{rerun:.2f}",
            )
        )
    return table(columns, cells)


def main(argv: list[str] | None = None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.recovery", description=__doc__)
    add_inputs(parser, corpus="bc5cdr", split="test")
    parser.add_argument("--strategies", default="entropy", help=f"comma-separated, out of {', '.join(CONTROLLED)}")
    parser.add_argument("--points", default="", help="comma-separated operating points (default all)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.add_argument(
        "--out", type=Path, default=Path("results"), help="folder for recovery.csv and recovery.md (default results)"
    )
    arguments = parser.parse_args(argv)
    try:
        engine = load_engine(arguments.model)
        corpus = load_corpus(arguments.corpus, arguments.split, arguments.data_dir, limit=arguments.limit)
        names = arguments.strategies.split(",")
        if missing := [name for name in names if name not in CONTROLLED or name not in engine.points]:
            raise InputError(f"expected strategies with operating points, got {missing}; calibrate them first")
        arguments.out.mkdir(parents=True, exist_ok=True)
        found = []
        points = [point for point in arguments.points.split(",") if point]
        for row in tqdm(rows(engine, corpus, names, arguments.seed, points), desc="settings", disable=None):
            found.append(row)
            pd.DataFrame(found).to_csv(arguments.out / "recovery.csv", index=False)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    page = markdown(pd.DataFrame(found))
    (arguments.out / "recovery.md").write_text(f"# Recovery: {corpus.name} {corpus.split}\n\n{NOTE}\n\n{page}\n")
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
