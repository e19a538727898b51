"""Long commands, killed again and again: their results must equal those of an undisturbed run.

A new command is one entry of ``LONG``.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pandas as pd

from tests.conftest import contents
from tests.engine.bulk.made_up import write_folder

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "eval" / "sample" / "sample.pubtator.txt"


@dataclass(frozen=True)
class Long:
    """A command that resumes in its folder when started again.

    ``arguments``: after ``python -m``, from the folders of the model and of the results.
    ``results``: what must not depend on kills, from the folder.
    """

    arguments: Callable[[Path, Path], list[str]]
    results: Callable[[Path], object]


def _report(model: Path, out: Path) -> list[str]:
    fixed = ["--corpus", str(SAMPLE), "--strategies", "entropy,random", "--batch-size", "1,4", "--format", "jsonl"]
    return ["eval.report", "--model", str(model), "--out", str(out), "--predictions", str(out / "found"), *fixed]


def _report_results(out: Path) -> object:
    columns = ["strategy", "batch_size", "documents", "f1", "precision", "recall", "token_layers_kept"]
    return pd.read_csv(out / "results.csv")[columns].to_json(), contents(out / "found")


def _bulk(model: Path, out: Path) -> list[str]:
    inputs = out.parent / "pubmed"
    if not inputs.exists():
        write_folder(inputs, 40, 50)
    return ["engine.bulk", str(inputs), "--model", str(model), "--out", str(out), "--threads", "1"]


LONG = {"eval.report": Long(_report, _report_results), "engine.bulk": Long(_bulk, contents)}


def killed(name: str, model: Path, folder: Path, kills: int, seed: int) -> Iterator[str | None]:
    """Kills a command ``kills`` times, at random moments.

    Yields:
        After each kill, what is wrong, if anything: results of killed runs differ from the first one's.
    """
    long, chosen = LONG[name], random.Random(seed)

    def start(out: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", *long.arguments(model, out)]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    begin = monotonic()
    undisturbed = start(folder / "undisturbed")
    said = undisturbed.communicate()[1].decode(errors="replace")
    if undisturbed.returncode:
        raise RuntimeError(f"{name} ended with status {undisturbed.returncode}: {said[-500:]}")
    expected, seconds = long.results(folder / "undisturbed"), monotonic() - begin
    out, done = folder / "killed-0", 0
    while True:
        process = start(out)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=None if done >= kills else chosen.uniform(0.2, 1) * seconds)
        if process.poll() is None:
            process.kill()
            process.communicate()
            done += 1
            yield None
            continue
        if process.returncode:
            yield f"status {process.returncode} after {done} kills"
        elif long.results(out) != expected:
            yield f"other results after {done} kills"
        if done >= kills:
            return
        out = folder / f"killed-{done}"
