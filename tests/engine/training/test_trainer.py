"""Batches with targets, the joint loss of all heads, and the random settings under which windows are pruned."""

import random

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from engine.corpora import load_corpus
from engine.pytorch.forward import HeadOutput, MemoryBuffer, forward
from engine.pytorch.packing import RaggedBatch
from engine.text.labels import LabelSet
from engine.training.examples import (
    Pool,
    gold_examples,
    joint_loss,
    make_batches,
    make_examples,
    mask_words,
    pack,
    spread_outside,
)
from engine.training.trainer import SampledController, draw_thresholds
from tests.conftest import SAMPLE


def test_batches_hold_every_window_once_within_the_limit(engine):
    examples = gold_examples(load_corpus(str(SAMPLE)), engine.pieces, engine.labels)
    batches = make_batches(examples, 300, random.Random(0))
    assert sorted(id(e) for batch in batches for e in batch) == sorted(map(id, examples))
    assert all(len(batch) == 1 or sum(len(e.window.input_ids) for e in batch) <= 300 for batch in batches)
    batch, targets, outside = pack(batches[0], torch.device("cpu"))
    assert len(targets) == len(outside) == len(batch.words)


def test_each_epoch_draws_other_windows_from_a_corpus_that_has_more(engine):
    examples = gold_examples(load_corpus(str(SAMPLE)), engine.pieces, engine.labels)
    drawn = [Pool(examples, 3).draw(random.Random(epoch)) for epoch in (0, 1)]
    assert [len(set(map(id, part))) for part in drawn] == [3, 3]
    assert set(map(id, drawn[0])) != set(map(id, drawn[1]))
    assert Pool(examples, len(examples)).draw(random.Random(0)) == Pool(examples).draw(random.Random(0)) == examples


def test_masking_takes_whole_words(engine):
    batch = RaggedBatch.from_windows(engine.pieces.windows(["hypotension", "nausea"] * 8))
    torch.manual_seed(0)
    masked = mask_words(batch, 0.5, 4).input_ids == 4
    assert 0 < masked.sum() < len(batch.word)
    for word in range(len(batch.words)):
        assert len(set(masked[batch.word == word].tolist())) == 1
    assert not masked[batch.word < 0].any()


def test_soft_targets_are_sharpened_below_temperature_1_and_gold_stays(engine):
    targets = np.array([[255, 0, 0], [204, 51, 0]], dtype=np.uint8)
    for temperature, doubtful in ((1.0, [0.8, 0.2, 0.0]), (0.5, [16 / 17, 1 / 17, 0.0])):
        examples = make_examples(["nausea", "and"], targets, engine.pieces)
        _, sharpened, _ = pack(examples, torch.device("cpu"), temperature)
        torch.testing.assert_close(sharpened, torch.tensor([[1.0, 0.0, 0.0], doubtful]))


def test_training_on_targets_of_unannotated_types_maximises_the_marginal_likelihood():
    torch.manual_seed(0)
    logits = torch.randn(3, 5, requires_grad=True)
    targets = torch.eye(5)[[0, 0, 3]]
    outside = torch.tensor([[True, True, True, False, False], [True] + [False] * 4, [True, True, True, False, False]])
    (gradient,) = torch.autograd.grad(cross_entropy(logits, spread_outside(targets, logits, outside)), logits)
    of_label = logits.softmax(-1)
    likelihoods = torch.stack([of_label[0, :3].sum(), of_label[1, 0], of_label[2, 3]])
    (expected,) = torch.autograd.grad(-likelihoods.log().mean(), logits)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ([[1.0, 0.0], [1.0, 0.0]], 0.0 + 4.5),  # the gate is wrong about one of two words, which does not exit there
        ([[0.0, 1.0], [0.0, 1.0]], 9.0 + 4.5),
        ([[0.5, 0.5], [0.5, 0.5]], 4.5 + 4.5),
    ],
)
def test_the_loss_of_a_word_is_taken_where_it_exits_and_that_of_gates_is_added(targets, expected, engine):
    batch = RaggedBatch.from_windows(engine.pieces.windows(["nausea", "and"]))
    memory = MemoryBuffer(batch, LabelSet.from_names(["O", "Disease"]), 2)
    memory.update(HeadOutput(1, torch.tensor([0, 1]), torch.tensor([[9.0, 0.0], [0.0, 9.0]])))
    memory.exit_at[0] = 1
    memory.update(HeadOutput(2, torch.tensor([1]), torch.tensor([[9.0, 0.0]])))
    outside = torch.tensor([[True, False]] * 2)
    assert joint_loss(memory, torch.tensor(targets), outside) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(("gates", "first_end"), [(1, 1), (2, 1), (5, 2), (11, 4)])
def test_windows_have_all_gates_closed_or_end_from_a_third_of_the_depth_on(gates, first_end):
    torch.manual_seed(0)
    pruned, some = (draw_thresholds(gates, 400, share)[0] for share in (1.0, 0.7))
    assert (np.flatnonzero((pruned == 1).any(1)) + 1).tolist() == list(range(first_end, gates + 1))
    assert ((some == -1) | (some > 0)).all()
    # Three in ten windows have all gates closed; with many gates, almost none has by chance.
    assert 0.25 < (some < 0).all(0).mean() < 0.4 or gates < 5


def test_a_sampled_controller_decides_window_by_window(engine, weights):
    batch = RaggedBatch.from_windows(engine.pieces.windows(["nausea", "and", "hypotension"]) * 2)
    controller = SampledController(np.array([[-1.0, 1.0], [-1.0, 1.0]]), 1)
    assert forward(weights.model, batch, (1, 2), controller).exit_at.tolist() == [3] * 3 + [1] * 3
