"""An exported package tags as the engine does, without the project and without PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from engine import export, load_engine
from engine.errors import InputError
from tests.conftest import TEXT

pytest.importorskip("openvino")

ELSEWHERE = """
import json, sys
from tagger import Tagger
found = [[(e.start, e.end, e.type) for e in Tagger().tag(text)] for text in json.load(sys.stdin)]
print(json.dumps([found, sorted({"engine", "torch", "transformers", "safetensors"} & set(sys.modules))]))
"""
TEXTS = [TEXT, "", TEXT * 8]  # the last has several windows


@pytest.mark.parametrize("name", ["dense", "entropy", "truncate-2"])
def test_a_package_finds_what_the_engine_finds(quantised_folder, tmp_path, name):
    assert export.main([str(quantised_folder), "--strategy", name, "--out", str(tmp_path / "tagger")]) == 0
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        cwd=tmp_path,
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        check=True,
    )
    found, imported = json.loads(run.stdout)
    engine = load_engine(quantised_folder, "int8")
    assert found == [[[e.start, e.end, e.type] for e in engine.tag(text, name).entities] for text in TEXTS]
    assert imported == []


def test_what_the_model_can_run_is_exported_by_default(engine, plain_engine, both):
    assert [export.default_strategy(one) for one in (engine, plain_engine, both)] == [
        "entropy:balanced",
        "dense",
        "dense",
    ]


def test_rejects_a_cascade(both, tmp_path):
    with pytest.raises(InputError, match="expected a strategy that is one pass, got 'cascade:careful'"):
        export.export(both, both.strategy("cascade:careful"), tmp_path / "tagger")


@pytest.mark.parametrize(
    ("model", "strategy", "out", "keyword"),
    [
        ("{folder}", "entropy+recovery", "tagger", "a strategy that is one pass"),
        ("{folder}", "rule", "tagger", "a strategy that can be compiled"),
        ("{folder}", "dense", "my-tagger", "a Python package"),
        ("{plain}", "dense", "tagger", "got no such file; make it with python -m engine.training.quantise"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    quantised_folder, plain_folder, tmp_path, capsys, model, strategy, out, keyword
):
    model = model.format(folder=quantised_folder, plain=plain_folder)
    assert export.main([model, "--strategy", strategy, "--out", str(tmp_path / out)]) == 2
    assert keyword in capsys.readouterr().err
