"""Bad input ends every command of training with status 2 and one reason, and no file is written or changed."""

import shutil

import pytest

from engine.training import accelerate, calibrate, cascade, controller, finetune
from tests.conftest import SAMPLE, configure, contents
from tests.engine.training.corpora import write_pubtator, write_texts

DEFAULTS = {  # before the options
    accelerate: "{model} --texts {texts} --out {out}",
    calibrate: "--model {model} --strategies entropy --texts {texts}",
    cascade: "{model} --small {model} --small-strategy truncate-1 --dtype float32 --texts {texts} --out {out}",
    controller: "--model {model}",
    finetune: "--backbone {plain} --corpus {train} --out {out}",
}
TEXT = "Nausea after aspirin."


@pytest.fixture
def paths(model_folder, plain_folder, tmp_path):
    """Folders and files, by the names that options give them."""
    found = {"sample": SAMPLE, "out": tmp_path / "out"}
    for name, source in (("model", model_folder), ("plain", plain_folder), ("incomplete", plain_folder)):
        found[name] = shutil.copytree(source, tmp_path / name)
    (found["incomplete"] / "model.safetensors").unlink()
    found["headless"] = shutil.copytree(plain_folder, tmp_path / "headless")
    configure(found["headless"], architectures=["BertModel"])
    found["genes_model"] = shutil.copytree(plain_folder, tmp_path / "genes_model")
    configure(found["genes_model"], id2label=dict(enumerate(["O", "B-Gene", "I-Gene", "B-Cell", "I-Cell"])))
    for name, spans, count in (
        ("train", [(0, 6, "Disease"), (13, 20, "Chemical")], 8),
        ("dev", [(0, 6, "Disease"), (13, 20, "Chemical")], 4),
        ("genes", [(0, 6, "Gene")], 8),
        ("genes_dev", [(0, 6, "Gene")], 4),
        ("unannotated", [], 1),
    ):
        found[name] = tmp_path / f"{name}.txt"
        write_pubtator(found[name], TEXT, spans, count)
    found["blank"] = tmp_path / "blank.jsonl"
    found["blank"].write_text('{"text": " "}\n')
    return found | {name: write_texts(tmp_path / name, count) for name, count in (("texts", 120), ("few", 50))}


@pytest.mark.parametrize(
    ("command", "options", "reason"),
    [
        (accelerate, "--minutes 0", "expected --minutes as a number"),
        (accelerate, "--held-out /no/such", "readable"),
        (calibrate, "--strategies mlp", "python -m engine.training.controller"),
        (calibrate, "--minutes 0", "expected --minutes as a number"),
        (calibrate, "--model user/name", "download the model first"),
        (calibrate, "--model {plain}", "gates"),
        (calibrate, "--texts {blank}", "expected texts in"),
        (calibrate, "--texts {train}", "to find 50 entities or more in 1 held-out texts"),
        (cascade, "--small {headless}", "without a label head"),
        (cascade, "--texts {few}", "expected at least 100 windows in the held-out texts, got 50"),
        (cascade, "--share 0.2,0.4,0.6", "expected 3 descending numbers"),
        (cascade, "--small-strategy mlp", "expected a model with a learned controller"),
        (controller, "--texts /no/such", "readable"),
        (controller, "--model {plain} --texts {texts}", "a model with gates"),
        (finetune, "--backbone {incomplete}", "Hugging Face encoder"),
        (finetune, "--backbone {model} --corpus {genes} --dev-corpus {genes_dev}", "a model with the labels"),
        (finetune, "--corpus {blank}", "documents to learn from"),
        (finetune, "--dev-corpus {unannotated}", "got none in"),
        (finetune, "--dev-corpus {train}", "got the same in"),
        (finetune, "--dev-corpus {dev} --dev-corpus {train}", "at most one for early stopping"),
        (finetune, "--corpus {dev} types=Gene", "expected types of"),
        (finetune, "--epochs 0", "epochs"),
        (finetune, "--backbone {model} --layers 4", "expected --layers 3 or less"),
        (finetune, "--pruned 0.7 --plain", "got --plain"),
        (finetune, "--out {model}", "new folder"),
        (finetune, "--teacher {plain}", "--teacher together with --texts"),
        (finetune, "--teacher {plain} --texts /no/such", "readable"),
        (finetune, "--teacher {genes_model} --texts {texts}", "choose another teacher"),
    ],
)
def test_rejects_what_it_cannot_learn_from(command, options, reason, paths, tmp_path, capsys):
    before = contents(tmp_path)
    if command is finetune and "--dev-corpus" not in options:  # which is named once
        options += " --dev-corpus {dev}"
    assert command.main(f"{DEFAULTS[command]} {options}".format(**paths).split()) == 2
    assert reason in capsys.readouterr().err.splitlines()[-1]
    assert contents(tmp_path) == before
