"""``python -m demo.load``: a load test of the app. Are all answers right, and does memory stay flat?

Starts the app in a process of its own. Many clients tag the examples over HTTP, one after another; each answer is
compared with the engine's own. Exit status 1: an error, a wrong answer, or memory that grew.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles

from gradio_client import Client
from tqdm import tqdm

from demo.examples import EXAMPLES
from demo.serving import serve_app
from engine import load_engine

STRATEGIES = ("dense", "entropy", "rule")
WARM_UP = 0.25  # share of the time until caches have filled
MAX_GROWTH_MB = 50.0

Expected = Mapping[tuple[str, str], list[tuple[int, int, str]]]  # text and strategy → entities


@dataclass
class Tally:
    """What one client saw: seconds of each answered request, and problems."""

    seconds: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def expected_answers(model: str | None) -> Expected:
    """What the app must answer for every example and strategy."""
    engine = load_engine(model)
    return {
        (text, name): [entity.key for entity in engine.tag(text, name).entities]
        for text in EXAMPLES.values()
        for name in STRATEGIES
    }


def run_client(url: str, number: int, until: float, expected: Expected) -> Tally:
    """Sends one request after another until the clock says ``until``, starting with request ``number``."""
    tally = Tally()
    client = Client(url, verbose=False)
    for text, strategy in islice(cycle(expected), number, None):
        if time.monotonic() >= until:
            return tally
        begin = time.monotonic()
        try:
            found = client.predict(text, strategy=strategy, api_name="/tag")
        except Exception as error:  # noqa: BLE001 - any error is what this command looks for
            tally.problems.append(repr(error))
            continue
        tally.seconds.append(time.monotonic() - begin)
        if [(e["start"], e["end"], e["type"]) for e in found["entities"]] != expected[text, strategy]:
            tally.problems.append(f"wrong entities of {strategy} for {text[:40]!r}")
    return tally


def memory_mb(process: int) -> float:
    """Resident memory of a process (Linux)."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def watch_memory(process: int, seconds: float) -> list[float]:
    """Memory once a second, after the warm-up."""
    begin = time.monotonic()
    seen = []
    with tqdm(total=round(seconds), unit="s", disable=None) as bar:
        while (elapsed := time.monotonic() - begin) < seconds:
            if elapsed >= WARM_UP * seconds:
                seen.append(memory_mb(process))
            time.sleep(1)
            bar.update(1)
    return seen


def load(url: str, process: int, clients: int, seconds: float, expected: Expected) -> bool:
    """Runs the clients and prints the figures; whether all is well."""
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(clients + 1) as pool:
        watched = pool.submit(watch_memory, process, seconds)
        tallies = list(pool.map(lambda number: run_client(url, number, until, expected), range(clients)))
    print(f"{clients} clients, {seconds:.0f} s")
    return all([_answers_are_right(tallies), _memory_is_flat(watched.result())])


def _answers_are_right(tallies: Sequence[Tally]) -> bool:
    seconds = sorted(second for tally in tallies for second in tally.seconds)
    problems = [problem for tally in tallies for problem in tally.problems]
    print(f"{len(seconds)} answers, {len(problems)} problems")
    for problem in dict.fromkeys(problems):
        print(problem)
    if len(seconds) > 1:
        p95 = quantiles(seconds, n=20)[-1]
        print(f"seconds per answer: median {median(seconds):.3f}, p95 {p95:.3f}, max {seconds[-1]:.3f}")
    return not problems


def _memory_is_flat(seen: Sequence[float]) -> bool:
    third = max(1, len(seen) // 3)
    growth = median(seen[-third:]) - median(seen[:third])
    print(f"memory: {seen[0]:.0f} MB when warm, {seen[-1]:.0f} MB at the end, last − first third {growth:+.1f} MB")
    return growth < MAX_GROWTH_MB


def main(argv: list[str] | None = None) -> int:
    """Exit status 1: something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m demo.load", description=__doc__)
    parser.add_argument("--clients", type=int, default=8, help="at once (default 8)")
    parser.add_argument("--seconds", type=float, default=120, help="default 120")
    parser.add_argument("--model", help="model folder or hub id (default: the shipped weights)")
    arguments = parser.parse_args(argv)
    expected = expected_answers(arguments.model)
    with serve_app(arguments.model) as (url, process):
        return 0 if load(url, process, arguments.clients, arguments.seconds, expected) else 1


if __name__ == "__main__":
    sys.exit(main())
