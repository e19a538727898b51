"""What a run keeps for its next start survives an interruption, and every command has the same limits."""

from pathlib import Path

import pytest

from engine import InputError
from engine.training import accelerate, calibrate, controller, finetune, recovery, stability, teacher
from engine.training.distill import Plan
from engine.training.state import claim, read_json, write_json
from tests.conftest import contents

TEXTS = "Nausea after aspirin.\n"


def interrupted(path, text):
    path.write_bytes(text.encode()[:7])
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "write",
    [lambda path, n: write_json(path, {"seed": n}), lambda path, n: Plan(n, 1.0, 1, 1, "no").save(path)],
)
def test_an_interruption_leaves_the_file_that_was_there(write, tmp_path, monkeypatch):
    path = tmp_path / "run" / "settings.json"
    write(path, 1)
    before = contents(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(path, 2)
    assert contents(tmp_path) == before
    write(path, 2)
    assert contents(tmp_path).keys() == before.keys()
    assert contents(tmp_path) != before


def test_a_file_that_an_earlier_version_left_half_written_is_named(tmp_path):
    path = tmp_path / "training.json"
    path.write_text('{\n  "seed": 0,\n  "co')
    for read in (read_json, Plan.load, lambda file: claim(file, {"seed": 0}, resume=True)):
        with pytest.raises(InputError, match=r"expected JSON in .*training\.json, got .*; restore the file"):
            read(path)


@pytest.mark.parametrize("seed", ["-1", "3000000000"])
@pytest.mark.parametrize("command", [accelerate, calibrate, controller, finetune, recovery, stability, teacher])
def test_a_seed_that_some_library_refuses_is_refused_by_every_command_in_the_same_words(
    command, seed, model_folder, tmp_path, capsys
):
    texts, out = tmp_path / "texts.txt", ["--out", str(tmp_path / "out")]
    texts.write_text(TEXTS)
    inputs = ["--model", str(model_folder), "--texts", str(texts)]
    options = {
        accelerate: [str(model_folder), "--texts", str(texts), *out],
        finetune: ["--backbone", str(model_folder), *out],
        teacher: ["--backbone", str(model_folder), *out],
        stability: [*inputs, *out],
    }
    assert command.main([*options.get(command, inputs), "--seed", seed]) == 2
    assert capsys.readouterr().err == f"expected seed between 0 and 2147483648, got {seed}; change it\n"
    assert not (tmp_path / "out").exists()
