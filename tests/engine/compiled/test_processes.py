"""The compiled pass in fresh, forked and spawned processes: without PyTorch, and loaded again where it is copied."""

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from engine import Engine, load_engine, load_weights
from tests.conftest import TEXT

pytest.importorskip("openvino")
ROOT = Path(__file__).resolve().parents[3]


WITHOUT_PYTORCH = """
import sys
from engine import tag
from engine.bulk import worker
status = tag.main([sys.argv[1], "--model", sys.argv[2], "--dtype", "int8"])
print(status, [name for name in ("torch", "transformers", "openvino_telemetry") if sys.modules.get(name)])
"""


def test_neither_pytorch_nor_transformers_nor_telemetry_is_imported_to_tag_a_file(compiled, tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    command = [sys.executable, "-c", WITHOUT_PYTORCH, tmp_path / "a.txt", compiled.folder]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "0 []"
    assert "|t|" in run.stdout


def test_a_copied_engine_is_loaded_again_and_pytorch_when_it_is_needed(compiled):
    assert (expected := compiled.tag(TEXT).entities)
    for other in (pickle.loads(pickle.dumps(compiled)), copy.deepcopy(compiled)):
        assert other.dtype == "int8"
        assert other.tag(TEXT).entities == expected
    for engine in (load_engine(compiled.folder, "int8"), Engine(load_weights(compiled.folder), "int8")):
        assert engine.model.sizes == engine.sizes
    assert engine.digest == load_engine(compiled.folder, "float32").digest


OF_SPACY = """
import multiprocessing, sys
import spacy
if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    nlp = spacy.blank("en")
    nlp.add_pipe("token_pruning_ner", config={"model": sys.argv[2], "strategy": "dense"})
    engine = nlp.get_pipe("token_pruning_ner").engine
    found = [[ent.text for ent in doc.ents] for doc in nlp.pipe([sys.argv[3]] * 4, n_process=2, batch_size=1)]
    alone = [ent.text for ent in nlp(sys.argv[3]).ents]
    print(engine.dtype, found == [alone] * 4, len(alone) > 0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_spacy_tags_in_several_processes(compiled, tmp_path, method):
    pytest.importorskip("spacy")
    script = tmp_path / "script.py"
    script.write_text("import engine.integrations.spacy\n" + OF_SPACY)
    command = [sys.executable, script, method, compiled.folder, TEXT]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert run.stdout.splitlines()[-1] == "int8 True True"
