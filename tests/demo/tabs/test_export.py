"""The tab Take away: code and commands do what the page does, and the trace holds every word."""

from __future__ import annotations

import json
import shlex
from copy import copy
from typing import Any

import pytest
import torch

from demo.tabs.export import as_command, as_python, trace_json
from engine import Engine
from engine.checkpoint import SHIPPED
from engine.model.precision import Precision
from engine.tag import main

HOSTILE = "<img src=x onerror=alert(1)> ${1+1} {{7*7}} delirium"


CHANGED = [
    ("rule", {"lambda_": 1.25, "min_keep_ratio": 0.3}),
    ("entropy+recovery", {"trigger": "confidence", "min_confidence": 1.0, "max_entropy": (0.4, 0.5), "gates": (1, 2)}),
    ("random", {"min_keep_ratio": 0.3, "exit_entities": True}),
    ("dense", {}),
]


@pytest.mark.parametrize(("name", "knobs"), CHANGED)
def test_python_gives_what_the_page_shows(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path, capsys, name: str, knobs: dict[str, Any]
) -> None:
    monkeypatch.setattr("engine.load_engine", lambda source: engine, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(HOSTILE)
    strategy = engine.strategy(name, **knobs)
    exec(as_python(engine, [strategy], None), {})
    assert capsys.readouterr().out == f"{engine.tag(HOSTILE, strategy).entities}\n"


@pytest.mark.parametrize(("name", "knobs"), CHANGED)
def test_the_command_runs_what_the_page_shows(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path, name: str, knobs: dict[str, Any]
) -> None:
    ran = []
    tag_batch = Engine.tag_batch
    monkeypatch.setattr(
        Engine,
        "tag_batch",
        lambda self, texts, strategy, **rest: ran.append(strategy) or tag_batch(self, texts, strategy),
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(HOSTILE)
    strategy = engine.strategy(name, **knobs)
    command = as_command(engine, [strategy], None)
    assert command.startswith("python -m engine.tag text.txt ")
    assert main(shlex.split(command)[3:]) == 0
    assert ran == [strategy]


def test_what_is_loaded_is_given_as_it_was_but_for_defaults(engine: Engine) -> None:
    def loaded(source: str, dtype: str = "float32", device: str = "cpu") -> tuple[str, str]:
        other = copy(engine)
        other.source, other.precision, other.device = source, Precision(dtype), torch.device(device)
        python = next(line for line in as_python(other, [], None).splitlines() if line.startswith("engine = "))
        return python, as_command(other, [engine.strategy("dense")], None).strip()

    plain = "python -m engine.tag text.txt --strategy=dense"
    assert loaded(str(SHIPPED)) == ("engine = load_engine()", plain)
    assert loaded("my runs/x") == ("engine = load_engine('my runs/x')", f"{plain} '--model=my runs/x'")
    assert loaded(str(SHIPPED), "bfloat16", "cuda") == (
        "engine = load_engine(dtype='bfloat16', device='cuda')",
        f"{plain} --dtype=bfloat16 --device=cuda",
    )


def test_the_trace_is_json_of_every_word(engine: Engine) -> None:
    record = json.loads(trace_json(engine, HOSTILE, [engine.strategy("rule")]))
    assert record["text"] == HOSTILE
    assert "".join(word["text"] for word in record["results"][0]["trace"]) == HOSTILE.replace(" ", "")
