import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors import safe_open
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import load_file, save_file
from transformers import (
    AlbertConfig,
    AutoModelForTokenClassification,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    ByT5Tokenizer,
    T5Config,
)

from engine import InputError, load_engine
from engine.checkpoint import CONTROLLER, GATES, POINTS, load_weights, optional_file, save_weights
from engine.checksums import updating, write_checksums
from engine.tagger import Engine
from engine.text.windows import WordPieces, load_tokenizer
from tests.conftest import TEXT, plain_probabilities, tiny_config


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


def write_network(folder, **changes):
    arrays = {"1.0": np.ones((2, 3)), "1.1": np.ones(3), "1.2": np.ones(3), "1.3": np.ones(1)} | changes
    network = {name: array.astype(np.float32) for name, array in arrays.items()}
    save_numpy(network, folder / CONTROLLER, metadata={"features": "entropy,margin"})


def configure(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def flip_last_bit(path):
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def more_labels(folder):
    save_file({name: torch.cat([value, value]) for name, value in load_file(folder / GATES).items()}, folder / GATES)


def narrower(folder):
    heads = {"weight": torch.zeros(5, 7), "bias": torch.zeros(5)}
    save_file({f"{n}.{kind}": value.clone() for n in (1, 2) for kind, value in heads.items()}, folder / GATES)


SUMS = "SHA256SUMS"
LOOKALIKES = ("pytorch_model.bin", "adapter_config.json", "vocab.txt", "model.safetensors.index.json")
NOT_AS_SUMMED = [
    *(
        (lambda f, name=name: (f / name).unlink(), name)
        for name in ("model.safetensors", GATES, "tokenizer.json", SUMS)
    ),
    *(
        (lambda f, name=name: (f / name).write_text("{}"), f"the checksum of {name} in .*, got none")
        for name in LOOKALIKES
    ),
    (lambda f: flip_last_bit(f / GATES), r"gates\.safetensors with SHA-256"),
    (lambda f: (f / SUMS).write_text(""), r"expected the checksum of model\.safetensors"),
    (lambda f: (f / SUMS).write_bytes(b"\xe9\xff"), r"expected checksums in .*SHA256SUMS, got 'utf-8' codec"),
    (
        lambda f: (f / SUMS).write_bytes(b"model.safetensors\n"),
        r"expected a SHA-256 and a name in .*SUMS:1, got 'model",
    ),
]
BROKEN = [
    (more_labels, "expected heads for 5 labels and hidden size 32"),
    (narrower, "expected heads for 5 labels and hidden size 32"),
    (lambda f: (f / GATES).write_bytes(b"\xff" * 300), r"expected label heads in .*gates\.safetensors"),
    (lambda f: (f / CONTROLLER).write_bytes(b""), "expected the networks of a learned controller"),
    (lambda f: write_network(f, **{"1.1": np.ones(4)}), r"expected a network of 2 features in .* got shapes"),
    (lambda f: write_network(f, **{"1.3": np.full(1, np.nan)}), r"expected finite weights in .* at gate 1"),
    (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 300), "Error while deserializing header"),
    (lambda f: configure(f, id2label=dict.fromkeys("02345", "A")), "expected a name for each of the 5 labels"),
    (lambda f: configure(f, num_hidden_layers=0), "expected an encoder with layers"),
    (lambda f: configure(f, hidden_size=64), "its weights have other sizes than its config.json says"),
    (lambda f: (f / "config.json").write_bytes(b"\xff\xfe"), "is not a valid JSON file"),
    (lambda f: (f / "tokenizer.json").write_text("{}"), "expected a tokenizer with the model"),
]


@pytest.mark.parametrize(
    ("damage", "message", "summed"), [*((*case, False) for case in NOT_AS_SUMMED), *((*case, True) for case in BROKEN)]
)
def test_a_folder_that_is_not_as_it_was_written_is_refused_in_one_line(folder, damage, message, summed):
    write_network(folder)
    write_checksums(folder)
    load_engine(folder)
    damage(folder)
    if summed:
        write_checksums(folder)
    with pytest.raises(InputError, match=f"expected .*{message}|{message}") as caught:
        load_engine(folder)
    assert "\n" not in str(caught.value)


def test_what_is_not_loaded_needs_no_sum(folder):
    for name in ("README.md", ".gitattributes", "figure.png"):
        (folder / name).write_text("anything")
    load_engine(folder)


def test_a_folder_that_changes_under_a_model_is_noticed(folder, monkeypatch):
    engine = load_engine(folder)
    engine.plain_model()
    configure(folder, num_hidden_layers=2)
    with pytest.raises(
        InputError, match=r"expected .*model to be unchanged, got changes in config\.json; load the model again"
    ):
        engine.plain_model()
    configure(folder, num_hidden_layers=3)
    write_checksums(folder)
    monkeypatch.setattr("engine.checkpoint.load_tokenizer", lambda source: configure(folder) or engine.tokenizer)
    with pytest.raises(InputError, match=r"got changes in config\.json"):
        load_engine(folder)


def no_tokenizer(folder, tokenizer):
    for path in folder.glob("*token*"):
        path.unlink()


def slow_tokenizer(folder, tokenizer):
    no_tokenizer(folder, tokenizer)
    ByT5Tokenizer().save_pretrained(folder)


def more_entries(folder, tokenizer):
    tokenizer = load_tokenizer(folder)
    tokenizer.add_tokens(["famotidine"])
    tokenizer.save_pretrained(folder)


def of_kind(kind):
    def save(folder, tokenizer):
        config = tiny_config(len(tokenizer))
        config.id2label, config.label2id = {0: "O", 1: "Disease"}, {"O": 0, "Disease": 1}
        kind(config).save_pretrained(folder)

    return save


OTHER_TASKS = (BertForSequenceClassification, BertForMultipleChoice, BertForMaskedLM, BertModel)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (no_tokenizer, "expected a tokenizer"),
        (slow_tokenizer, r"expected a fast tokenizer .* got ByT5Tokenizer; add a tokenizer.json"),
        (more_entries, r"expected a tokenizer of at most \d+ entries"),
        (
            lambda f, _: AlbertConfig().save_pretrained(f),
            "expected an encoder of type bert, .*, got a model of type 'al",
        ),
        (lambda f, _: T5Config(num_layers=1).save_pretrained(f), "got an encoder–decoder of type 't5'; choose a"),
        (
            lambda f, tokenizer: BertForTokenClassification(tiny_config(len(tokenizer))).save_pretrained(f),
            "give what they mean with --labels FILE",
        ),
        *((of_kind(kind), rf"for token classification .* got \['{kind.__name__}'\]") for kind in OTHER_TASKS),
    ],
)
def test_a_checkpoint_that_cannot_tag_is_refused(plain_folder, tokenizer, tmp_path, change, message):
    folder = shutil.copytree(plain_folder, tmp_path / "plain")
    change(folder, tokenizer)
    with pytest.raises(InputError, match=message):
        load_engine(folder)


@pytest.mark.parametrize("source", ["no/such-model", "/no/such/folder", "", 5])
def test_a_model_nowhere_to_be_found_is_a_clear_error(source):
    with pytest.raises(InputError, match=r"expected (a Hugging Face token-classification model|the folder or hub id)"):
        load_engine(source)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2, 3, 4], r"expected labels as strings, got \[0, 1, 2, 3, 4\]"),
        (["O", "B-Disease", "I-Disease"], "expected 5 labels, one for each logit of .*, got 3"),
        (["O", *"ABCDE"], "expected 5 labels, one for each logit of .*, got 6"),
        ("O\nB-Disease", "expected 5 labels in .*labels, one for each logit, got 2"),
        ("[" * 100_000, "expected a file of labels, JSON or one a line"),
        (None, "expected a file of labels"),
        (5, "expected a file of labels or a list of them, got 5"),
    ],
)
def test_labels_that_do_not_fit_are_refused(plain_folder, tmp_path, labels, message):
    if isinstance(labels, str):
        (tmp_path / "labels").write_text(labels)
    with pytest.raises(InputError, match=message):
        load_engine(plain_folder, labels=labels if isinstance(labels, list | int) else tmp_path / "labels")


@pytest.mark.parametrize(("name", "family"), [("sentencepiece.bpe.model", "xlm-roberta"), ("spm.model", "deberta-v2")])
def test_a_sentencepiece_model_alone_is_a_tokenizer(name, family, tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    special = {f"{kind}_piece": f"[{kind.upper()}]" for kind in ("pad", "unk")} | {
        "bos_piece": "[CLS]",
        "eos_piece": "[SEP]",
    }
    with (tmp_path / name).open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([TEXT] * 20),
            model_writer=file,
            vocab_size=60,
            hard_vocab_limit=False,
            pad_id=0,
            bos_id=1,
            eos_id=2,
            unk_id=3,
            user_defined_symbols=["[MASK]"],
            minloglevel=2,
            **special,
        )
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    tokenizer = load_tokenizer(tmp_path)
    assert "".join(tokenizer.tokenize("famotidine nausea")).replace("▁", " ").strip() == "famotidine nausea"
    assert len(WordPieces(tokenizer, 100).windows(["famotidine", "nausea"])) == 1


SETTINGS = {"name": "entropy", "gates": [1], "controller": {"kind": "entropy", "max_entropy": 0.2}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{{", "got none: Expecting property name"),
        (b"\xff\xfe{", "got none: 'utf-8' codec"),
        ("[" * 100_000, "got none: maximum recursion depth"),
        ([1], "got none: 'list' object"),
        ({"entropy": {"fast": {"gates": [1]}}}, "expected the settings of a strategy with its name"),
        ({"entropy": {"fast": [1]}}, "that cannot be used: expected the settings of a strategy"),
        ({"entropy": {"fast": SETTINGS | {"gates": "ab"}}}, "expected ascending whole numbers from 1 as gates"),
        ({"entropy": {"fast": SETTINGS | {"controller": {"kind": "no"}}}}, "expected one of the controllers"),
        ({"a\nb": {"c": 3}}, r"got settings of 'a\\nb:c' that cannot be used"),
    ],
)
def test_operating_points_that_are_none_are_refused_in_one_line(folder, content, message):
    raw = content if isinstance(content, bytes) else (content if isinstance(content, str) else json.dumps(content))
    (folder / "operating_points.json").write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    write_checksums(folder)
    with pytest.raises(InputError, match=message) as caught:
        load_engine(folder)
    assert str(caught.value).startswith(f"expected operating points in {folder}")
    assert "\n" not in str(caught.value)
    (folder / "operating_points.json").write_text(json.dumps({"entropy": {"balanced": SETTINGS}}))
    write_checksums(folder)
    assert load_engine(folder).strategy("entropy").gates == (1,)


def test_a_file_of_a_folder_is_replaced_together_with_its_sum_and_no_other_is_vouched_for(folder):
    points = json.dumps({"entropy": {"balanced": SETTINGS}})
    with updating(folder, "operating_points.json") as fresh:
        fresh.write_text(points)
    assert load_engine(folder).strategy("entropy").gates == (1,)
    (folder / "gates.safetensors").write_bytes(b"damaged")
    with updating(folder, "operating_points.json") as fresh:
        fresh.write_text(points)
    with pytest.raises(InputError, match=r"expected .*gates\.safetensors with SHA-256"):
        load_engine(folder)


@pytest.mark.parametrize("old", [None, {"entropy": {"fast": SETTINGS}}], ids=["new", "replaced"])
@pytest.mark.parametrize("survived", range(4))
def test_a_kill_at_any_moment_while_a_file_is_replaced_leaves_a_sound_folder(old, survived, folder, monkeypatch):
    if old:
        (folder / "operating_points.json").write_text(json.dumps(old))
        write_checksums(folder)
    new = {"entropy": {"balanced": SETTINGS}}
    replace, left = Path.replace, iter(range(survived))

    def killing(path, target):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(Path, "replace", killing)
        with updating(folder, "operating_points.json") as fresh:
            fresh.write_text(json.dumps(new))
    (point,) = load_engine(folder).points.get("entropy", {"none": {}})
    assert point == ("balanced" if survived > 1 else "fast" if old else "none")
    with updating(folder, "operating_points.json") as fresh:
        fresh.write_text(json.dumps(new))
    assert (folder / "SHA256SUMS").read_text().count("operating_points.json") == 1


def test_a_checkpoint_that_names_no_architecture_is_taken_if_it_has_all_weights(plain_folder, tmp_path, tokenizer):
    folder = shutil.copytree(plain_folder, tmp_path / "plain")
    configure(folder, architectures=None)
    assert load_engine(folder).tag(TEXT, "dense").entities == load_engine(plain_folder).tag(TEXT, "dense").entities
    BertModel(tiny_config(len(tokenizer)), add_pooling_layer=False).save_pretrained(folder)
    configure(folder, architectures=None)
    with pytest.raises(InputError, match=r"expected all weights .* got none for \['classifier.bias'"):
        load_engine(folder)


class Code:
    def __reduce__(self):
        return os.mkdir, ("this-ran",)


def test_tensors_alone_are_read_from_a_bin_file(plain_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(plain_folder, tmp_path / "old")
    (folder / "model.safetensors").unlink()
    state = BertForTokenClassification.from_pretrained(plain_folder).state_dict()
    torch.save(dict(state), folder / "pytorch_model.bin")
    assert load_engine(folder).tag(TEXT, "dense").entities == load_engine(plain_folder).tag(TEXT, "dense").entities
    torch.save(dict(state) | {"code": Code()}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="which cannot be loaded"):
        load_engine(folder)
    assert not (tmp_path / "this-ran").exists()


def test_what_is_loaded_and_saved_again_is_the_same(folder, tmp_path, weights):
    save_weights(tmp_path / "again", weights.model, weights.tokenizer)
    again = load_weights(tmp_path / "again")
    for (name, ours), theirs in zip(weights.model.named_parameters(), again.model.parameters(), strict=True):
        assert torch.equal(ours, theirs), name
    assert load_engine(tmp_path / "again").tag(TEXT).entities == load_engine(folder).tag(TEXT).entities


def test_the_sum_tells_weights_apart(model_folder):
    engine, other = (Engine(load_weights(model_folder)) for _ in range(2))
    assert engine.digest == other.digest
    assert Engine(load_weights(model_folder), "bfloat16").digest == engine.digest, "of the weights, not the dtype"
    changed = load_weights(model_folder)
    next(changed.model.parameters()).data[0, 0] += 1
    assert Engine(changed).digest != engine.digest


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(["B-Disease", "I-Disease", "O", "B-Chemical", "I-Chemical"]),
        json.dumps({"LABEL_0": "B-Disease", "1": "I-Disease", "2": "O", "3": "B-Chemical", "LABEL_4": "I-Chemical"}),
        "B-Disease\nI-Disease\nO\nB-Chemical\nI-Chemical\n",
        "\ufeffB-Disease\nI-Disease\nO\nB-Chemical\nI-Chemical\n",
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
    dense = engine.tag(TEXT, "dense")
    assert dense.entities
    np.testing.assert_allclose(dense.probabilities, *plain_probabilities(engine, [TEXT]), atol=1e-4)


def test_labels_that_name_no_type_have_one(plain_folder):
    labels = load_engine(plain_folder, labels=["B", "I", "O", "E", "S"]).labels
    assert labels.types == ("Entity",)
    assert labels.names == ("O", "B-Entity", "I-Entity", "E-Entity", "S-Entity")


def test_points_and_networks_of_other_weights_do_not_survive_saving(model_folder, weights, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / "model")
    (folder / POINTS).write_text("{}")
    (folder / CONTROLLER).write_bytes(b"")
    save_weights(folder, weights.model, weights.tokenizer)
    assert not (folder / POINTS).exists()
    assert not (folder / CONTROLLER).exists()
    assert load_engine(folder).points == {}


def test_optional_files_of_a_model_on_the_hub_come_from_its_cache_and_may_be_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = tmp_path / "models--owner--name"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("0" * 40)
    snapshot = model / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "gates.safetensors").touch()
    assert optional_file("owner/name", "gates.safetensors") == snapshot / "gates.safetensors"
    assert optional_file("owner/name", "operating_points.json") is None


def test_gates_do_not_run_without_points_because_the_hub_did_not_answer(tmp_path, monkeypatch):
    def unreachable(source, name):
        raise LocalEntryNotFoundError("no answer")

    in_cache = {"gates.safetensors": "path"}
    monkeypatch.setattr("engine.checkpoint.hf_hub_download", unreachable)
    monkeypatch.setattr("engine.checkpoint.try_to_load_from_cache", lambda source, name: in_cache.get(name))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(InputError, match=r"whether 'owner/name' has operating_points.json, got no answer from the hub"):
        optional_file("owner/name", "operating_points.json")
    in_cache["operating_points.json"] = object()  # marked as absent when the model was first loaded
    assert optional_file("owner/name", "operating_points.json") is None
    in_cache.clear()  # a plain checkpoint
    assert optional_file("owner/name", "gates.safetensors") is None
