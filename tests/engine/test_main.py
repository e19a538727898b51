"""The command ``bioner``: it lists the others in a line each, and runs them as ``python -m`` does."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pkgutil import resolve_name

import pytest

from engine.__main__ import COMMANDS, main
from tests.conftest import TEXT
from tests.engine.cli.test_command import COMMANDS as MODULES
from tests.engine.cli.test_command import ROOT

HEAVY = "import sys; from engine.__main__ import main; main(['--help']); print('numpy' in sys.modules)"


def test_the_console_script_is_this_command():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert {name: resolve_name(place) for name, place in scripts.items()} == {"bioner": main}


def test_help_has_a_line_for_every_command_but_those_of_this_checkout_and_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", HEAVY], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    assert [line.split()[0] for line in lines] == list(COMMANDS)
    assert done.stdout.endswith("False\n")
    listed = {module for module, _ in COMMANDS.values()}
    assert set(MODULES) - listed == {"app", "engine.__main__", "eval.figures"}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_calls_it_as_the_user_did(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x"])
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: bioner {name} ")
    monkeypatch.setattr(sys, "argv", ["x"])
    with pytest.raises(SystemExit):
        import_module(COMMANDS[name][0]).main(["--help"])
    assert capsys.readouterr().out.startswith(f"usage: python -m {COMMANDS[name][0].removesuffix('.__main__')} ")


def test_runs_a_command_with_its_arguments_and_status(model_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["x"])
    (tmp_path / "a.txt").write_text(TEXT)
    assert main(["tag", str(tmp_path / "a.txt"), "--model", str(model_folder)]) == 0
    assert "|t|" in capsys.readouterr().out
    assert main(["tag", str(tmp_path / "none.txt")]) == 2


def test_an_unknown_name_is_refused_with_those_that_there_are(capsys):
    assert main(["tags"]) == 2
    assert capsys.readouterr().err.startswith("There is no command 'tags', only tag, bulk, ")
