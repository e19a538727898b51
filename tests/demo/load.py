"""``python -m tests.demo.load``: a load test of the app. Are all answers right and prompt, and does memory stay flat?

Starts the app in its own process. Many clients tag the examples over HTTP, one after another; each answer is compared
with the engine's own. Then greedy clients, whose requests are as large as allowed, replace some. Exit status 1: an
error, a wrong answer, growing memory, or modest clients that waited more than twice as long.
"""

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from statistics import median, quantiles

import httpx
import psutil

from demo.common.limits import MAX_CHARACTERS, MAX_TRACED
from demo.common.links import EXAMPLES
from engine import Result, load_engine
from engine.cli.command import as_command
from tests.demo.serving import ask, serve_app

STRATEGIES = ("dense", "entropy", "rule")
CLIENTS, GREEDY = 8, 2  # at once, and how many of them are greedy in the second part
WARM_UP = 0.25  # share of the time in which caches fill
MAX_GROWTH_MB = 50.0
MAX_SLOWDOWN = 2.0  # of the modest clients' 95th percentile
TIMEOUT_S = 120
LONG = "Cisplatin caused nausea, tremor and hypotension in mice. " * 2000  # of greedy clients

Call = Callable[[httpx.Client, str], object]  # raises an error for an answer that the app must not give

LARGEST: tuple[Call, ...] = (
    lambda client, url: ask(client, url, text=LONG[:MAX_CHARACTERS], strategy="dense"),
    lambda client, url: ask(client, url, text=LONG[:MAX_TRACED], strategy="entropy", trace=True),
    # does not wait for the answer
    lambda client, url: client.post(f"{url}gradio_api/call/v2/tag", json={"text": LONG[:MAX_CHARACTERS]}),
)


@dataclass
class Tally:
    """What clients saw: the seconds that each answer took, and problems; and the app's memory meanwhile, in MB."""

    seconds: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    @property
    def p95(self) -> float:
        """The 95th percentile of the seconds."""
        return quantiles(self.seconds, n=20)[-1]


def check(expected: Result, client: httpx.Client, url: str) -> None:
    """Tags a text over HTTP and compares the answer with the engine's own result."""
    text, strategy = expected.text, expected.strategy.name
    found = ask(client, url, text=text, strategy=strategy)
    if [(e["start"], e["end"], e["type"]) for e in found["entities"]] != [e.key for e in expected.entities]:
        raise AssertionError(f"wrong entities of {strategy} for {text[:40]!r}")


def run_client(url: str, calls: tuple[Call, ...], first: int, tally: Tally, until: float) -> None:
    """Makes one call after another, from that number on, until the time ``until``."""
    with httpx.Client(timeout=TIMEOUT_S) as client:
        for call in cycle(calls[first % len(calls) :] + calls[: first % len(calls)]):
            begin = time.monotonic()
            if begin >= until:
                break
            try:
                call(client, url)
                tally.seconds.append(time.monotonic() - begin)
            except Exception as error:  # noqa: BLE001 - this command looks for errors of any kind
                tally.problems.append(repr(error))


def load(url: str, process: int, greedy: int, seconds: float, calls: tuple[Call, ...]) -> Tally:
    """Lets clients call the app for some seconds, some of them greedily, and prints what the modest ones saw."""
    modest, large = Tally(), Tally()
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(CLIENTS) as pool:
        for number in range(CLIENTS):
            own, tally = (LARGEST, large) if number < greedy else (calls, modest)
            pool.submit(run_client, url, own, number, tally, until)
        time.sleep(WARM_UP * seconds)
        while time.monotonic() < until:
            modest.memory.append(psutil.Process(process).memory_info().rss / 1e6)
            time.sleep(1)
    modest.problems += large.problems
    print(f"{len(modest.seconds)} answers, {len(large.seconds)} large ones, {len(modest.problems)} problems")
    for problem in dict.fromkeys(modest.problems):
        print(problem)
    print(
        f"seconds per answer: median {median(modest.seconds):.3f}, p95 {modest.p95:.3f}, max {max(modest.seconds):.3f}"
    )
    return modest


def is_fine(tally: Tally) -> bool:
    """Prints how memory grew; returns whether all answers are right and memory is flat."""
    memory, third = tally.memory, max(1, len(tally.memory) // 3)
    growth = median(memory[-third:]) - median(memory[:third])
    print(f"memory: {memory[0]:.0f} MB when warm, {memory[-1]:.0f} MB at the end, last − first third {growth:+.1f} MB")
    return not tally.problems and growth < MAX_GROWTH_MB


@as_command
def main(argv: list[str] | None) -> int:
    """Runs the command; exit status 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo.load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="length of each part (default 120)")
    seconds = parser.parse_args(argv).seconds
    engine = load_engine()
    calls = tuple(partial(check, engine.tag(text, name)) for text in EXAMPLES.values() for name in STRATEGIES)
    with serve_app() as (url, process):
        alone = load(url, process, 0, seconds, calls)
        fine = is_fine(alone)
        beside = load(url, process, GREEDY, seconds, calls)
    slowdown = beside.p95 / alone.p95
    print(f"modest clients' p95 beside greedy ones: {slowdown:.2f} times that without")
    return 0 if is_fine(beside) and fine and slowdown < MAX_SLOWDOWN else 1


if __name__ == "__main__":
    sys.exit(main())
