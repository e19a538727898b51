"""Rules 2 and 3 for every family and backend: removing rows equals masking them, inside Hugging Face's own model."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification

from engine.pruning.gate import Decision
from engine.pruning.policies import ExitPolicy, GivenExits
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy
from engine.pytorch.packing import RaggedBatch
from tests.engine.pytorch.families import every_family, layers, window

PIECES = ([1, 3, 2] * 8, [2], [1] * 40, [1, 2] * 5, [3])
WINDOWS = [window(pieces, offset=5 + 2 * index) for index, pieces in enumerate(PIECES)]
EVERY_WORD = Recovery("any", min_confidence=1.0, max_rise=-1.0)
LAST = 3


class LessSure(ExitPolicy):
    """About half of the words exit at each gate, whatever their labels."""

    kind = "less-sure"

    def decide(self, gate):
        return Decision(gate.is_alive & (gate.confidence <= gate.mean(gate.confidence)), gate.confidence)


class LessSureThenAll(LessSure):
    """The second gate ends the pass."""

    kind = "less-sure-then-all"

    def all_exit(self, index):
        return index == 1


PRUNES, ENDS = Strategy((1, 2), LessSure()), Strategy((1, 2), LessSureThenAll())


@pytest.fixture(scope="module")
def exits() -> list[np.ndarray]:
    """Some words of each window exit at each gate; all of the last window's at the first."""
    rng = np.random.default_rng(0)
    return [rng.choice([1, 2, LAST], size=window.num_words) for window in WINDOWS[:-1]] + [np.array([1])]


@pytest.fixture(params=["graph", "pytorch"])
def backends(request, engines):
    """Makes a family's backend."""

    def backend(family):
        engine, pytorch = engines(family)
        return engine.backend if request.param == "graph" else pytorch

    return backend


@contextmanager
def hooked(reference, family, before, after):
    """Passes each layer's mask through ``before`` and its hidden states through ``after``, with its number."""
    handles = []
    for number, layer in enumerate(layers(reference, family), start=1):

        def enter(module, args, kwargs, number=number):
            if len(args) > 1:
                return (args[0], before(number, args[1]), *args[2:]), kwargs
            return args, kwargs | {"attention_mask": before(number, kwargs["attention_mask"])}

        def leave(module, args, output, number=number):
            after(number, output[0][0] if isinstance(output, tuple) else output[0])

        handles += [layer.register_forward_pre_hook(enter, with_kwargs=True), layer.register_forward_hook(leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def masked(folder, family, model, exits) -> list[np.ndarray]:
    """Label distributions of each window's words where rows that exited are masked inside the softmax."""
    reference = AutoModelForTokenClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    probabilities = []
    for at, exit_at in zip(WINDOWS, exits, strict=True):
        ends = torch.from_numpy(np.where(at.word < 0, LAST, exit_at[at.word]))  # CLS and SEP stay
        hidden = {}

        def hide(number, mask, ends=ends):
            seen = (ends >= number)[None, None, None] | torch.eye(len(ends), dtype=torch.bool)
            if family == "deberta-v2":  # 1 where a row is seen
                return mask * seen
            return torch.zeros(seen.shape).masked_fill(~seen, -torch.inf) + (0 if mask is None else mask)

        with hooked(reference, family, hide, hidden.__setitem__):
            reference(input_ids=torch.from_numpy(at.input_ids)[None])
        ops = model.encoder.operations(RaggedBatch.from_windows([at]))
        rows = zip(at.first_rows, exit_at, strict=True)
        words = [model.logits(ops, int(layer), hidden[layer][row][None])[0].softmax(-1) for row, layer in rows]
        probabilities.append(torch.stack(words).numpy())
    return probabilities


@every_family
def test_removing_rows_equals_masking_them(family, folders, engines, backends, exits):
    records = backends(family).run(WINDOWS, replace(PRUNES, controller=GivenExits(exits)))
    dense = backends(family).run(WINDOWS, Strategy())
    expected = masked(folders(family), family, engines(family)[1].model, exits)
    differences = []
    for record, full, words, exit_at in zip(records, dense, expected, exits, strict=True):
        np.testing.assert_allclose(record.probabilities, words, atol=1e-4 if family == "deberta-v2" else 1e-5)
        assert record.exit_at.tolist() == exit_at.tolist()
        differences += np.abs(full.probabilities - record.probabilities)[exit_at == LAST].max(1).tolist()
    assert np.median(differences) > 1e-4, "it does not matter which words exited: this shows nothing"


@every_family
@pytest.mark.parametrize("prunes", [PRUNES, ENDS], ids=lambda strategy: strategy.name)
def test_recovering_every_word_equals_dense(family, prunes, backends):
    recovers = Strategy(prunes.gates, prunes.controller, recovery=EVERY_WORD)
    records = backends(family).run(WINDOWS, recovers)
    assert any(record.recovered.any() for record in records)
    for record, dense in zip(records, backends(family).run(WINDOWS, Strategy()), strict=True):
        assert not record.exited.any()
        np.testing.assert_allclose(record.probabilities, dense.probabilities, atol=1e-4)


@every_family
@pytest.mark.parametrize("prunes", [PRUNES, ENDS], ids=lambda strategy: strategy.name)
def test_recovered_words_stay_to_the_end_and_all_others_exit_where_they_exited(family, prunes, backends):
    backend, some = backends(family), Recovery("any", min_confidence=1.0, max_rise=-1.0, recovery_limit=3)
    before = backend.run(WINDOWS, prunes)
    after = backend.run(WINDOWS, Strategy(prunes.gates, prunes.controller, recovery=some))
    ends = [np.where(record.recovered, LAST, record.exit_at) for record in after]
    given = backend.run(WINDOWS, replace(prunes, controller=GivenExits(ends)))
    for first, record, expected, end in zip(before, after, given, ends, strict=True):
        assert record.recovered.sum() == min(3, first.exited.sum())
        assert record.exit_at.tolist() == first.exit_at.tolist()
        assert record.exited.tolist() == (end < LAST).tolist()
        stayed = end == LAST
        np.testing.assert_allclose(record.probabilities[stayed], expected.probabilities[stayed], atol=1e-5)
        assert record.probabilities[~stayed].tolist() == first.probabilities[~stayed].tolist()
