"""``python -m tests.demo.load``: a load test of the app. Are all answers right and prompt, and does memory stay flat?

Starts the app in its own process. Many clients tag the examples over HTTP, one after another; each answer is compared
with the engine's own. Then hostile clients, which send what `tests.demo.hostile` lists, replace some of them.
Exit status 1: an error, a wrong answer, growing memory, or well-behaved clients that waited more than twice as long.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle, islice
from math import inf
from pathlib import Path
from statistics import median, quantiles

import httpx
from tqdm import tqdm

from demo.common.links import EXAMPLES
from engine import load_engine
from engine.command import as_command
from tests.demo.hostile import ATTACKS, Attack, attacks
from tests.demo.serving import ask, serve_app

STRATEGIES = ("dense", "entropy", "rule")
WARM_UP = 0.25  # share of the time in which caches fill
MIN_SECONDS = 2  # per part; otherwise memory is never read
MAX_GROWTH_MB = 50.0
MAX_SLOWDOWN = 2.0  # of the well-behaved clients' 95th percentile
TIMEOUT_S = 120

Expected = Mapping[tuple[str, str], list[tuple[int, int, str]]]  # text and strategy → entities


@dataclass
class Tally:
    """What one client saw: the seconds that each answer took, and problems."""

    seconds: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def expected_answers(model: str | None) -> Expected:
    """The right answers for every example and strategy."""
    engine = load_engine(model)
    return {
        (text, name): [entity.key for entity in engine.tag(text, name).entities]
        for text in EXAMPLES.values()
        for name in STRATEGIES
    }


def run_client(url: str, number: int, until: float, expected: Expected) -> Tally:
    """Sends one request after another until the time ``until``, starting with request ``number``."""
    tally = Tally()
    with httpx.Client(timeout=TIMEOUT_S) as client:
        for text, strategy in islice(cycle(expected), number, None):
            if time.monotonic() >= until:
                break
            begin = time.monotonic()
            try:
                found = ask(client, url, "tag", text=text, strategy=strategy)
            except Exception as error:  # noqa: BLE001 - this command looks for errors of any kind
                tally.problems.append(repr(error))
                continue
            tally.seconds.append(time.monotonic() - begin)
            if [(e["start"], e["end"], e["type"]) for e in found["entities"]] != expected[text, strategy]:
                tally.problems.append(f"wrong entities of {strategy} for {text[:40]!r}")
    return tally


def run_hostile(url: str, planned: Iterable[Attack], until: float = inf) -> Tally:
    """Attacks until the time ``until``; a reply that the app must not give is a problem."""
    tally = Tally()
    with httpx.Client(timeout=TIMEOUT_S) as client:
        for attack in planned:
            if time.monotonic() >= until:
                break
            begin = time.monotonic()
            try:
                attack(client, url)
            except Exception as error:  # noqa: BLE001 - as above
                tally.problems.append(f"hostile: {error!r}")
            tally.seconds.append(time.monotonic() - begin)
    return tally


def memory_mb(process: int) -> float:
    """The resident memory of a process (Linux)."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def watch_memory(process: int, seconds: float) -> list[float]:
    """Reads memory once a second, after the warm-up."""
    begin = time.monotonic()
    seen = []
    with tqdm(total=round(seconds), unit="s", disable=None) as bar:
        while (elapsed := time.monotonic() - begin) < seconds:
            if elapsed >= WARM_UP * seconds:
                seen.append(memory_mb(process))
            time.sleep(1)
            bar.update(1)
    return seen


@dataclass(frozen=True)
class Load:
    """What well-behaved (``sound``) and hostile clients saw, and memory meanwhile."""

    sound: Sequence[Tally]
    hostile: Sequence[Tally]
    memory: Sequence[float]

    @property
    def seconds(self) -> list[float]:
        """Seconds of the well-behaved clients' answers, sorted."""
        return sorted(second for tally in self.sound for second in tally.seconds)

    @property
    def problems(self) -> list[str]:
        """The problems of all clients."""
        return [problem for tally in (*self.sound, *self.hostile) for problem in tally.problems]

    @property
    def p95(self) -> float:
        """The 95th percentile of the well-behaved clients' answers, in seconds."""
        return quantiles(self.seconds, n=20)[-1] if len(self.seconds) > 1 else float("nan")


def load(url: str, process: int, sound: int, hostile: int, seconds: float, expected: Expected) -> Load:
    """Runs well-behaved and hostile clients at once, after one of each attack: much is loaded only at first use."""
    first = [run_hostile(url, ATTACKS)] if hostile else []
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(sound + hostile + 1) as pool:
        watched = pool.submit(watch_memory, process, seconds)
        attackers = [pool.submit(run_hostile, url, attacks(number), until) for number in range(hostile)]
        clients = [pool.submit(run_client, url, number, until, expected) for number in range(sound)]
        hostile_ones = [one.result() for one in attackers]
        return Load([one.result() for one in clients], first + hostile_ones, watched.result())


def describe(found: Load) -> bool:
    """Prints the figures; returns whether all answers are right and memory is flat."""
    seconds, memory, problems = found.seconds, found.memory, found.problems
    attacked = sum(len(tally.seconds) for tally in found.hostile)
    print(f"{len(found.sound)} well-behaved clients; {attacked} attacks")
    print(f"{len(seconds)} answers, {len(problems)} problems")
    for problem in dict.fromkeys(problems):
        print(problem)
    if len(seconds) > 1:
        print(f"seconds per answer: median {median(seconds):.3f}, p95 {found.p95:.3f}, max {seconds[-1]:.3f}")
    third = max(1, len(memory) // 3)
    growth = median(memory[-third:]) - median(memory[:third])
    print(f"memory: {memory[0]:.0f} MB when warm, {memory[-1]:.0f} MB at the end, last − first third {growth:+.1f} MB")
    return not problems and growth < MAX_GROWTH_MB


@as_command
def main(argv: list[str] | None) -> int:
    """Runs the command; exit status 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo.load", description=__doc__)
    parser.add_argument("--clients", type=int, default=8, help="clients at once (default 8)")
    parser.add_argument(
        "--hostile", type=int, default=2, help="how many of them are hostile in the second part (default 2; 0: none)"
    )
    parser.add_argument("--seconds", type=float, default=120, help="length of each part (default 120)")
    parser.add_argument("--model", help="model folder or hub id (default: the shipped weights)")
    arguments = parser.parse_args(argv)
    if arguments.clients < 1:
        parser.error(f"expected --clients 1 or more, got {arguments.clients}; leave it out")
    if not 0 <= arguments.hostile < arguments.clients:
        parser.error(
            f"expected --hostile 0 to {arguments.clients - 1}, got {arguments.hostile}; keep one client well-behaved"
        )
    if not arguments.seconds >= MIN_SECONDS:
        parser.error(f"expected --seconds {MIN_SECONDS} or more, got {arguments.seconds}; memory is read once a second")
    expected = expected_answers(arguments.model)
    with serve_app(arguments.model) as (url, process):
        alone = load(url, process, arguments.clients, 0, arguments.seconds, expected)
        fine = describe(alone)
        if arguments.hostile:
            sound = arguments.clients - arguments.hostile
            beside = load(url, process, sound, arguments.hostile, arguments.seconds, expected)
            slowdown = beside.p95 / alone.p95
            fine = all([describe(beside), fine, slowdown < MAX_SLOWDOWN])
            print(f"well-behaved clients' p95 alongside hostile ones: {slowdown:.2f} times that without")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
