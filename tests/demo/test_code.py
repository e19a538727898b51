"""Use it: what stands there does what the page does."""

import contextlib
import io
import shlex
from dataclasses import replace

import pytest

from demo.code import INLINED, as_commands, as_python, options
from demo.settings import Selection, select_strategy
from engine import tag
from tests.conftest import TEXT


def commands(text):
    return [shlex.split(line) for line in text.splitlines() if not line.startswith("#")]


def test_the_python_finds_what_the_page_shows(engine):
    chosen = select_strategy(engine, "rule", None, None, {"rule.lambda_": 1.5})
    code = as_python(engine, chosen, TEXT).partition("# over HTTP")[0]
    with contextlib.redirect_stdout(out := io.StringIO()):
        exec(code)
    found = [line.split(" ", 3) for line in out.getvalue().splitlines()]
    expected = engine.tag(TEXT, "rule", lambda_=1.5).entities
    assert found == [[str(entity.start), str(entity.end), entity.type, entity.text] for entity in expected]


def test_a_long_text_is_read_from_a_file(engine):
    code = as_python(engine, select_strategy(engine, "dense"), "x" * (INLINED + 1))
    assert 'open("text.txt"' in code
    compile(code, "", "exec")


@pytest.mark.parametrize("name", ["dense", "rule", "entropy+recovery", "truncate-1"])
def test_the_options_are_those_of_the_command_and_choose_the_same_strategy(engine, tmp_path, capsys, name):
    (tmp_path / "a.txt").write_text(TEXT)
    assert tag.main([str(tmp_path / "a.txt"), *options(engine, select_strategy(engine, name)), "--format=jsonl"]) == 0
    printed = capsys.readouterr().out
    assert all(entity.text in printed for entity in engine.tag(TEXT, name).entities)


def test_there_are_at_most_five_commands_and_a_package_only_of_one_pass(engine):
    listed = commands(as_commands(engine, select_strategy(engine, "rule")))
    assert [command[1] for command in listed] == ["tag", "bulk", "accelerate", "export"]
    recovering = commands(as_commands(engine, select_strategy(engine, "rule+recovery")))
    assert "export" not in [command[1] for command in recovering]
    stored = replace(engine.strategy("rule"), point="fast")
    assert "--point=fast" in commands(as_commands(engine, Selection(stored, stored)))[0]
