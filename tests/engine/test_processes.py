"""An engine in fresh, forked and spawned processes, and in several threads."""

import copy
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from engine import load_engine
from engine.corpora import load_corpus
from tests.conftest import SAMPLE, TEXT

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [document.text[:300] for document in load_corpus(str(SAMPLE), limit=24).documents]

WITHOUT_PYTORCH = """
import sys
from engine import tag
status = tag.main([sys.argv[1], "--model", sys.argv[2], "--dtype", "int8"])
print(status, [name for name in ("torch", "transformers") if sys.modules.get(name)])
"""


def test_neither_pytorch_nor_transformers_is_imported_to_tag_a_file(model_folder, tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    command = [sys.executable, "-c", WITHOUT_PYTORCH, tmp_path / "a.txt", model_folder]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "0 []"
    assert "|t|" in run.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("threads", [2], indirect=True)
def test_a_forked_child_finds_the_same(engine, threads):
    before = [result.entities for result in engine.tag_batch([TEXT] * 4, "truncate-1")]
    # Two threads computed before the fork; without precautions, the child waits for them.
    if not (child := os.fork()):
        signal.alarm(60)
        try:
            after = [result.entities for result in engine.tag_batch([TEXT] * 4, "truncate-1")]
            os._exit(0 if after == before else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_copied_engines_and_spawned_processes_find_the_same(quantised):
    assert (expected := quantised.tag(TEXT, "dense").entities)
    for engine in (pickle.loads(pickle.dumps(quantised)), copy.deepcopy(quantised)):
        assert (engine.dtype, engine.digest) == ("int8", quantised.digest)
        assert engine.tag(TEXT, "dense").entities == expected
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(quantised.tag, (TEXT, "dense")).entities == expected


@pytest.mark.parametrize("strategy", ["dense", "entropy+recovery"])
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_text_comes_out_bit_identical_alone_among_others_and_from_eight_threads(dtype, strategy, threads):
    engine = load_engine(dtype=dtype)
    alone = [engine.tag(text, strategy).probabilities for text in TEXTS]
    together = [result.probabilities for result in engine.tag_batch(TEXTS, strategy)]
    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(lambda text: engine.tag(text, strategy).probabilities, TEXTS))
    for expected, *others in zip(alone, together, at_once, strict=True):
        for other in others:
            np.testing.assert_array_equal(other, expected)
