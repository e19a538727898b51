"""No step of a command is silent for long."""

import shutil
import time
from pkgutil import resolve_name

import pytest

from engine.cli import progress
from engine.training import accelerate, cascade, controller, finetune
from tests.engine.training.conftest import quick
from tests.engine.training.corpora import write_pubtator, write_texts

COMMANDS = {
    finetune: "--backbone {encoder} --corpus {train} --dev-corpus {dev} --epochs 1 --out {out}",
    accelerate: "{plain} --texts {texts} --max-f1-drop 5,20,60 --out {out}",
    cascade: "{model} --small {model} --small-strategy truncate-1 --dtype float32 --texts {texts} --corpus {dev} "
    "--out {out}",
    controller: "--model {model} --texts {texts}",
}


@pytest.mark.parametrize(
    ("command", "steps"),
    [
        (finetune, ["engine.training.heads.load_trainable", "engine.training.trainer.Trainer.try_out"]),
        (finetune, ["engine.training.trials.count_documents"]),
        (accelerate, ["torch.linalg.solve", "engine.training.trainer.Trainer.try_out"]),
        (accelerate, ["engine.training.stages.measure"]),
        (cascade, ["engine.training.cascade.measure", "engine.training.cascade.counts_on_gold"]),
        (controller, ["engine.training.networks.fit"]),
    ],
)
def test_a_command_speaks_within_its_long_steps(
    command, steps, encoder, easy_folder, model_folder, tmp_path, monkeypatch
):
    said, spoke = list[str](), dict[str, bool]()
    quick(monkeypatch)
    monkeypatch.setattr(progress, "say", said.append)
    monkeypatch.setattr(progress, "EVERY_S", 0.02)

    def slow(name, step):
        def slowed(*given, **settings):
            before = len(said)
            time.sleep(0 if name in spoke else 0.5)
            spoke.setdefault(name, len(said) > before)
            return step(*given, **settings)

        return slowed

    for name in steps:
        monkeypatch.setattr(name, slow(name, resolve_name(name)))
    for name, count in (("train", 8), ("dev", 4)):
        write_pubtator(tmp_path / name, "Nausea after aspirin.", [(0, 6, "Disease"), (13, 20, "Chemical")], count)
    model = shutil.copytree(model_folder, tmp_path / "model")  # networks are written into it
    paths = {"encoder": encoder, "plain": easy_folder, "model": model, "out": tmp_path / "out"}
    paths |= {name: tmp_path / name for name in ("train", "dev")} | {"texts": write_texts(tmp_path / "texts", 360)}
    assert command.main(COMMANDS[command].format(**paths).split()) == 0
    assert spoke == dict.fromkeys(steps, True)
