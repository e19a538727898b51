"""Rule 1 in PyTorch: dense equals the plain Hugging Face model, for every family, batch size and length."""

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from engine.errors import InputError
from engine.models.families import family_of
from engine.pytorch.model import Encoder, GatedModel
from engine.pytorch.packing import RaggedBatch
from tests.engine.pytorch.families import FAMILIES, every_family, gated, huggingface, pair, tiny, window

FIXED = {"mpnet": {"huggingface.mpnet.encoder.relative_attention_bias.weight"}}  # which stay as they were pretrained


def run_dense(encoder: Encoder, batch: RaggedBatch) -> torch.Tensor:
    ops = encoder.operations(batch)
    hidden = encoder.embed(ops)
    for number in range(1, encoder.num_layers + 1):
        hidden = encoder.family.layer(ops, number, hidden)
    return hidden


def dense_logits(model: GatedModel, batch: RaggedBatch) -> torch.Tensor:
    encoder = model.encoder
    return model.logits(encoder.operations(batch), encoder.num_layers, run_dense(encoder, batch))


def huggingface_logits(reference: PreTrainedModel, batch: RaggedBatch) -> torch.Tensor:
    windows = np.split(batch.input_ids, np.cumsum(batch.lengths)[:-1])
    return torch.cat([reference(input_ids=torch.from_numpy(ids)[None]).logits[0] for ids in windows])


def packed(lengths: list[int]) -> RaggedBatch:
    return RaggedBatch.from_windows([window([1] * length, offset=5 + index) for index, length in enumerate(lengths)])


@torch.no_grad()
@pytest.mark.parametrize(
    ("family", "changes"),
    [
        *((family, {}) for family in FAMILIES),
        ("deberta-v2", {"position_buckets": -1}),
        ("electra", {"embedding_size": 32}),
        ("bert", {"embedding_size": 16}),  # which the library does not use
        ("distilbert", {"layer_norm_eps": 0.1}),  # nor this
    ],
    ids=str,
)
def test_logits_of_all_rows_equal_those_of_hugging_face(family, changes):
    reference = huggingface(tiny(family, 300, max_position_embeddings=300, **changes))
    for lengths in ([1], [5, 1, 30, 96], [280, 3]):
        batch = packed(lengths)
        logits, expected = dense_logits(gated(reference), batch), huggingface_logits(reference, batch)
        torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)
    assert expected.std() > 0.1, "all logits alike: this shows nothing"


@every_family
def test_a_window_may_be_as_long_as_the_limit_and_no_longer_where_the_model_says_so(family):
    reference, model = pair(family)
    limit = model.encoder.max_rows
    assert limit == 100 - {"roberta": 2, "xlm-roberta": 2, "camembert": 2, "mpnet": 2}.get(family, 0)
    with torch.no_grad():
        assert reference(input_ids=torch.full((1, limit), 7)).logits.shape[1] == limit
        assert len(run_dense(model.encoder, packed([limit - 2]))) == limit


@every_family
def test_training_computes_the_same_without_dropout_and_reaches_every_weight(family):
    model = gated(huggingface(tiny(family)))
    encoder = model.encoder
    encoder.dropout = 0.0
    batch = RaggedBatch.from_windows([window([1, 2] * 10), window([3])])
    batch, _ = batch.keep(np.arange(len(batch.words)) % 3 > 0)
    with torch.no_grad():
        before = dense_logits(model, batch)
    model.train()
    trained = [dense_logits(model, batch) for _ in range(2)]  # no graph is kept from one to the other
    torch.testing.assert_close(trained[0], before, atol=1e-4, rtol=0)
    for logits in trained:
        logits.square().sum().backward()
    untrained = {name for name, parameter in encoder.named_parameters() if parameter.grad is None}
    assert untrained == FIXED.get(family, set())
    path = f".{encoder.family.layer_path}."
    assert all(parameter.grad.any() for name, parameter in encoder.named_parameters() if path in name)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
        assert not torch.allclose(dense_logits(model, batch), before, atol=1e-3)


@every_family
def test_dropout_makes_training_random_and_changes_no_configuration(family):
    encoder, batch = gated(huggingface(tiny(family))).encoder, packed([2])
    configuration = encoder.config.to_dict()
    encoder.dropout = 0.3
    assert encoder.config.to_dict() == configuration
    assert torch.equal(run_dense(encoder, batch), run_dense(encoder, batch))
    encoder.train()
    assert not torch.equal(run_dense(encoder, batch), run_dense(encoder, batch))


@torch.no_grad()
@every_family
def test_bfloat16_changes_nothing_but_precision(family):
    model = gated(huggingface(tiny(family), spread=0.1))
    batch, _ = packed([5, 1, 30, 96]).keep(np.arange(132) % 2 == 0)
    exact = run_dense(model.encoder, batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = run_dense(model.encoder, batch)
    for low in (cast, run_dense(model.encoder.to(torch.bfloat16), batch)):
        assert low.shape == exact.shape
        torch.testing.assert_close(low.float(), exact, atol=0.15, rtol=0.05)


@torch.no_grad()
def test_far_positions_are_told_apart_in_bfloat16():
    config = tiny("modernbert", 10_000, max_position_embeddings=8192)
    model = gated(huggingface(config, spread=0.15)).to(torch.bfloat16)
    encoder, rows = model.encoder, np.arange(1, 60)
    near = RaggedBatch.from_windows([window([1] * 8000)])
    hidden = encoder.embed(encoder.operations(near))[rows]
    outputs = []
    for start in (0, 7900):  # the same rows, early and late: rotary positions depend on distance alone
        outputs.append(encoder.family.layer(encoder.operations(near.select(start + rows)), 1, hidden))
    torch.testing.assert_close(*outputs, atol=0.1, rtol=0)


@pytest.mark.parametrize(
    ("family", "setting", "value"),
    [
        ("bert", "position_embedding_type", "relative_key"),
        ("electra", "is_decoder", True),
        ("mpnet", "relative_attention_num_buckets", 64),
        ("deberta-v2", "conv_kernel_size", 3),
        ("deberta-v2", "pos_att_type", "c2p"),
        ("deberta-v2", "position_biased_input", True),
        ("deberta-v2", "attention_head_size", 16),
        ("deberta-v2", "max_relative_positions", 8),
    ],
)
def test_a_setting_that_is_not_supported_is_named(family, setting, value):
    with pytest.raises(InputError, match=f"{family} with {setting} = {value!r}"):
        family_of(tiny(family).to_dict() | {setting: value})


MOST = "max_position_embeddings in config.json must be a whole number from"


@pytest.mark.parametrize(
    ("family", "changes", "keyword"),
    [
        ("bert", {"max_position_embeddings": 2}, f"{MOST} 3 .*, not 2"),  # CLS, a piece and SEP
        ("roberta", {"max_position_embeddings": 4}, f"{MOST} 5 .*, not 4"),
        ("roberta", {"pad_token_id": -1}, "pad_token_id .* from 0 .*, not -1"),
        ("distilbert", {"n_layers": 0}, "n_layers .* from 1 .*, not 0"),
        ("deberta-v2", {"position_buckets": 1}, "position_buckets .* from 2 .*, not 1"),
        ("deberta-v2", {"max_relative_positions": "8"}, "max_relative_positions .* from -1 .*, not '8'"),
        ("bert", {"hidden_act": "mish"}, "activation 'mish' .* gelu, .*, silu, swish, tanh"),
        ("distilbert", {"activation": ["gelu"]}, r"activation \['gelu'\]"),
        ("modernbert", {"classifier_activation": "mish"}, "activation 'mish'"),
    ],
)
def test_a_value_that_no_text_could_be_computed_with_is_refused(family, changes, keyword):
    with pytest.raises(InputError, match=keyword):
        family_of(tiny(family).to_dict() | changes)


def test_stretched_rotary_positions_are_refused():
    config = tiny("modernbert")
    config.rope_parameters["full_attention"]["rope_type"] = "yarn"
    with pytest.raises(InputError, match="rope_type = 'yarn'"):
        family_of(config.to_dict())
