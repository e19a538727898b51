"""Every tensor that a pass reads has the shape that its module must have with the settings of config.json."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine import InputError, load_engine
from engine.models.families import family_of
from engine.models.folder import read_folder
from tests.conftest import TEXT, configure
from tests.engine.pytorch.families import every_family, huggingface, tiny

UNREAD = ("layers.0.attn_norm", "pooler", "embeddings.position_ids")
OTHERS = {
    "of one value": lambda value: value.flatten()[:1].reshape([1] * value.dim()),
    "one short": lambda value: value[:-1],
    "as integers": lambda value: value.to(torch.int32),
}


@pytest.fixture
def copy(folders, tmp_path):
    return lambda family: shutil.copytree(folders(family), tmp_path / family)


def rewrite(folder, **changes):
    path = folder / "model.safetensors"
    save_file({name: value.contiguous() for name, value in (load_file(path) | changes).items()}, path)


@every_family
def test_the_shapes_of_a_family_are_those_of_hugging_faces_model(family):
    config = tiny(family)
    expected = {name: tuple(value.shape) for name, value in huggingface(config).state_dict().items()}
    declared = family_of(config.to_dict()).shapes(expected)
    assert declared == {
        name: shape
        for name, shape in expected.items()
        if "classifier" not in name and not any(u in name for u in UNREAD)
    }


@every_family
@pytest.mark.parametrize("other", OTHERS)
def test_any_tensor_of_another_shape_or_kind_is_refused(family, other, copy):
    folder = copy(family)
    weights = load_file(folder / "model.safetensors")
    read = read_folder(folder).family.shapes(weights)
    for name in [*read, "classifier.weight", "classifier.bias"]:
        rewrite(folder, **weights | {name: OTHERS[other](weights[name])})
        with pytest.raises(InputError, match=rf"tensor {name} .*({weights[name].shape[0]}|I32)"):
            read_folder(folder).tensors()
    rewrite(folder, **weights)
    read_folder(folder).tensors()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("max_position_embeddings", 200), ("vocab_size", 10_000), ("intermediate_size", 47), ("type_vocab_size", 1)],
)
def test_a_configuration_that_promises_more_than_the_weights_hold_is_refused_at_loading(setting, value, copy):
    folder = copy("bert")
    configure(folder, **{setting: value})
    with pytest.raises(InputError, match="tensor bert"):
        load_engine(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_in_any_float_are_read(dtype, copy):
    folder = copy("bert")
    expected = load_engine(folder, "float32").tag(TEXT, "dense").probabilities
    state = load_file(folder / "model.safetensors")
    rewrite(folder, **{name: value.to(dtype) for name, value in state.items()})
    (folder / "gates.safetensors").unlink()
    atol = 0.2 if dtype == torch.bfloat16 else 1e-5
    np.testing.assert_allclose(load_engine(folder, "float32").tag(TEXT, "dense").probabilities, expected, atol=atol)


@every_family
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("layer_norm_eps", 0),
        ("layer_norm_eps", "a"),
        ("vocab_size", "30522"),
        ("num_hidden_layers", 10**9),
        ("max_position_embeddings", 10**9),
    ],
)
def test_settings_that_no_model_can_have_are_refused_before_memory_is_filled(family, setting, value, folders, copy):
    known = read_folder(folders(family)).family.keys.get(setting, setting)
    if family == "distilbert" and known == "layer_norm_eps":
        pytest.skip("the library ignores it")
    folder = copy(family)
    configure(folder, **{known: value})
    with pytest.raises(InputError, match=f"{known} in config.json must be .*, not {value!r}"):
        load_engine(folder)


@pytest.mark.parametrize(
    ("family", "setting", "value"),
    [
        ("bert", "architectures", -1),
        ("modernbert", "layer_types", -1),
        ("modernbert", "layer_types", ["full_attention"]),
        ("modernbert", "layer_types", ["a", "b", "c"]),
        ("modernbert", "rope_parameters", -1),
        ("modernbert", "rope_parameters", {"full_attention": {"rope_theta": "a"}}),
    ],
)
def test_a_setting_of_the_wrong_kind_is_refused(family, setting, value, copy):
    folder = copy(family)
    configure(folder, **{setting: value})
    with pytest.raises(InputError, match=f"{setting}|rope_theta"):
        load_engine(folder)


def test_a_number_of_labels_that_no_model_has_is_refused_before_memory_is_filled(copy):
    folder = copy("bert")
    configure(folder, id2label=None, label2id=None, num_labels=10**9)
    with pytest.raises(InputError, match="num_labels is 1000000000"):
        load_engine(folder)


def test_a_tokenizer_with_an_empty_vocabulary_is_refused(copy):
    folder = copy("bert")
    stored = json.loads((folder / "tokenizer.json").read_text())
    stored["model"]["vocab"] = {}
    (folder / "tokenizer.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match="tokenizer"):
        load_engine(folder)


@pytest.mark.parametrize(
    ("stored", "dtype"),
    [
        (True, "int8"),
        ({"agreement": 0.98, "texts": 500}, "int8"),
        (False, "float32"),
        ({"agreement": 0.96, "texts": 500, "agrees": False}, "float32"),
        (None, "float32"),
    ],
)
def test_eight_bits_are_used_where_they_were_found_to_agree(stored, dtype, copy):
    folder = copy("bert")
    (folder / "operating_points.json").write_text(json.dumps({"int8": stored}))
    assert load_engine(folder).dtype == dtype


def test_an_agreement_that_is_neither_true_nor_false_is_refused(copy):
    folder = copy("bert")
    (folder / "operating_points.json").write_text('{"int8": "no"}')
    with pytest.raises(InputError, match=r"int8 in .*'no'"):
        load_engine(folder)
