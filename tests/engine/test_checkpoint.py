import json
import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AlbertConfig, AutoModelForTokenClassification, BertForTokenClassification, BertModel

from engine import InputError, load_engine
from engine.checkpoint import load_weights, optional_file, write_checksums
from engine.tagger import Engine
from tests.conftest import TEXT, tiny_config


@pytest.fixture
def folder(model_folder, tmp_path):
    return shutil.copytree(model_folder, tmp_path / "model")


def test_a_model_folder_is_a_plain_hugging_face_checkpoint_in_half_precision(model_folder):
    model = AutoModelForTokenClassification.from_pretrained(model_folder)
    assert model.config.id2label[1] == "B-Chemical"
    with safe_open(model_folder / "model.safetensors", "pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float16}  # noqa: SIM118


def test_weights_are_loaded_in_float32_with_a_head_for_every_layer(weights):
    assert {parameter.dtype for parameter in weights.model.parameters()} == {torch.float32}
    assert list(weights.model.heads) == ["1", "2", "3"]


@pytest.mark.parametrize("name", ["model.safetensors", "gates.safetensors", "tokenizer.json", "SHA256SUMS"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"expected .*{name}"):
        load_engine(folder)


def test_a_damaged_file_is_named(folder):
    path = folder / "gates.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"expected .*gates.safetensors with SHA-256"):
        load_engine(folder)


def test_another_architecture_is_refused(tmp_path):
    AlbertConfig().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"expected an encoder of type bert, .*, got a model of type 'albert'"):
        load_engine(tmp_path)


@pytest.mark.parametrize("source", ["no/such-model", "/no/such/folder", ""])
def test_a_model_nowhere_to_be_found_is_a_clear_error(source):
    with pytest.raises(InputError, match="expected a Hugging Face token-classification model"):
        load_engine(source)


def test_an_encoder_without_a_classifier_is_refused(tmp_path, tokenizer):
    BertModel(tiny_config(len(tokenizer)), add_pooling_layer=False).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"expected all weights .* got none for \['classifier.bias'"):
        load_engine(tmp_path)


def test_labels_that_follow_no_scheme_are_refused(tmp_path, tokenizer):
    BertForTokenClassification(tiny_config(len(tokenizer))).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="give what they mean with --labels FILE"):
        load_engine(tmp_path)


def test_a_model_without_tokenizer_is_refused(plain_folder, tmp_path):
    for name in ("config.json", "model.safetensors"):
        shutil.copy(plain_folder / name, tmp_path)
    with pytest.raises(InputError, match="expected a tokenizer"):
        load_engine(tmp_path)


def test_heads_of_another_size_are_refused(folder):
    save_file(
        {
            f"{n}.{k}": torch.zeros(7, 5) if k == "weight" else torch.zeros(7)
            for n in (1, 2)
            for k in ("weight", "bias")
        },
        folder / "gates.safetensors",
    )
    write_checksums(folder)
    with pytest.raises(InputError, match="expected heads for 5 labels and hidden size 32"):
        load_engine(folder)


def test_an_empty_list_of_sums_is_refused(folder):
    (folder / "SHA256SUMS").write_text("")
    with pytest.raises(InputError, match=r"expected the sum of model\.safetensors"):
        load_engine(folder)


def test_what_is_loaded_and_saved_again_is_the_same(folder, tmp_path, weights):
    from engine.checkpoint import save_weights

    save_weights(tmp_path / "again", weights.model, weights.tokenizer)
    again = load_weights(tmp_path / "again")
    for (name, ours), theirs in zip(weights.model.named_parameters(), again.model.parameters(), strict=True):
        assert torch.equal(ours, theirs), name
    assert load_engine(tmp_path / "again").tag(TEXT).entities == load_engine(folder).tag(TEXT).entities


def test_the_sum_tells_weights_apart(model_folder):
    engine, other = (Engine(load_weights(model_folder)) for _ in range(2))
    assert engine.digest == other.digest
    changed = load_weights(model_folder)
    next(changed.model.parameters()).data[0, 0] += 1
    assert Engine(changed).digest != engine.digest


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(["B-Disease", "I-Disease", "O", "B-Chemical", "I-Chemical"]),
        json.dumps({"LABEL_0": "B-Disease", "1": "I-Disease", "2": "O", "3": "B-Chemical", "LABEL_4": "I-Chemical"}),
        "B-Disease\nI-Disease\nO\nB-Chemical\nI-Chemical\n",
    ],
)
def test_labels_without_meaning_get_one_from_a_file(plain_folder, tmp_path, content):
    folder = shutil.copytree(plain_folder, tmp_path / "nameless")
    config = json.loads((folder / "config.json").read_text())
    names = {str(index): f"LABEL_{index}" for index in range(5)}
    config |= {"id2label": names, "label2id": {name: int(index) for index, name in names.items()}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="--labels FILE"):
        load_engine(folder)
    (tmp_path / "labels").write_text(content)
    engine = load_engine(folder, labels=tmp_path / "labels")
    assert engine.labels.types == ("Disease", "Chemical")
    dense, hf = engine.tag(TEXT, "dense"), engine.tag(TEXT, "hf")
    assert dense.entities
    assert [e.key for e in dense.entities] == [e.key for e in hf.entities]


def test_a_file_of_labels_must_have_one_for_each_logit(plain_folder, tmp_path):
    (tmp_path / "labels").write_text("O\nB-Disease")
    with pytest.raises(InputError, match=r"expected 5 labels in .*labels, one for each logit, got 2"):
        load_engine(plain_folder, labels=tmp_path / "labels")
    with pytest.raises(InputError, match="expected a file of labels"):
        load_engine(plain_folder, labels=tmp_path / "absent")


def testoptional_files_of_a_model_on_the_hub_come_from_its_cache_and_may_be_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = tmp_path / "models--owner--name"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("0" * 40)
    snapshot = model / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "gates.safetensors").touch()
    assert optional_file("owner/name", "gates.safetensors") == snapshot / "gates.safetensors"
    assert optional_file("owner/name", "operating_points.json") is None
