"""Fuzzing: ``python -m tests.fuzz --scale 1`` (an hour on two quiet cores), ``make fuzz``.

Tries odd texts under every strategy, with a tiny model and the shipped weights; damaged files of every format; killed
long commands. Prints what was tried and what failed; exit status 1 if anything did.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given
from hypothesis.strategies import SearchStrategy
from tqdm import tqdm

from engine.tagger import Engine, load_engine
from tests.conftest import make_model, make_tokenizer
from tests.fuzz.files import KINDS, damaged_files, wrong_reading
from tests.fuzz.kills import LONG, killed
from tests.fuzz.texts import long_text, texts, wrong_result

CHUNK = 500  # cases per run of Hypothesis, which remembers all of them
TEXTS, SHIPPED, LONG_TEXTS, FILES, KILLS = 90_000, 10_000, 500, 2_000, 20  # at scale 1; files a format, kills a command


@dataclass
class Row:
    """What was tried, and what failed."""

    what: str
    tried: int = 0
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0


def generated(strategy: SearchStrategy[Any], count: int, seed: int) -> Iterator[Any]:
    """``count`` cases of a Hypothesis strategy."""
    for start in range(0, count, CHUNK):
        yield from _chunk(strategy, min(CHUNK, count - start), seed * 1_000_003 + start)


def _chunk(strategy: SearchStrategy[Any], count: int, seed: int) -> list[Any]:
    cases: list[Any] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(case: Any) -> None:
        cases.append(case)

    collect()
    return cases[:count]


def try_all(what: str, cases: Iterator[Any], count: int, check: Callable[[Any], str | None]) -> Row:
    """Checks cases and counts."""
    row, begin = Row(what), time.monotonic()
    for case in tqdm(cases, what, count, disable=None):
        row.tried += 1
        try:
            problem = check(case)
        except Exception as error:  # noqa: BLE001  # this is what is looked for
            problem = f"a traceback: {type(error).__name__}: {error}"
        if problem:
            row.failed.append(f"{problem[:200]} | {case!r:.300}")
    row.seconds = time.monotonic() - begin
    return row


def text_check(engine: Engine) -> Callable[[str], str | None]:
    """Tags a text in one call with the beginning of the previous one, cycling through the strategies."""
    strategies, before = cycle(engine.runnable), [""]

    def check(text: str) -> str | None:
        name = next(strategies)
        result = engine.tag_batch([before[0], text], name)[1]
        before[0] = text[:500]
        problem = wrong_result(text, result, engine)
        return f"{name}: {problem}" if problem else None

    return check


def parts(arguments: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Tries everything, one row after another."""

    def count(at_scale_1: int) -> int:
        return max(1, round(at_scale_1 * arguments.scale))

    seed = arguments.seed
    if "files" in arguments.parts:
        for name in KINDS:
            cases = generated(damaged_files(name), count(FILES), seed)
            yield try_all(f"damaged files, {name}", cases, count(FILES), lambda case: wrong_reading(case, folder))
    make_model(folder / "model", make_tokenizer(folder / "tokenizer"))
    tiny = load_engine(str(folder / "model"))
    if "texts" in arguments.parts:
        yield try_all("texts, tiny model", generated(texts(), count(TEXTS), seed), count(TEXTS), text_check(tiny))
    if "long" in arguments.parts:
        several = (long_text(seed * 1_000_003 + number, 20_000, 200_000) for number in range(count(LONG_TEXTS)))
        yield try_all("texts of 20,000 to 200,000 characters", several, count(LONG_TEXTS), text_check(tiny))
    if "shipped" in arguments.parts:
        cases = generated(texts(), count(SHIPPED), seed + 1)
        yield try_all("texts, shipped weights", cases, count(SHIPPED), text_check(load_engine()))
    if "kills" in arguments.parts:
        for name in LONG:
            outcomes = killed(name, folder / "model", folder / name, count(KILLS), seed)
            yield try_all(f"kills of {name}", outcomes, count(KILLS), lambda outcome: outcome)


def main() -> int:
    """The command line; exit status 1 if anything failed."""
    names = ["files", "texts", "long", "shipped", "kills"]
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of all counts (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="the same cases again (default 0)")
    parser.add_argument("--parts", nargs="+", choices=names, default=names, help="default: all")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, scale {arguments.scale}\n\n| tried | count | failed | seconds |")
    print("| --- | --- | --- | --- |", flush=True)
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        for row in parts(arguments, Path(folder)):
            print(f"| {row.what} | {row.tried:,} | {len(row.failed)} | {row.seconds:.0f} |", flush=True)
            problems += [f"{row.what}: {problem}" for problem in row.failed[:10]]
    print(*problems, sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
