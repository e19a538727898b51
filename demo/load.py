"""``python -m demo.load``: many clients at once against a running app's own process.

Are the answers right, and does memory stay flat?

Starts the app, lets every client tag the examples one after another over HTTP, compares each answer with the engine's
own, and prints figures. Exit status 1: an error, a wrong answer, or memory that grew.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles

from gradio_client import Client
from tqdm import tqdm

from demo.examples import EXAMPLES
from demo.screenshot import served
from engine import load_engine

STRATEGIES = ("dense", "entropy", "rule")
WARM_UP = 0.25  # share of the time after which memory is first looked at: caches have filled by then
MAX_GROWTH_MB = 50.0

Key = tuple[int, int, str]


@dataclass
class Tally:
    """What one client saw: seconds of each request, and what went wrong."""

    seconds: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def memory_mb(process: int) -> float:
    """Resident memory of a process (Linux)."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def run_client(url: str, number: int, until: float, expected: dict[tuple[str, str], list[Key]]) -> Tally:
    """Requests one after another until the clock says ``until``; client ``number`` begins at that request."""
    tally = Tally()
    client = Client(url, verbose=False)
    for text, strategy in islice(cycle(expected), number, None):
        if time.monotonic() >= until:
            return tally
        begin = time.monotonic()
        try:
            found = client.predict(text, strategy=strategy, api_name="/tag")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what this script looks for
            tally.problems.append(repr(error))
            continue
        tally.seconds.append(time.monotonic() - begin)
        if [(e["start"], e["end"], e["type"]) for e in found["entities"]] != expected[text, strategy]:
            tally.problems.append(f"wrong entities of {strategy} for {text[:40]!r}")
    return tally


def watch(process: int, begin: float, until: float) -> list[tuple[float, float]]:
    """Seconds since the beginning, and memory, once a second."""
    seen = []
    with tqdm(total=round(until - begin), unit="s", disable=None) as bar:
        while time.monotonic() < until:
            seen.append((time.monotonic() - begin, memory_mb(process)))
            time.sleep(1)
            bar.update(1)
    return seen


def load(url: str, process: int, clients: int, seconds: float, model: str | None) -> bool:
    """Prints the figures; whether all is well."""
    engine = load_engine(model)
    wanted = [(text, strategy) for text in EXAMPLES.values() for strategy in STRATEGIES]
    expected = {(text, name): [entity.key for entity in engine.tag(text, name).entities] for text, name in wanted}
    begin = time.monotonic()
    until = begin + seconds
    with ThreadPoolExecutor(clients + 1) as pool:
        watched = pool.submit(watch, process, begin, until)
        tallies = list(pool.map(lambda number: run_client(url, number, until, expected), range(clients)))
    taken = sorted(second for tally in tallies for second in tally.seconds)
    problems = [problem for tally in tallies for problem in tally.problems]
    warm = [memory for at, memory in watched.result() if at >= WARM_UP * seconds]
    third = max(1, len(warm) // 3)
    growth = median(warm[-third:]) - median(warm[:third])
    print(f"{clients} clients, {seconds:.0f} s: {len(taken)} answers, {len(problems)} problems")
    print(
        f"seconds for an answer: median {median(taken):.3f}, p95 {quantiles(taken, n=20)[-1]:.3f}, max {taken[-1]:.3f}"
    )
    print(
        f"memory: {warm[0]:.0f} MB when warm, {warm[-1]:.0f} MB at the end, last third − first third {growth:+.1f} MB"
    )
    for problem in dict.fromkeys(problems):
        print(problem)
    return not problems and growth < MAX_GROWTH_MB


def main(argv: list[str] | None = None) -> int:
    """Exit status 1: something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m demo.load", description=__doc__)
    parser.add_argument("--clients", type=int, default=8, help="at once (default 8)")
    parser.add_argument("--seconds", type=float, default=120, help="default 120")
    parser.add_argument("--model", help="model folder or hub id (default: the shipped weights)")
    arguments = parser.parse_args(argv)
    with served(*(["--model", arguments.model] if arguments.model else [])) as (url, process):
        return 0 if load(url, process, arguments.clients, arguments.seconds, arguments.model) else 1


if __name__ == "__main__":
    sys.exit(main())
