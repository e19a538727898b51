"""How command lines end: one sentence, the right status, no traceback, finished work kept."""

import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from engine.cli.command import as_command
from engine.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = [
    "app",
    *(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for folder in ("engine", "eval", "demo")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "\ndef main(" in path.read_text(encoding="utf-8")
    ),
]
PRINTS = """
import sys
from engine.cli.command import as_command

@as_command
def main(argv):
    for number in range(100_000):
        print(number)
    return 0

sys.exit(main())
"""


@pytest.mark.parametrize(
    ("redirection", "status", "stdout", "stderr"),
    [
        ("| head -n 1", 141, "0\n", ""),
        ("> /dev/full", 2, "", "Cannot read or write the output: No space left on device. Check"),
    ],
)
def test_output_that_cannot_be_written_is_one_sentence_or_none(redirection, status, stdout, stderr):
    shell = f'"{sys.executable}" -c "$0" {redirection}; exit ${{PIPESTATUS[0]}}'
    run = subprocess.run(["bash", "-c", shell, PRINTS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (status, stdout)
    assert run.stderr.startswith(stderr)
    assert run.stderr.count("\n") == (1 if stderr else 0)


def refuse(folder):
    raise InputError("X is no Y. Change it.")


@pytest.mark.parametrize(
    ("work", "status", "sentence"),
    [
        (refuse, 2, "X is no Y. Change it.\n"),
        (lambda folder: (folder / "none" / "a").write_text("x"), 2, "none/a: No such file or directory. Check"),
        (lambda folder: save_file({}, folder / "none" / "a"), 2, "Cannot read or write the output: "),
        (lambda folder: os.kill(os.getpid(), signal.SIGINT), 130, "interrupted\n"),
    ],
)
def test_what_stops_a_command_is_one_sentence(work, status, sentence, tmp_path, capsys):
    @as_command
    def main(argv):
        work(tmp_path)
        return 0

    assert main([]) == status
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("given", [["--out", ""], ["--out="], ["a", "--out", "", "--resume"]])
def test_rejects_an_empty_value_by_the_name_of_its_option(given, capsys):
    assert as_command(lambda argv: 0)(given) == 2
    assert capsys.readouterr().err.startswith("--out has no value")


def test_an_error_of_the_program_stays_one():
    @as_command
    def main(argv):
        return 1 // 0

    with pytest.raises(ZeroDivisionError):
        main([])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_ends_like_this(name):
    assert import_module(name).main.__wrapped__
