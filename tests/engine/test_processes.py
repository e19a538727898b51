"""An engine after a fork."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Two threads computed before the fork; without precautions, the child waits for one that it lacks.
FORK = """
import os, signal, torch
torch.set_num_threads(2)
from engine import load_engine

for dtype in ("float32", "bfloat16"):
    torch.set_num_threads(2)
    engine, text = load_engine(dtype=dtype), "Famotidine-associated delirium. " * 20
    before = engine.tag(text).entities
    if not (child := os.fork()):
        signal.alarm(120)
        os._exit(0 if engine.tag(text).entities == before and torch.get_num_threads() == 1 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, dtype
    assert engine.tag(text).entities == before and torch.get_num_threads() == 2
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_answers_with_one_thread():
    done = subprocess.run([sys.executable, "-c", FORK], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
