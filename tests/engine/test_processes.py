"""An engine after a fork."""

import os
import signal

import pytest
import torch

from engine import load_engine

TEXT = "Famotidine-associated delirium. " * 20


@pytest.fixture
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("_two_threads")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_forked_child_answers_with_one_thread(dtype):
    engine = load_engine(dtype=dtype)
    before = engine.tag(TEXT, "truncate-1").entities
    # Two threads computed before the fork; without precautions, the child waits for one that it lacks.
    if not (child := os.fork()):
        signal.alarm(60)
        try:
            os._exit(0 if engine.tag(TEXT, "truncate-1").entities == before and torch.get_num_threads() == 1 else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert torch.get_num_threads() == 2
