"""An engine after a fork."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Two threads computed before the fork; without precautions, the child waits for one that it lacks.
FORK = """
import os, signal, sys, torch
torch.set_num_threads(2)
from engine import load_engine

engine, text = load_engine(dtype=sys.argv[1]), "Famotidine-associated delirium. " * 30
before = engine.tag(text).entities
if not (child := os.fork()):
    signal.alarm(120)
    os._exit(0 if engine.tag(text).entities == before and torch.get_num_threads() == 1 else 1)
_, status = os.waitpid(child, 0)
assert engine.tag(text).entities == before and torch.get_num_threads() == 2
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_forked_child_answers_with_one_thread(dtype):
    done = subprocess.run([sys.executable, "-c", FORK, dtype], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
