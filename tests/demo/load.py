"""``python -m tests.demo.load``: a load test of the app. Are all answers right and prompt, and does memory stay flat?

Starts the app in its own process. Many clients tag the examples over HTTP, one after another; each answer is compared
with the engine's own. Then greedy clients, whose requests are as large as allowed, replace some. Exit status 1: an
error, a wrong answer, growing memory, or modest clients that waited more than twice as long.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from math import inf
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
TEXT = "Cisplatin caused nausea, tremor and hypotension in mice. "  # of greedy clients

Call = Callable[[httpx.Client, str], object]  # raises an error for an answer that the app must not give


def _text(characters: int) -> str:
    return (TEXT * (characters // len(TEXT) + 1))[:characters]


LARGEST: tuple[Call, ...] = (
    lambda client, url: ask(client, url, text=_text(MAX_CHARACTERS), strategy="dense"),
    lambda client, url: ask(client, url, text=_text(MAX_TRACED), strategy="entropy", trace=True),
    # does not wait for the answer
    lambda client, url: client.post(f"{url}gradio_api/call/v2/tag", json={"text": _text(MAX_CHARACTERS)}),
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


def checks() -> list[Call]:
    """Calls that tag every example under every strategy, and check the answer."""
    engine = load_engine()
    return [partial(check, engine.tag(text, name)) for text in EXAMPLES.values() for name in STRATEGIES]


def run_client(url: str, calls: Iterable[Call], tally: Tally, until: float = inf) -> None:
    """Makes one call after another until the time ``until``."""
    with httpx.Client(timeout=TIMEOUT_S) as client:
        for call in calls:
            if time.monotonic() >= until:
                break
            begin = time.monotonic()
            try:
                call(client, url)
            except Exception as error:  # noqa: BLE001 - this command looks for errors of any kind
                tally.problems.append(repr(error))
            else:
                tally.seconds.append(time.monotonic() - begin)


def load(url: str, process: int, greedy: int, seconds: float, modest_calls: list[Call]) -> tuple[Tally, Tally]:
    """Runs modest and greedy clients at once, after one of each greedy call: much is loaded only at first use."""
    modest, large = Tally(), Tally()
    if greedy:
        run_client(url, LARGEST, large)
    print(f"{CLIENTS} clients, {greedy} of them greedy, for {seconds:.0f} s", flush=True)
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(CLIENTS) as pool:
        for number in range(CLIENTS):
            calls, tally = (LARGEST, large) if number < greedy else (modest_calls, modest)
            pool.submit(run_client, url, islice(cycle(calls), number, None), tally, until)
        time.sleep(WARM_UP * seconds)
        while time.monotonic() < until:
            modest.memory.append(psutil.Process(process).memory_info().rss / 1e6)
            time.sleep(1)
    return modest, large


def report(modest: Tally, large: Tally) -> bool:
    """Prints the figures; returns whether all answers are right and memory is flat."""
    seconds, memory = modest.seconds, modest.memory
    problems = modest.problems + large.problems
    print(f"{len(seconds)} answers, {len(large.seconds)} large ones, {len(problems)} problems")
    for problem in dict.fromkeys(problems):
        print(problem)
    print(f"seconds per answer: median {median(seconds):.3f}, p95 {modest.p95:.3f}, max {max(seconds):.3f}")
    third = max(1, len(memory) // 3)
    growth = median(memory[-third:]) - median(memory[:third])
    print(f"memory: {memory[0]:.0f} MB when warm, {memory[-1]:.0f} MB at the end, last − first third {growth:+.1f} MB")
    return not problems and growth < MAX_GROWTH_MB


@as_command
def main(argv: list[str] | None) -> int:
    """Runs the command; exit status 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo.load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="length of each part (default 120)")
    arguments = parser.parse_args(argv)
    calls = checks()
    with serve_app() as (url, process):
        alone, none = load(url, process, 0, arguments.seconds, calls)
        fine = report(alone, none)
        beside, large = load(url, process, GREEDY, arguments.seconds, calls)
        slowdown = beside.p95 / alone.p95
        print(f"modest clients' p95 beside greedy ones: {slowdown:.2f} times that without")
    return 0 if report(beside, large) and fine and slowdown < MAX_SLOWDOWN else 1


if __name__ == "__main__":
    sys.exit(main())
