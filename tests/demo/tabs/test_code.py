"""The tab Use in code: code and commands do what the page does, and the download has every word."""

import json
import re
import shlex
import subprocess
from copy import copy

import gradio as gr
import pytest

from demo.common.limits import MAX_TRACED
from demo.settings import Chosen
from demo.tabs.code import FILE, INLINED, as_command, as_export, as_python, everything, json_file
from engine import Engine
from engine.models.shipped import DEFAULT, SHIPPED
from engine.tag import main
from tests.demo.tabs.conftest import as_stored, beside, run_of

HOSTILE = '{\'<img src=x onerror=alert(1)>" $(exit 3) ${1+1} {{7*7}} `id` \\n % \ud800 \0 7|t|delirium\n"\n EOF\n'
LONG = "Famotidine caused delirium. " * (1 + INLINED // 20)
LIKE_PUBTATOR = "7|t|Famotidine caused delirium.\r\n" * (1 + INLINED // 20)

CHANGED = [
    ("rule", {"lambda_": 1.25, "min_keep_ratio": 0.3}),
    ("entropy+recovery", {"trigger": "confidence", "min_confidence": 1.0, "max_entropy": (0.4, 0.5), "gates": (1, 2)}),
    ("dense", {}),
]


def changed(engine, name, strategy):
    """A strategy with settings that a visitor has changed."""
    return Chosen(strategy, engine.strategy(name), engine.dtype)


def test_what_a_package_cannot_do_is_said_in_a_comment(engine):
    strategies = [as_stored(engine.strategy(name)) for name in ("entropy", "dense", "entropy+recovery")]
    first, second, third = as_export(engine, strategies).splitlines()
    assert "python -m engine.export" in first
    assert "--strategy=entropy" in first
    assert second.endswith("--strategy=dense --out=tagger_dense")
    assert third == "# left out because it is not one pass: entropy+recovery"


@pytest.mark.parametrize("text", [HOSTILE, LONG])
@pytest.mark.parametrize(("name", "settings"), CHANGED)
def test_python_gives_what_the_page_shows(engine, monkeypatch, tmp_path, name, settings, text):
    monkeypatch.setattr("engine.load_engine", lambda: engine, raising=False)
    monkeypatch.setattr("demo.tabs.code.load_arguments", lambda engine: {})
    monkeypatch.chdir(tmp_path)
    (tmp_path / FILE).write_text(LONG, newline="")
    strategy = engine.strategy(name, **settings)
    printed = []
    exec(as_python(engine, [changed(engine, name, strategy)], text), {"print": lambda *parts: printed.append(parts)})
    assert printed == [(name, e.start, e.end, e.type, e.text) for e in engine.tag(text, strategy).entities]


def test_a_point_is_named_only_for_strategies_that_have_it(engine):
    points = {"entropy": "fast", "rule": "", "dense": ""}
    strategies = [as_stored(engine.strategy(name), point) for name, point in points.items()]
    calls = re.findall(r"engine.tag\(text, (.*)\).entities", as_python(engine, strategies, "x"))
    assert calls == ["'entropy', 'fast'", "'rule'", "'dense'"]
    assert "--point" not in as_command(engine, strategies[1:], "x")


@pytest.mark.parametrize("text", [HOSTILE, LIKE_PUBTATOR])
@pytest.mark.parametrize(("name", "settings"), CHANGED)
def test_the_command_runs_what_the_page_shows(engine, monkeypatch, tmp_path, name, settings, text):
    ran = []
    tag_batch = Engine.tag_batch

    def noted(self, texts, strategy, **_):
        ran.append((*texts, strategy))
        return tag_batch(self, texts, strategy)

    monkeypatch.setattr(Engine, "tag_batch", noted)
    monkeypatch.chdir(tmp_path)
    (tmp_path / FILE).write_bytes(text.encode(errors="replace"))
    strategy = engine.strategy(name, **settings)
    first, command = as_command(engine, [changed(engine, name, strategy)], text).splitlines()
    subprocess.run(["sh", "-c", first], check=True)
    assert command.startswith("python -m engine.tag text")
    assert main(shlex.split(command)[3:]) == 0
    assert ran == [(text, strategy)]


@pytest.mark.parametrize(
    ("source", "changes", "python", "options"),
    [
        (str(SHIPPED[DEFAULT]), {}, "", ""),
        (str(SHIPPED["six"]), {}, "'six'", " --model=six"),
        ("my runs/x", {}, "'my runs/x'", " '--model=my runs/x'"),
        ("x", {"labels_file": "my.txt"}, "'x', labels='my.txt'", " --model=x --labels=my.txt"),
        (
            str(SHIPPED[DEFAULT]),
            {"dtype": "bfloat16", "why": "", "device": "cuda"},
            "dtype='bfloat16', device='cuda'",
            " --dtype=bfloat16 --device=cuda",
        ),
    ],
)
def test_what_is_loaded_is_given_as_it_was_but_for_defaults(engine, source, changes, python, options):
    other = copy(engine)
    folder = copy(engine.folder)
    object.__setattr__(folder, "labels_file", changes.pop("labels_file", ""))
    vars(other).update({"source": source, "why": "auto", "folder": folder, **changes})
    assert f"engine = load_engine({python})" in as_python(other, [], "x").splitlines()
    command = as_command(other, [as_stored(engine.strategy("dense"))], "x").splitlines()[-1]
    assert command == f"python -m engine.tag text.jsonl --format=jsonl --strategy=dense{options}"


def test_everything_is_json_of_every_word_and_more_than_one_can_hold_is_refused(engine):
    text = HOSTILE.replace("\ud800", "x")
    one = beside(result := engine.tag(text, "rule"), result)
    record = json.loads(everything(engine, run_of(one, text=text)))
    assert record["text"] == text
    assert "".join(word["text"] for word in record["results"][0]["trace"]) == "".join(
        character for character in text if character.isprintable() and not character.isspace()
    )
    with pytest.raises(gr.Error, match="50,002"):
        next(json_file(engine, run_of(one, one, text="x" * (MAX_TRACED // 2 + 1))))
    with pytest.raises(gr.Error, match="press Run"):
        next(json_file(engine, None))
