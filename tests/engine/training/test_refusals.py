"""Bad input ends every command of training with status 2 and one reason, and no file is written or changed."""

import shutil
import sys

import pytest

from engine.training import accelerate, calibrate, cascade, controller, finetune, split
from tests.conftest import SAMPLE, configure, contents
from tests.engine.training.corpora import write_pubtator, write_texts

DEFAULTS = {  # before the options
    accelerate: "{model} --texts {texts} --out {out}",
    calibrate: "--model {model} --strategies entropy --texts {texts}",
    cascade: "{model} --small {model} --small-strategy truncate-1 --dtype float32 --texts {texts} --out {out}",
    controller: "--model {model}",
    finetune: "--backbone {plain} --corpus {train} --out {out}",
    split: "{train} --out {out}",
}
TEXT = "Nausea after aspirin."
HEAVY = ("pytorch.checkpoint", "training.dense_pass", "training.heads", "training.stages", "training.trainer")


@pytest.fixture
def paths(model_folder, plain_folder, tmp_path):
    """Folders and files, by the names that options give them."""
    paths = {"sample": SAMPLE, "out": tmp_path / "out"}
    for name, source in (("model", model_folder), ("plain", plain_folder), ("incomplete", plain_folder)):
        paths[name] = shutil.copytree(source, tmp_path / name)
    (paths["incomplete"] / "model.safetensors").unlink()
    paths["headless"] = shutil.copytree(plain_folder, tmp_path / "headless")
    configure(paths["headless"], architectures=["BertModel"])
    paths["genes_model"] = shutil.copytree(plain_folder, tmp_path / "genes_model")
    configure(paths["genes_model"], id2label=dict(enumerate(["O", "B-Gene", "I-Gene", "B-Cell", "I-Cell"])))
    for name, spans, count in (
        ("train", [(0, 6, "Disease"), (13, 20, "Chemical")], 8),
        ("dev", [(0, 6, "Disease"), (13, 20, "Chemical")], 4),
        ("unannotated", [], 1),
        ("genes", [(0, 6, "Gene")], 2),
    ):
        paths[name] = tmp_path / f"{name}.txt"
        write_pubtator(paths[name], TEXT, spans, count)
    for name, file in (("finetuned", "training.json"), ("accelerated", "training/accelerate.json")):
        paths[name] = tmp_path / name
        (paths[name] / file).parent.mkdir(parents=True)
        (paths[name] / file).write_text("{}")
    paths["blank"] = tmp_path / "blank.jsonl"
    paths["blank"].write_text('{"text": " "}\n')
    return paths | {
        name: write_texts(tmp_path / name, count) for name, count in (("texts", 400), ("few", 50), ("one", 1))
    }


@pytest.fixture
def check(paths, tmp_path, capsys):
    """Runs a command that must fail for a reason and change no file."""

    def check(command, options, reason):
        before = contents(tmp_path)
        if command is finetune and "--dev-corpus" not in options:  # which is named once
            options += " --dev-corpus {dev}"
        assert command.main(f"{DEFAULTS[command]} {options}".format(**paths).split()) == 2
        assert reason in capsys.readouterr().err.splitlines()[-1]
        assert contents(tmp_path) == before

    return check


@pytest.mark.parametrize(
    ("command", "options", "reason"),
    [
        (accelerate, "--epochs 0", "--epochs must be a whole number"),
        (accelerate, "--held-out /no/such", "/no/such"),
        (accelerate, "--texts {one}", "Give 300 texts like these, of which a third is held out"),
        (accelerate, "--out {accelerated}", "has a run in it. Add --resume"),
        (accelerate, "--student {headless} --out {finetuned}", "other files"),
        (calibrate, "--strategies mlp", "bioner controller"),
        (calibrate, "--model user/name", "user/name"),
        (calibrate, "--model {plain}", "gates"),
        (calibrate, "--texts {blank}", "has a word"),
        (cascade, "--small {headless}", "not made for token classification"),
        (cascade, "--corpus {genes}", "The models find"),
        (cascade, "--corpus {dev} per-epoch=5", "only to training corpora"),
        (cascade, "--small {genes_model}", "The small model's labels"),
        (cascade, "--texts {few}", "The held-out texts have 50 windows"),
        (cascade, "--share 0.2,0.4,0.6", "--share takes 3 descending numbers"),
        (cascade, "--small-strategy mlp", "no learned controller"),
        (controller, "--texts /no/such", "/no/such"),
        (controller, "--model {plain} --texts {texts}", "has no gates"),
        (split, "--share 70,30", "three numbers above 0"),
        (split, "--share 70,30,0", "three numbers above 0"),
        (split, "--share 70,thirty,1", "three numbers above 0"),
        (split, "--share 1e308,1e308,1", "three numbers above 0"),
        (split, "--share 98,1,1", "leave none for dev and test"),
        (split, "--out {finetuned}", "other files"),
        (finetune, "--corpus {blank}", "no document with words"),
        (finetune, "--dev-corpus {unannotated}", "has no entities"),
        (finetune, "--dev-corpus {train}", "the documents of a training corpus"),
        (finetune, "--corpus {train} types=Disease --dev-corpus {train}", "the documents of a training corpus"),
        (finetune, "--dev-corpus {dev} --dev-corpus {train}", "takes at most one"),
        (finetune, "--corpus {dev} types=Gene", "has no Gene"),
        (finetune, "--epochs 0", "epochs"),
        (finetune, "--backbone {model} --layers 4", "--layers is 4"),
        (finetune, "--pruned 0.7 --plain", "--plain leaves out"),
        (finetune, "--out {model}", "other files"),
        (finetune, "--out {finetuned}", "has a run in it. Add --resume"),
        (finetune, "--out {finetuned} --resume", "began with"),
        (finetune, "--teacher {plain}", "--teacher and --texts"),
        (finetune, "--teacher {plain} --texts /no/such", "/no/such"),
        (finetune, "--teacher {genes_model} --texts {texts}", "The teacher has the labels"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_heavy_is_imported(command, options, reason, check, monkeypatch):
    for module in HEAVY:
        monkeypatch.setitem(sys.modules, f"engine.{module}", None)
    check(command, options, reason)


def test_rejects_what_it_cannot_learn_from(check):
    check(calibrate, "--texts {train}", "finds 2 entities in 1 held-out texts")
    check(finetune, "--backbone {incomplete}", "as an encoder")
