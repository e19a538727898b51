import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub.utils import filter_repo_objects
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import load_file, save_file
from transformers import AlbertConfig, BertConfig, BertForTokenClassification, BertModel, ByT5Tokenizer, T5Config
from transformers.utils.logging import is_progress_bar_enabled

from engine import InputError, load_engine
from engine.models.decoder_file import write_decoder
from engine.models.folder import GATES, NETWORKS, NOT_DOWNLOADED, local_folder, read_folder
from engine.models.points_file import POINTS
from engine.models.shipped import SHIPPED
from engine.models.tokenizer import load_tokenizer, word_pieces
from engine.pytorch.checkpoint import copy_checkpoint, load_weights, save_weights
from engine.text.decoding import Decoder
from engine.text.labels import LabelSet
from tests.conftest import TEXT, configure, flip_last_bit, plain_probabilities

SETTINGS = {"name": "entropy", "gates": [1], "controller": {"kind": "entropy", "max_entropy": 0.2}}
NAMES = ["B-Disease", "I-Disease", "O", "B-Chemical", "I-Chemical"]


@pytest.fixture
def folder(model_folder, tmp_path):
    """A model folder with gates and a learned controller."""
    copy = shutil.copytree(model_folder, tmp_path / "model")
    write_network(copy)
    return copy


@pytest.fixture
def plain(plain_folder, tmp_path):
    return shutil.copytree(plain_folder, tmp_path / "plain")


def write_network(folder, **changes):
    arrays = {"1.0": np.ones((2, 3)), "1.1": np.ones(3), "1.2": np.ones(3), "1.3": np.ones(1)} | changes
    network = {name: array.astype(np.float32) for name, array in arrays.items()}
    save_numpy(network, folder / NETWORKS["mlp"], metadata={"features": "entropy,margin"})


def more_labels(folder):
    save_file({name: torch.cat([value, value]) for name, value in load_file(folder / GATES).items()}, folder / GATES)


def store_points(folder, content):
    (folder / POINTS).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def points(content):
    return lambda folder: store_points(folder, content)


def transitions(folder):
    write_decoder(folder, Decoder(LabelSet(("Chemical", "Disease")), np.eye(5)), [])


def not_a_number(folder):
    weights = load_file(folder / "model.safetensors")
    weights["bert.encoder.layer.1.output.dense.bias"][3] = np.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def cut(folder):
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-4])


BROKEN = [
    (lambda f: flip_last_bit(f / "model.safetensors"), r"gates\.safetensors .*other weights"),
    (points({"weights": "0" * 64}), r"operating_points\.json .*other weights"),
    (more_labels, r"gates\.safetensors.*layer 1"),
    (lambda f: (f / GATES).write_bytes(b"\xff" * 300), r"gates\.safetensors.*deserializing header"),
    (lambda f: (f / NETWORKS["mlp"]).write_bytes(b""), r"controller\.safetensors"),
    (lambda f: write_network(f, **{"1.1": np.ones(4)}), r"controller\.safetensors.* 2 features"),
    (lambda f: write_network(f, **{"1.3": np.full(1, np.nan)}), r"controller\.safetensors.*gate 1"),
    (lambda f: configure(f, id2label=dict.fromkeys("02345", "A")), "Not every label"),
    (lambda f: configure(f, num_hidden_layers=0), "num_hidden_layers in config.json .* 1 to .*, not 0"),
    (lambda f: configure(f, hidden_size=64), r"\(200, 32\)|, 32\), .*, 64\)"),
    (lambda f: (f / "config.json").write_bytes(b"\xff\xfe"), r"model/config\.json"),
    (lambda f: (f / "tokenizer.json").write_text("{}"), "the tokenizer in .*/model"),
    (points(b"\xff\xfe{"), r"operating_points\.json.*utf-8"),
    (points({"entropy": {"fast": [1]}}), r"operating_points\.json"),
    (points({"entropy": {"fast": {"name": "x"}}}), "entropy .*settings of dense"),
]


@pytest.mark.parametrize("change", [flip_last_bit, Path.unlink])
def test_weights_that_change_after_loading_are_refused(folder, change):
    engine = load_engine(folder)
    change(folder / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors again"):
        engine.tag(TEXT)


@pytest.mark.parametrize(("damage", "keyword"), BROKEN)
def test_rejects_a_folder_that_is_not_as_it_was_written_in_one_line(folder, damage, keyword):
    damage(folder)
    with pytest.raises(InputError, match=keyword) as caught:
        load_engine(folder)
    assert "\n" not in str(caught.value)


CHANGES = [{"layer_norm_eps": 1e-5}, {"num_attention_heads": 2}, {"hidden_act": "relu"}]
CHANGES += [{"id2label": dict(enumerate(["O", "B-Disease", "I-Disease", "B-Chemical", "I-Chemical"]))}]


@pytest.mark.parametrize("change", [*(lambda f, c=c: configure(f, **c) for c in CHANGES), transitions])
def test_operating_points_belong_to_weights_settings_labels_and_decoder_together(cautious_folder, tmp_path, change):
    folder = shutil.copytree(cautious_folder, tmp_path / "model")
    configure(folder, transformers_version="6", use_cache=False)  # which no result depends on
    digest = load_engine(folder).digest
    change(folder)
    with pytest.raises(InputError, match=r"operating_points\.json .*another config\.json or .* run bioner calibrate"):
        load_engine(folder)
    (folder / POINTS).unlink()
    assert load_engine(folder).digest == digest, "that of the weights"


def no_tokenizer(folder):
    for path in folder.glob("*token*"):
        path.unlink()


def slow_tokenizer(folder):
    no_tokenizer(folder)
    ByT5Tokenizer().save_pretrained(folder)


def more_entries(folder):
    tokenizer = load_tokenizer(folder)
    tokenizer.add_tokens(["famotidine"])
    tokenizer.save_pretrained(folder)


def nameless(folder):
    names = {str(index): f"LABEL_{index}" for index in range(5)}
    configure(folder, id2label=names, label2id={name: int(index) for index, name in names.items()})


def no_classifier(folder):
    BertModel(BertConfig.from_pretrained(folder), add_pooling_layer=False).save_pretrained(folder)
    configure(folder, architectures=None)


def after(change):
    return lambda folder: change(folder) or load_engine(folder)


LABELLED = {0: "O", 1: "B-Disease"}


def labels_in(folder, content):
    (folder / "labels").write_text(content)
    return folder / "labels"


@pytest.mark.parametrize(
    ("load", "keyword"),
    [
        (after(no_tokenizer), "the tokenizer of .*/plain"),
        (after(slow_tokenizer), r"ByT5Tokenizer.*tokenizer\.json"),
        (after(more_entries), r"tokenizer in .* \d+ entries"),
        (after(AlbertConfig(id2label=LABELLED).save_pretrained), "type 'albert' .* bert, "),
        (after(T5Config(num_layers=1, id2label=LABELLED).save_pretrained), "Encoder–decoders of type 't5'"),
        (after(nameless), "--labels FILE"),
        (after(no_classifier), "no tensor classifier.weight"),
        (after(not_a_number), r"layer\.1\.output\.dense\.bias .* NaN"),
        (after(cut), r"the weights in .*model\.safetensors"),
        (after(lambda f: configure(f, num_labels=3)), "num_labels is 3, but id2label names 5"),
        (after(lambda f: configure(f, id2label={0: "O", 1: "B-A", 2: "I-A"})), r"classifier\.weight .*\(3, 32\)"),
        (after(lambda f: configure(f, layer_norm_eps=1e9)), r"layer_norm_eps .* at most 0\.001"),
        (lambda f: load_engine("no/such-model"), "'no/such-model'"),
        (lambda f: load_engine(5), "not by 5"),
        (lambda f: load_engine(f, labels=[0, 1, 2, 3, 4]), r"\[0, 1, 2, 3, 4\]"),
        (lambda f: load_engine(f, labels=["O", *"ABCDE"]), "5 labels, but 6"),
        (lambda f: load_engine(f, labels=labels_in(f, "O\nB-A")), "5 labels, but 2"),
    ],
)
def test_rejects_what_cannot_tag_or_is_nowhere_and_labels_that_do_not_fit(plain, load, keyword):
    with pytest.raises(InputError, match=keyword):
        load(plain)


def test_a_norm_may_have_gamma_and_beta_as_in_old_checkpoints(plain, plain_folder):
    weights = load_file(plain / "model.safetensors")
    names = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    old = {re.sub("LayerNorm.*", lambda match: names[match[0]], name): value for name, value in weights.items()}
    save_file(old, plain / "model.safetensors", metadata={"format": "pt"})
    assert not set(old) >= set(weights)
    results = [load_engine(folder, "float32").tag(TEXT) for folder in (plain, plain_folder)]
    np.testing.assert_array_equal(*(result.probabilities for result in results))


def test_to_load_a_model_hides_progress_bars_for_as_long_as_it_takes(plain):
    load_weights(plain)
    assert is_progress_bar_enabled()


def test_a_checkpoint_that_is_refused_prints_no_table(plain, capfd):
    no_classifier(plain)
    capfd.readouterr()  # of saving
    with pytest.raises(InputError, match=r"no tensor classifier\.weight"):
        load_engine(plain)
    assert capfd.readouterr() == ("", "")


def test_labels_without_meaning_get_one_from_a_file(plain):
    nameless(plain)
    engine = load_engine(plain, labels=labels_in(plain, "\ufeff" + "\n".join(NAMES) + "\n"))
    assert engine.labels.types == ("Disease", "Chemical")
    dense = engine.tag(TEXT, "dense")
    assert dense.entities
    np.testing.assert_allclose(dense.probabilities, *plain_probabilities(engine, [TEXT]), atol=1e-4)


@pytest.mark.parametrize(("name", "family"), [("sentencepiece.bpe.model", "xlm-roberta"), ("spm.model", "deberta-v2")])
def test_a_sentencepiece_model_alone_is_a_tokenizer(name, family, tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    special = {"pad_piece": "[PAD]", "unk_piece": "[UNK]", "bos_piece": "[CLS]", "eos_piece": "[SEP]"}
    numbers = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "user_defined_symbols": ["[MASK]"]}
    size = {"vocab_size": 60, "hard_vocab_limit": False}
    with (tmp_path / name).open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([TEXT] * 20), model_writer=file, minloglevel=2, **size, **special, **numbers
        )
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    tokenizer = load_tokenizer(tmp_path)
    assert "".join(tokenizer.tokenize("famotidine nausea")).replace("▁", " ").strip() == "famotidine nausea"
    assert len(word_pieces(tmp_path, 100, 1000).windows(["famotidine", "nausea"])) == 1


def test_a_copy_has_the_weights_as_safetensors_and_the_configuration_as_it_is(plain, plain_folder, tmp_path):
    torch.save(load_file(plain / "model.safetensors"), plain / "pytorch_model.bin")
    (plain / "model.safetensors").unlink()
    configure(plain, note="of its own")
    (copy := tmp_path / "copy").mkdir()
    copy_checkpoint(plain, copy)
    assert (copy / "config.json").read_bytes() == (plain / "config.json").read_bytes(), "converted with the weights"
    before, after = load_file(plain_folder / "model.safetensors"), load_file(copy / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def in_parts(folder, name, save):
    """Saves the weights as files of this name that an index names, or as a single one if the name has no number."""
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    if "*" not in name:
        save(state, folder / name)
        return
    parts = {key: name.replace("*", f"0000{1 + number % 2}-of-00002") for number, key in enumerate(state)}
    for part in set(parts.values()):
        save({key: value for key, value in state.items() if parts[key] == part}, folder / part)
    index = {"metadata": {}, "weight_map": parts}
    (folder / (name.replace("-*", "") + ".index.json")).write_text(json.dumps(index))


LAYOUTS = [("model.safetensors", save_file), ("model-*.safetensors", save_file)]
LAYOUTS += [("pytorch_model.bin", torch.save), ("pytorch_model-*.bin", torch.save)]


@pytest.mark.parametrize(("name", "save"), LAYOUTS)
def test_stray_files_of_weights_change_nothing(name, save, plain, plain_folder):
    expected = load_engine(plain_folder, "float32").tag(TEXT, "dense").probabilities
    in_parts(plain, name, save)
    digest = load_engine(plain, "float32").digest
    others = {key: -value for key, value in load_file(plain_folder / "model.safetensors").items()}
    for stray in ("model_old.safetensors", "model-00003-of-00003.safetensors", "model.fp16.safetensors"):
        save_file(others, plain / stray)
    for stray in ("pytorch_model_old.bin", "pytorch_model-00003-of-00003.bin"):
        torch.save(others, plain / stray)
    engine = load_engine(plain, "float32")
    np.testing.assert_array_equal(engine.tag(TEXT, "dense").probabilities, expected)
    np.testing.assert_allclose(expected, *plain_probabilities(engine, [TEXT]), atol=1e-4)
    assert engine.digest == digest


def index(folder, *names):
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": dict(enumerate(names))}))


@pytest.mark.parametrize(
    ("damage", "keyword"),
    [
        (lambda f: (f / "model.safetensors").rename(f / "model_old.safetensors"), r"no model\.safetensors"),
        (
            lambda f: index(f, "model-1.safetensors", "model-2.safetensors"),
            r"model-2\.safetensors .*index\.json",
        ),
        (lambda f: index(f, "../model-1.safetensors"), r"safetensors\.index\.json"),
        (lambda f: index(f), r"safetensors\.index\.json"),
        (lambda f: index(f, 1), r"safetensors\.index\.json"),
    ],
)
def test_an_index_that_names_no_files_of_the_folder_is_refused(plain, damage, keyword):
    damage(plain)
    with pytest.raises(InputError, match=keyword):
        load_engine(plain)


READING = """
import sys
from pathlib import Path
from engine.models.tensors import Tensors
tensors = Tensors(Path(sys.argv[1]))
print({str(tensors.read(name).dtype) for name in tensors}, "ml_dtypes" in sys.modules)
"""


@pytest.mark.parametrize(
    ("dtype", "printed"), [(torch.float16, "{'float16'} False"), (torch.bfloat16, "{'float32'} True")]
)
def test_only_bfloat16_needs_the_package_that_knows_it(dtype, printed, plain):
    state = load_file(plain / "model.safetensors")
    save_file({name: value.to(dtype) for name, value in state.items()}, plain / "model.safetensors")
    run = subprocess.run([sys.executable, "-c", READING, str(plain)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == printed


class Code:
    def __reduce__(self):
        return os.mkdir, ("this-ran",)


def test_older_checkpoints_are_read_and_code_in_them_does_not_run(plain, plain_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = load_engine(plain_folder).tag(TEXT, "dense").entities
    configure(plain, architectures=None)
    assert load_engine(plain).tag(TEXT, "dense").entities == expected
    (plain / "model.safetensors").unlink()
    state = BertForTokenClassification.from_pretrained(plain_folder).state_dict()
    torch.save(dict(state), plain / "pytorch_model.bin")
    assert load_engine(plain).tag(TEXT, "dense").entities == expected
    torch.save(dict(state) | {"code": Code()}, plain / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pytorch_model\.bin"):
        load_engine(plain)
    assert not (tmp_path / "this-ran").exists()


def test_weights_are_saved_in_half_precision_without_what_was_made_for_others(folder, weights, model_folder):
    made = [folder / name for name in (POINTS, NETWORKS["mlp"])]
    for path in made:
        path.write_text("{}")
    save_weights(folder, weights.model, weights.tokenizer)
    assert not any(path.exists() for path in made)
    assert load_engine(folder).digest == load_engine(model_folder).digest
    stored = load_file(model_folder / "model.safetensors") | load_file(model_folder / GATES)
    assert {value.dtype for value in stored.values()} == {torch.float16}
    assert {parameter.dtype for parameter in weights.model.parameters()} == {torch.float32}


def test_shipped_weights_have_short_names_and_a_folder_of_such_a_name_is_written_with_a_dot(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, folder in SHIPPED.items():
        Path(name).mkdir()
        assert local_folder(name) == folder
        assert local_folder(f"./{name}") == Path(name)
    assert read_folder().source == read_folder("chemicals-diseases").source == str(SHIPPED["chemicals-diseases"])


@pytest.fixture
def snapshot(model_folder, tmp_path, monkeypatch):
    """A model as the hub's cache holds it, of which only the cache can answer."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    cached = tmp_path / "models--owner--name"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    return shutil.copytree(model_folder, cached / "snapshots" / ("0" * 40))


def test_a_model_on_the_hub_is_one_revision_of_its_files(snapshot, model_folder):
    engine = load_engine("owner/name")
    assert (engine.source, engine.folder.path) == ("owner/name", snapshot)
    assert engine.fingerprint == load_engine(model_folder).fingerprint


def test_the_meaning_of_each_logit_is_part_of_the_fingerprint(model_folder):
    names = [f"{prefix}-{type_}" for type_ in ("Chemical", "Disease") for prefix in "BI"]
    first, second = (load_engine(model_folder, labels=order).fingerprint for order in (["O", *names], [*names, "O"]))
    assert first["labels"] == second["labels"]
    assert first != second


def test_rejects_a_model_of_the_hub_that_was_downloaded_in_part_by_its_id(snapshot):
    (snapshot / "config.json").unlink()
    with pytest.raises(InputError, match=r"owner/name.*config\.json|config\.json.*owner/name") as caught:
        load_engine("owner/name")
    assert str(snapshot) not in str(caught.value)


def test_of_the_hub_only_what_models_are_loaded_from_is_downloaded(snapshot, monkeypatch):
    files = ["config.json", "model.safetensors", "gates.safetensors", "SHA256SUMS", "spm.model", "vocab.txt"]
    others = ["pytorch_model.bin", "training_args.bin", "tf_model.h5", "onnx/model.onnx", "step-500/model.safetensors"]
    assert list(filter_repo_objects(files + others, ignore_patterns=NOT_DOWNLOADED)) == files
    calls = []
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda id_, **how: calls.append(how) or str(snapshot))
    (snapshot / "model.safetensors").rename(snapshot / "model_old.safetensors")
    assert local_folder("owner/name") == snapshot
    assert calls[1:] == [{"revision": "0" * 40, "allow_patterns": "pytorch_model*"}]
