"""Long commands, killed again and again at random moments: their results must equal those of an undisturbed run.

A new command is one entry of ``LONG``.
"""

import multiprocessing
import random
import sys
from collections.abc import Callable
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from time import monotonic

import pytest

from engine.bulk import __main__ as bulk
from engine.training import accelerate
from tests.conftest import contents
from tests.engine.bulk.made_up import write_folder
from tests.engine.training.corpora import write_texts
from tests.fuzz.test_fuzz import EXAMPLES

KILLS = max(2, EXAMPLES // 250)


def accelerate_results(out: Path) -> object:
    """All but the operating points, which also depend on measured times."""
    return [(out / name).read_bytes() for name in ("model.safetensors", "gates.safetensors", "config.json")]


# The command, its arguments, and what must not depend on kills.
LONG = {
    "engine.bulk": (bulk.main, "{pubmed} --model {model} --out {out} --threads 1", contents),
    "engine.training.accelerate": (
        accelerate.main,
        "{model} --out {out} --resume --texts {texts} --max-f1-drop 5,20,60",
        accelerate_results,
    ),
}


def run(main: Callable[[list[str]], int], arguments: list[str]) -> None:
    sys.exit(main(arguments))


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    """Starts processes that need not import anything, so that kills meet work."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ready = context.Process(target=sys.exit)
    ready.start()
    ready.join()
    return context


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_a_command_killed_at_any_moment_ends_with_the_same_results(name, model_folder, tmp_path, context):
    main, arguments, results = LONG[name]
    chosen, kills, runs = random.Random(0), 0, 0
    write_folder(tmp_path / "pubmed", 40, 50)
    write_texts(tmp_path / "texts.txt", 300)
    paths = {"model": model_folder, "pubmed": tmp_path / "pubmed", "texts": tmp_path / "texts.txt"}

    def start(out: Path) -> ForkServerProcess:
        process = context.Process(target=run, args=(main, arguments.format(**paths, out=out).split()))
        process.start()
        return process

    undisturbed, begin = start(tmp_path / "undisturbed"), monotonic()
    undisturbed.join()
    assert undisturbed.exitcode == 0
    expected, seconds = results(tmp_path / "undisturbed"), monotonic() - begin
    while kills < KILLS:
        out, runs = tmp_path / f"killed-{runs}", runs + 1
        while True:
            process = start(out)
            process.join(None if kills >= KILLS else chosen.uniform(0.1, 1) * seconds)
            if not process.is_alive():
                break
            process.kill()
            process.join()
            kills += 1
        assert process.exitcode == 0, f"after {kills} kills"
        assert results(out) == expected, f"after {kills} kills"
