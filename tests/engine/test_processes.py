"""An engine after a fork, and engines in several threads."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch

from engine import Engine, load_engine
from engine.formats.corpora import load_corpus
from engine.models.folder import SHIPPED
from engine.pytorch.checkpoint import load_weights
from tests.conftest import SAMPLE

TEXT = "Famotidine-associated delirium. " * 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("threads", [2], indirect=True)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_forked_child_answers_with_one_thread(dtype, threads):
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
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_two_threads_find_what_one_finds_with_an_engine_each_and_with_one_engine(dtype):
    if dtype == "int8":
        pytest.importorskip("openvino")
    weights = load_weights(str(SHIPPED))
    one, another = (Engine(weights, dtype) for _ in range(2))
    texts = [document.text[:150] for document in load_corpus(str(SAMPLE), limit=2).documents]
    both = Barrier(2)

    def tag(engine, texts):
        return [[entity.key for entity in engine.tag(text, "entropy:fast").entities] for text in texts]

    def tag_together(engine, texts):
        both.wait(timeout=60)
        return [tag(engine, texts) for _ in range(3)]

    there, back = tag(one, texts), tag(one, texts[::-1])
    assert all(there)
    with ThreadPoolExecutor(2) as pool:
        for other in (one, another):
            assert list(pool.map(tag_together, (one, other), (texts, texts[::-1]))) == [[there] * 3, [back] * 3]
