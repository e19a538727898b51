"""An exported package tags as the engine does, without the project and without PyTorch."""

import json
import subprocess
import sys

import pytest

from engine import export, load_engine
from engine.errors import InputError
from engine.graph.standalone import Tagger
from engine.pruning.strategy import Strategy
from tests.conftest import TEXT

ELSEWHERE = """
import json, sys
from importlib import import_module
from concurrent.futures import ThreadPoolExecutor
taggers = [import_module(name).Tagger() for name in sys.argv[1:]]
texts = json.load(sys.stdin)
pool = ThreadPoolExecutor(8)
found = [[[(e.start, e.end, e.type) for e in tags] for tags in pool.map(tagger.tag, texts)] for tagger in taggers]
print(json.dumps([found, sorted({"engine", "torch", "transformers", "safetensors"} & set(sys.modules))]))
"""
TEXTS = [TEXT, "", "Aspirin and pain.\nAspirin helped.", TEXT * 8] * 6  # the last has several windows
STRATEGIES = {
    "dense": {},
    "truncate-2": {},
    "entropy": {"gates": (1, 2), "max_entropy": (0.5, 0.8), "exit_entities": True, "min_keep_ratio": 0.3},
    "rule": {"gates": (1, 2), "lambda_": 0.5},
}


def test_packages_find_what_the_engine_finds(engine, tmp_path):
    strategies = [engine.strategy(name, **settings) for name, settings in STRATEGIES.items()]
    for strategy in strategies:
        export.export(engine, strategy, tmp_path / strategy.kind)
    command = [sys.executable, "-c", ELSEWHERE, *(strategy.kind for strategy in strategies)]
    run = subprocess.run(command, cwd=tmp_path, input=json.dumps(TEXTS), capture_output=True, text=True, check=True)
    found, imported = json.loads(run.stdout)
    expected = [[[[*e.key] for e in engine.tag(text, strategy).entities] for text in TEXTS] for strategy in strategies]
    assert found == expected
    assert any(map(any, expected))
    assert imported == []


def test_the_command_exports_the_default_strategy(tmp_path, capsys, made_folder):
    assert export.main(["--model", str(made_folder), "--out", str(tmp_path / "tagger")]) == 0
    assert f"the package {tmp_path / 'tagger'} tags texts" in capsys.readouterr().out
    exported = json.loads((tmp_path / "tagger" / "settings.json").read_text())["strategy"]
    assert Strategy.from_json(exported) == load_engine(made_folder).strategy()


@pytest.mark.parametrize(
    ("model", "strategy", "out", "keyword"),
    [
        ("engine", "entropy+recovery", "tagger", "several passes"),
        ("both", "cascade:careful", "tagger", "'cascade:careful' runs several passes"),
        ("engine", "dense", "my-tagger", "Python package"),
        ("engine", "dense", "class", "Python package"),
    ],
)
def test_rejects_what_cannot_be_exported(model, strategy, out, keyword, tmp_path, request):
    engine = request.getfixturevalue(model)
    with pytest.raises(InputError, match=keyword):
        export.export(engine, engine.strategy(strategy), tmp_path / out)
    assert not (tmp_path / out).exists()


@pytest.mark.parametrize("rows", [101, 2, "100"])
def test_a_package_refuses_more_rows_than_its_graph_has_positions_for(rows, engine, tmp_path):
    export.export(engine, engine.strategy("dense"), tmp_path / "tagger")
    path = tmp_path / "tagger" / "settings.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"max_rows": rows}))
    with pytest.raises(InputError, match=f"max_rows in .*settings.json is {rows!r}; .* 3 and 100"):
        Tagger(tmp_path / "tagger")
