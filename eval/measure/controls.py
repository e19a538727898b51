"""Controls that the engine's own strategies are compared with; only reports run them.

``hf`` is the plain Hugging Face model on padded windows. ``random`` lets as many words exit of each window, at each
gate, as another strategy does, but chooses them at random. `RandomRecovery` does so for words that come back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from engine.errors import InputError
from engine.inspection.cost import Cost, add, window_cost
from engine.model.huggingface import huggingface_logits
from engine.model.packing import RaggedBatch
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.gate import Decision, Gate
from engine.pruning.memory import HeadOutput, LayerRun, MemoryBuffer
from engine.pruning.recovery import Recovery
from engine.pruning.signals import lowest_per_window
from engine.pruning.strategy import Decider, Strategy
from engine.pruning.strategy_names import parse
from engine.tagger import Engine, Result
from engine.text.words import words_of
from eval.measure.baselines.base import Run, Setting, Stretch, by_windows
from eval.schema import RANDOM

REPLAYED = "entropy"  # by ``random``, unless it names another strategy or another one runs
AT = f"{RANDOM}@"


def replayed_by(name: str) -> str:
    """The strategy that ``random@STRATEGY`` names, ``""`` for ``random`` alone.

    Raises:
        InputError: it names none that prunes without recovery.
    """
    if not name.startswith(AT):
        return ""
    replayed = name.removeprefix(AT)
    try:
        parts = parse(replayed)
    except InputError:
        parts = None
    if parts is None or parts.kind not in CONTROLLERS or parts.recovers:
        raise InputError(f"expected {AT} with one of {list(CONTROLLERS)}, got {name[:60]!r}; choose one of them")
    return replayed


class _Windows:
    """Knows the windows of a pass, by the bytes of their piece ids, even at gates before which rows exited."""

    def __init__(self) -> None:
        self._passes: dict[int, tuple[Any, list[bytes]]] = {}

    def __call__(self, gate: Gate) -> list[bytes]:
        if gate.index == 0:
            ids = np.split(gate.batch.input_ids, np.cumsum(gate.batch.lengths)[:-1])
            # The words of a batch are one object throughout a pass; it is stored, so no other can take its id.
            self._passes[id(gate.words)] = gate.words, [one.tobytes() for one in ids]
        return self._passes[id(gate.words)][1]


class Recorder:
    """A controller that counts how many words another one lets exit, by window and gate."""

    def __init__(self, controller: Decider) -> None:
        self.kind, self.uses_attention = controller.kind, controller.uses_attention
        self.counts: dict[tuple[bytes, int], int] = {}
        self._controller, self._windows = controller, _Windows()

    def __call__(self, gate: Gate) -> Decision:
        """Decides as the other one does."""
        decision = self._controller(gate)
        counts = np.bincount(gate.words.window[decision.exits], minlength=len(gate.words.counts))
        self.counts |= {(ids, gate.number): count for ids, count in zip(self._windows(gate), counts, strict=True)}
        return decision


class Replay:
    """A controller that lets as many words exit as were counted.

    They are the first in an order over the words of each window, drawn from only the seed and the window's text.
    """

    kind: ClassVar[str] = RANDOM
    uses_attention: ClassVar[bool] = False

    def __init__(self, counts: Mapping[tuple[bytes, int], int], seed: int) -> None:
        self._counts, self._seed, self._windows = counts, seed, _Windows()

    def __call__(self, gate: Gate) -> Decision:
        """Decides."""
        windows = self._windows(gate)
        order = np.concatenate([self._draw(*one) for one in zip(windows, gate.words.counts.tolist(), strict=True)])
        counts = np.array([self._counts.get((ids, gate.number), 0) for ids in windows])
        return Decision(lowest_per_window(order, gate.alive, gate.words.window, counts), order)

    def _draw(self, ids: bytes, words: int) -> np.ndarray:
        pieces = np.frombuffer(ids, dtype=np.int64)
        own = (self._seed * 1_000_003 + int(pieces.sum()) * 8191 + len(pieces)) % 2**63
        return torch.rand(words, generator=torch.Generator().manual_seed(own)).numpy()


@dataclass(frozen=True)
class RandomExits:
    """``random``: replays another strategy's counts of exiting words.

    Args:
        name: as typed.
        replays: the strategy, without recovery.
        seed: of the choice of words.
    """

    name: str
    replays: Strategy
    seed: int = 0

    def tag_batch(self, engine: Engine, texts: Sequence[str]) -> list[Result]:
        """Tags texts in one call, after running them under the strategy that it replays; only the call is timed."""
        assert self.replays.controller is not None, "a strategy that prunes has a controller"
        recorder = Recorder(self.replays.controller)
        engine.tag_batch(texts, replace(self.replays, controller=recorder), batch_size=len(texts))
        replay = replace(self.replays, name=self.name, point="", controller=Replay(recorder.counts, self.seed))
        return engine.tag_batch(texts, replay, batch_size=len(texts))

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {"name": self.name, "replays": self.replays.to_json(), "seed": self.seed}


@dataclass(frozen=True)
class RandomRecovery(Recovery):
    """Recovers as many words as a trigger would, but random ones in random windows."""

    def choose(self, memory: MemoryBuffer) -> np.ndarray:
        """Draws as many words, from as many random windows."""
        window, windows = memory.batch.words.window, len(memory.batch.lengths)
        wanted = np.bincount(window[super().choose(memory)], minlength=windows)
        rng = np.random.default_rng(int(memory.batch.input_ids.sum()))
        exited = np.bincount(window[~memory.alive], minlength=windows)
        limits = np.zeros(windows, dtype=np.int64)
        for count in sorted(wanted[wanted > 0].tolist(), reverse=True):  # largest first: some window remains for each
            able = np.flatnonzero((exited >= count) & (limits == 0))
            limits[rng.choice(able)] = count
        return lowest_per_window(rng.random(len(window)), ~memory.alive, window, limits)


def plain_model(engine: Engine) -> Run:
    """``hf``: tags texts with the checkpoint's Hugging Face model, all windows padded to the longest."""
    model = nn.Module.to(engine.plain_model(), engine.device, engine.precision.torch_dtype)
    columns = list(engine.label_order)

    @torch.inference_mode()
    def classify(stretches: Sequence[Stretch], _: Setting) -> tuple[np.ndarray, float]:
        begin = time.perf_counter()
        batch = RaggedBatch.from_windows([stretch.window for stretch in stretches])
        probabilities = huggingface_logits(model, batch)[:, columns].float().softmax(-1).numpy(force=True)
        return probabilities, time.perf_counter() - begin

    return by_windows(engine, classify)


def padded_costs(engine: Engine, texts: Sequence[str]) -> list[Cost]:
    """The cost of each text under ``hf``, its padding included."""
    windows = [engine.pieces.windows(words_of(text)) for text in texts]
    flat = [window for of_text in windows for window in of_text]
    layers, dense = engine.encoder.num_layers, engine.strategy("dense")
    if not flat:
        return [add([], layers) for _ in texts]
    batch = RaggedBatch.from_windows(flat)
    memory = MemoryBuffer.of(batch, engine.labels, layers)
    padded = (max(batch.lengths),) * len(batch.lengths)
    memory.layers.extend(LayerRun(number, padded, padded) for number in range(1, layers + 1))
    memory.heads.append(HeadOutput(layers, np.arange(len(batch.words)), torch.empty(0)))
    costs = [window_cost(engine.model, memory, window, dense) for window in range(len(flat))]
    ends = np.cumsum([len(of_text) for of_text in windows]).tolist()
    return [add(costs[end - len(of_text) : end], layers) for of_text, end in zip(windows, ends, strict=True)]
