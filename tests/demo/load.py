"""``python -m tests.demo.load``: a load test of the app. Are all answers right and prompt, and does memory stay flat?

Starts the app in its own process. Many clients tag the examples over HTTP, one after another; each answer is compared
with the engine's own. Then hostile clients, whose requests are as large as allowed, larger or malformed, replace some.
Exit status 1: an error, a wrong answer, growing memory, or well-behaved clients that waited more than twice as long.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from math import inf
from pathlib import Path
from statistics import median, quantiles

import httpx
from tqdm import tqdm

from demo.common.limits import MAX_CHARACTERS, MAX_COMPARED, MAX_TRACED
from demo.common.links import EXAMPLES
from engine import load_engine
from engine.command import as_command
from tests.demo.serving import ask, serve_app

STRATEGIES = ("dense", "entropy", "rule")
WARM_UP = 0.25  # share of the time in which caches fill
MIN_SECONDS = 2  # per part; otherwise memory is never read
MAX_GROWTH_MB = 50.0
MAX_SLOWDOWN = 2.0  # of the well-behaved clients' 95th percentile
TIMEOUT_S = 120
TEXT = "Cisplatin caused nausea, tremor and hypotension in mice. "  # of hostile clients

Expected = Mapping[tuple[str, str], list[tuple[int, int, str]]]  # text and strategy → entities
Call = Callable[[httpx.Client, str], None]  # raises an error for an answer that the app must not give


def _text(characters: int) -> str:
    return (TEXT * (characters // len(TEXT) + 1))[:characters]


def _refused(client: httpx.Client, url: str, name: str, body: object) -> None:
    """Sends a request that must be refused: with a 4xx, or with 503 if the queue is full."""
    reply = client.post(f"{url}gradio_api/call/v2/{name}", content=json.dumps(body))
    if reply.status_code < 400 or reply.status_code == 500:
        raise AssertionError(f"expected a refusal of {name} with {str(body)[:60]}, got {reply.status_code}")


def _left_alone(client: httpx.Client, url: str) -> None:
    """Asks for a lot and does not wait for the answer."""
    client.post(f"{url}gradio_api/call/v2/tag", json={"text": _text(MAX_CHARACTERS), "strategy": "dense"})


def _file(client: httpx.Client, url: str) -> None:
    """Uploads a small file with a huge document, which the server reads only when it is tagged."""
    passages = "".join(f"<passage><offset>{n}000000</offset><text>x</text></passage>" for n in range(80))
    content = f"<collection><document><id>1</id>{passages}</document></collection>".encode()
    client.post(f"{url}gradio_api/upload", files={"files": ("wide.xml", content)}).raise_for_status()


ATTACKS: tuple[Call, ...] = (
    lambda client, url: ask(client, url, "tag", text=_text(MAX_CHARACTERS), strategy="dense"),
    lambda client, url: ask(client, url, "compare", text=_text(MAX_COMPARED // 4), strategies="rule,entropy,mlp"),
    lambda client, url: ask(client, url, "tag", text=_text(MAX_TRACED), strategy="entropy", trace=True),
    lambda client, url: ask(client, url, "tag", text="a " * (MAX_CHARACTERS // 2), strategy="entropy"),
    lambda client, url: ask(
        client, url, "compare", text=TEXT, strategies="rule,entropy,mlp,truncate-2,truncate-3,rule+recovery"
    ),
    lambda client, url: _refused(client, url, "tag", {}),
    lambda client, url: _refused(client, url, "tag", {"text": TEXT, "x": 1}),
    lambda client, url: _refused(client, url, "tag", [[[[[TEXT]]]]]),
    lambda client, url: _refused(client, url, "../../etc/passwd", {"text": TEXT}),
    _left_alone,
    _file,
)


def attacks(seed: int) -> Iterator[Call]:
    """Yields all attacks again and again, in a different order for each seed."""
    order = list(ATTACKS)
    random.Random(seed).shuffle(order)
    return cycle(order)


@dataclass
class Tally:
    """What clients saw: the seconds that each answer took, and problems; and the app's memory meanwhile, in MB."""

    seconds: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    @property
    def p95(self) -> float:
        """The 95th percentile of the seconds."""
        return quantiles(self.seconds, n=20)[-1] if len(self.seconds) > 1 else float("nan")


def expected_answers(model: str | None) -> Expected:
    """The right answers for every example and strategy."""
    engine = load_engine(model)
    return {
        (text, name): [entity.key for entity in engine.tag(text, name).entities]
        for text in EXAMPLES.values()
        for name in STRATEGIES
    }


def check_answer(client: httpx.Client, url: str, text: str, strategy: str, expected: Expected) -> None:
    """Tags a text and compares the answer."""
    found = ask(client, url, "tag", text=text, strategy=strategy)
    if [(e["start"], e["end"], e["type"]) for e in found["entities"]] != expected[text, strategy]:
        raise AssertionError(f"wrong entities of {strategy} for {text[:40]!r}")


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


def watch_memory(process: int, seconds: float, tally: Tally) -> None:
    """Reads the resident memory of a process (Linux) once a second, after the warm-up."""
    begin = time.monotonic()
    with tqdm(total=round(seconds), unit="s", disable=None) as bar:
        while (elapsed := time.monotonic() - begin) < seconds:
            if elapsed >= WARM_UP * seconds:
                pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
                tally.memory.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
            time.sleep(1)
            bar.update(1)


def load(url: str, process: int, sound: int, hostile: int, seconds: float, expected: Expected) -> tuple[Tally, Tally]:
    """Runs well-behaved and hostile clients at once, after one of each attack: much is loaded only at first use."""
    well_behaved, attackers = Tally(), Tally()
    if hostile:
        run_client(url, ATTACKS, attackers)
    until = time.monotonic() + seconds
    checks = [partial(check_answer, text=text, strategy=name, expected=expected) for text, name in expected]
    with ThreadPoolExecutor(sound + hostile + 1) as pool:
        started = [pool.submit(watch_memory, process, seconds, well_behaved)]
        for number in range(hostile):
            started.append(pool.submit(run_client, url, attacks(number), attackers, until))
        for number in range(sound):
            started.append(pool.submit(run_client, url, islice(cycle(checks), number, None), well_behaved, until))
        for one in started:
            one.result()
    return well_behaved, attackers


def report(well_behaved: Tally, attackers: Tally) -> bool:
    """Prints the figures; returns whether all answers are right and memory is flat."""
    seconds, memory = sorted(well_behaved.seconds), well_behaved.memory
    problems = well_behaved.problems + attackers.problems
    print(f"{len(seconds)} answers, {len(attackers.seconds)} attacks, {len(problems)} problems")
    for problem in dict.fromkeys(problems):
        print(problem)
    if len(seconds) > 1:
        print(f"seconds per answer: median {median(seconds):.3f}, p95 {well_behaved.p95:.3f}, max {seconds[-1]:.3f}")
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
    clients, hostile, seconds = arguments.clients, arguments.hostile, arguments.seconds
    if clients < 1:
        parser.error(f"expected --clients 1 or more, got {clients}; leave it out")
    if not 0 <= hostile < clients:
        parser.error(f"expected --hostile 0 to {clients - 1}, got {hostile}; keep one client well-behaved")
    if not seconds >= MIN_SECONDS:
        parser.error(f"expected --seconds {MIN_SECONDS} or more, got {seconds}; memory is read once a second")
    expected = expected_answers(arguments.model)
    with serve_app(arguments.model) as (url, process):
        alone, none = load(url, process, clients, 0, seconds, expected)
        fine = report(alone, none)
        if hostile:
            beside, attackers = load(url, process, clients - hostile, hostile, seconds, expected)
            slowdown = beside.p95 / alone.p95
            fine = all([report(beside, attackers), fine, slowdown < MAX_SLOWDOWN])
            print(f"well-behaved clients' p95 alongside hostile ones: {slowdown:.2f} times that without")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
