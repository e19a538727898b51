"""Rule 1: dense equals the plain Hugging Face model, for every architecture, batch size and length."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification, BertConfig, BertModel, DistilBertConfig

from engine.errors import InputError
from engine.model.encoders import encoder_class
from engine.model.encoders.bert import BertEncoder
from engine.model.packing import RaggedBatch
from engine.pruning.forward import run
from engine.pruning.strategy import Strategy
from tests.conftest import tiny_config
from tests.engine.model.test_packing import window


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    config = tiny_config(200)
    reference = BertModel(config, add_pooling_layer=False).eval()
    encoder = BertEncoder(config).eval()
    encoder.load_huggingface(reference.state_dict())
    return encoder, reference


def run_dense(encoder: BertEncoder, batch: RaggedBatch) -> torch.Tensor:
    hidden = encoder.embed(batch)
    for number in range(1, encoder.num_layers + 1):
        hidden, _, _ = encoder.layer(number, hidden, batch)
    return hidden


@torch.no_grad()
@pytest.mark.parametrize("lengths", [[1], [98], [1, 1], [5, 1, 30, 98], [3] * 40])
def test_packed_rows_give_the_hidden_states_of_hugging_face(models, lengths):
    encoder, reference = models
    windows = [window([1] * length, offset=5 + index) for index, length in enumerate(lengths)]
    packed = run_dense(encoder, RaggedBatch.from_windows(windows))
    for rows, one in zip(packed.split([length + 2 for length in lengths]), windows, strict=True):
        expected = reference(input_ids=torch.from_numpy(one.input_ids)[None]).last_hidden_state[0]
        torch.testing.assert_close(rows, expected, atol=1e-4, rtol=0)


def test_weights_go_to_hugging_face_names_and_back(models):
    encoder, reference = models
    state = encoder.huggingface_state()
    assert state.keys() == reference.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in reference.state_dict().items())


def test_training_computes_the_same_without_dropout_and_reaches_every_weight():
    config = tiny_config(200)
    config.hidden_dropout_prob = 0.0
    encoder = BertEncoder(config)
    batch = RaggedBatch.from_windows([window([1, 2]), window([3])])
    trained = run_dense(encoder.train(), batch)
    torch.testing.assert_close(trained, run_dense(encoder.eval(), batch))
    trained.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in encoder.layers.parameters())


def test_dropout_makes_training_random():
    encoder = BertEncoder(tiny_config(200)).train()
    batch = RaggedBatch.from_windows([window([1, 2])])
    assert not torch.equal(run_dense(encoder, batch), run_dense(encoder, batch))


def test_other_architectures_are_refused_by_name():
    with pytest.raises(InputError, match=r"expected a model of type \['bert'\], got 'distilbert'"):
        encoder_class(DistilBertConfig())


def test_a_decoder_is_refused():
    with pytest.raises(InputError, match="expected a BERT encoder with absolute positions"):
        BertEncoder(BertConfig(is_decoder=True))


@torch.no_grad()
def test_logits_equal_those_of_the_token_classifier(engine, model_folder):
    reference = AutoModelForTokenClassification.from_pretrained(model_folder, dtype=torch.float32).eval()
    one = window([1, 2, 1, 3], offset=20)
    expected = reference(input_ids=torch.from_numpy(one.input_ids)[None]).logits[0]
    batch = RaggedBatch.from_windows([one])
    torch.testing.assert_close(
        run(engine.model, batch, Strategy("dense")).heads[-1].logits, expected[batch.first], atol=1e-4, rtol=0
    )


@torch.no_grad()
@pytest.mark.parametrize("lengths", [[3], [62], [5, 1, 30, 98]])
def test_rounding_rows_up_in_bfloat16_changes_nothing_but_precision(models, lengths):
    encoder, _ = models
    batch = RaggedBatch.from_windows([window([1] * length, offset=5 + i) for i, length in enumerate(lengths)])
    batch, _ = batch.freeze(np.arange(len(batch.words)) % 2 == 0)
    exact = run_dense(encoder, batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = run_dense(encoder, batch)
    assert rounded.shape == exact.shape
    torch.testing.assert_close(rounded.float(), exact, atol=0.15, rtol=0)
