"""Rules 2 and 3 for every family: removing rows equals masking them, inside Hugging Face's own model."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from engine.pruning.gate import Decision
from engine.pytorch.forward import forward, recover
from engine.pytorch.packing import RaggedBatch
from tests.engine.pytorch.families import every_family, layers, pair
from tests.engine.pytorch.test_packing import window

PIECES = ([1, 3, 2] * 8, [2], [1] * 40, [1, 2] * 5, [3])
GATES = (1, 2)


class Planned:
    """Lets each word exit at the gate drawn for it, or at none."""

    def __init__(self, exit_at: np.ndarray) -> None:
        self.exit_at = exit_at

    def __call__(self, gate) -> Decision:
        return Decision(gate.alive & (self.exit_at == gate.number), np.zeros(len(gate.words)))


@pytest.fixture(scope="module")
def batch() -> RaggedBatch:
    return RaggedBatch.from_windows([window(pieces, offset=5 + 9 * index) for index, pieces in enumerate(PIECES)])


@pytest.fixture(scope="module")
def exit_at(batch) -> np.ndarray:
    """Some words of each window exit at each gate; all of the last window's at the first."""
    drawn = np.random.default_rng(0).choice([1, 2, 3], size=len(batch.words))
    return np.where(batch.words.window == len(PIECES) - 1, 1, drawn)


@contextmanager
def hooked(reference, family, before, after):
    """Passes each layer's arguments through ``before`` and its hidden states through ``after``, with its number."""
    handles = []
    for number, layer in enumerate(layers(reference, family), start=1):

        def enter(module, args, kwargs, number=number):
            if len(args) > 1:
                return (args[0], before(number, args[1]), *args[2:]), kwargs
            return args, kwargs | {"attention_mask": before(number, kwargs["attention_mask"])}

        def change(module, args, output, number=number):
            whole = output if isinstance(output, tuple) else (output,)
            changed = (after(number, whole[0]), *whole[1:])
            return changed if isinstance(output, tuple) else changed[0]

        handles += [layer.register_forward_pre_hook(enter, with_kwargs=True), layer.register_forward_hook(change)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def window_by_window(reference, family, batch, exit_at):
    """Hidden states after each layer, (rows, hidden) each; rows that exited are masked inside the softmax."""
    row_exit_at = np.where(batch.word < 0, 10**6, exit_at[batch.word])
    for index, last in enumerate(np.maximum.reduceat(exit_at, np.cumsum(batch.words.counts) - batch.words.counts)):
        own = batch.window_of_rows() == index
        row_exit_at[own & (batch.word < 0)] = 10**6 if last == 3 else last  # CLS and SEP go with the last word
    hidden = [[] for _ in range(4)]
    for index in range(len(batch.lengths)):
        rows = batch.window_of_rows() == index
        ends = torch.from_numpy(row_exit_at[rows])

        def hide(number, mask, ends=ends):
            seen = (ends >= number)[None, None, None] | torch.eye(len(ends), dtype=torch.bool)
            if family == "deberta-v2":  # 1 where a row is seen
                return mask * seen
            return torch.zeros(seen.shape).masked_fill(~seen, -torch.inf) + (0 if mask is None else mask)

        def record(number, output, states=hidden):
            states[number].append(output[0])
            return output

        ids = torch.from_numpy(batch.input_ids[rows])[None]
        with hooked(reference, family, hide, record):
            reference(input_ids=ids)
    return [torch.cat(parts) for parts in hidden[1:]]


@torch.no_grad()
@every_family
def test_removing_rows_equals_masking_them(family, batch, exit_at):
    reference, model = pair(family)
    memory = forward(model, batch, GATES, Planned(exit_at), min_exit_ratio=0.0)
    assert memory.exit_at.tolist() == exit_at.tolist()
    hidden = window_by_window(reference, family, batch, exit_at)
    first = np.flatnonzero(batch.first)
    for word, layer in enumerate(exit_at.tolist()):
        expected = model.logits(layer, hidden[layer - 1][first[word]]).softmax(-1)
        np.testing.assert_allclose(memory.probabilities[word], expected, atol=1e-5)
    dense, stayed = forward(model, batch, (), None), exit_at == 3
    difference = np.abs(dense.probabilities[stayed] - memory.probabilities[stayed]).max(1)
    assert np.median(difference) > 1e-4, "it does not matter which words exited: this shows nothing"


@torch.no_grad()
@every_family
def test_recovering_every_word_equals_dense(family, batch, exit_at):
    _, model = pair(family)
    # What exited at the first gate is recovered from there, so nothing has been lost.
    plan = Planned(np.minimum(exit_at, 1))
    memory = forward(model, batch, (1,), plan, min_exit_ratio=0.0)
    recover(model, memory, memory.exit_at < 3)
    dense = forward(model, batch, (), None)
    np.testing.assert_allclose(memory.probabilities, dense.probabilities, atol=1e-4)


@torch.no_grad()
@every_family
def test_recovered_words_stay_to_the_end_and_all_others_exit_where_they_exited(family, batch, exit_at):
    reference, model = pair(family)
    memory = forward(model, batch, GATES, Planned(exit_at), min_exit_ratio=0.0)
    before = memory.probabilities.copy()
    words = (exit_at < 3) & (np.arange(len(exit_at)) % 3 == 0)
    recover(model, memory, words)
    hidden = window_by_window(reference, family, batch, np.where(words, 3, exit_at))
    stayed = memory.alive & np.isin(batch.words.window, batch.words.window[words])
    expected = model.logits(3, hidden[2][np.flatnonzero(batch.first)[stayed]]).softmax(-1)
    np.testing.assert_allclose(memory.probabilities[stayed], expected, atol=1e-4)
    assert memory.probabilities[~stayed].tolist() == before[~stayed].tolist()
    assert memory.alive.tolist() == (words | (exit_at == 3)).tolist()
