"""Long commands, killed again and again at random moments: their results must equal those of an undisturbed run.

A new command is one entry of ``LONG``.
"""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pandas as pd
import pytest

from tests.conftest import SAMPLE, contents
from tests.engine.bulk.made_up import write_folder
from tests.engine.training.test_accelerate import write_texts
from tests.fuzz.test_fuzz import EXAMPLES

KILLS = max(2, EXAMPLES // 250)


def report(model: Path, out: Path) -> list[str]:
    fixed = ["--corpus", str(SAMPLE), "--strategies", "entropy,random", "--batch-size", "1,4", "--format", "jsonl"]
    return ["eval.report", "--model", str(model), "--out", str(out), "--predictions", str(out / "found"), *fixed]


def report_results(out: Path) -> object:
    columns = ["strategy", "batch_size", "documents", "f1", "precision", "recall", "token_layers_kept"]
    return pd.read_csv(out / "results.csv")[columns].to_json(), contents(out / "found")


def bulk(model: Path, out: Path) -> list[str]:
    inputs = out.parent / "pubmed"
    if not inputs.exists():
        write_folder(inputs, 40, 50)
    return ["engine.bulk", str(inputs), "--model", str(model), "--out", str(out), "--threads", "1"]


def accelerate(model: Path, out: Path) -> list[str]:
    texts = out.parent / "texts.txt"
    if not texts.exists():
        write_texts(texts, 300)
    fixed = ["--texts", str(texts), "--minutes", "30", "--mixed-precision", "no", "--max-f1-drop", "5,20,60"]
    return ["engine.training.accelerate", str(model), "--out", str(out), "--resume", *fixed]


def accelerate_results(out: Path) -> object:
    sums = [line for line in (out / "SHA256SUMS").read_text().splitlines() if "operating_points" not in line]
    return sums  # the operating points also depend on measured times


# Arguments after ``python -m`` from the folders of model and results; what must not depend on kills, from the latter.
LONG = {
    "eval.report": (report, report_results),
    "engine.bulk": (bulk, contents),
    "engine.training.accelerate": (accelerate, accelerate_results),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_a_command_killed_at_any_moment_ends_with_the_same_results(name, model_folder, tmp_path):
    arguments, results = LONG[name]
    chosen, begin, kills = random.Random(0), monotonic(), 0

    def start(out: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", *arguments(model_folder, out)]
        return subprocess.Popen(command, cwd=SAMPLE.parents[2], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    undisturbed = start(tmp_path / "undisturbed")
    said = undisturbed.communicate()[1]
    assert undisturbed.returncode == 0, said
    expected, seconds = results(tmp_path / "undisturbed"), monotonic() - begin
    while kills < KILLS:
        out = tmp_path / f"killed-{kills}"
        while not (finished := out / "finished").exists():
            process = start(out)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=None if kills >= KILLS else chosen.uniform(0.2, 1) * seconds)
            if process.poll() is None:
                process.kill()
                process.communicate()
                kills += 1
            else:
                assert process.returncode == 0, f"after {kills} kills"
                assert results(out) == expected, f"after {kills} kills"
                finished.touch()
