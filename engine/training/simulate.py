"""Tries settings without running the encoder, by playing back the heads' output for every word.

A dense pass records all heads on some documents. The usual pruned pass then runs on a model whose hidden states are
word numbers and whose heads look up the recording. Unlike in a real run, the other words still attend to those that
have left, so this only ranks settings, and the promising ones are then measured. Compared with the encoder, it takes
almost no time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from engine.inspection.cost import add, window_cost
from engine.model.chunks import Chunk, by_text, chunks
from engine.model.gated import GatedModel
from engine.pruning.controllers import EntropyController, LearnedController
from engine.pruning.controllers.mlp import Network
from engine.pruning.forward import forward, run
from engine.pruning.gate import Decision, Gate
from engine.pruning.strategy import Strategy
from engine.tagger import MAX_ROWS, Engine
from engine.text.scoring import count_documents
from engine.text.words import split_words
from engine.training.points import Reference, Tried
from engine.training.sampling import all_stay


def can_simulate(strategy: Strategy) -> bool:
    """Whether everything that the strategy looks at is recorded: label distributions, and the risk of ``mlp``."""
    known = isinstance(strategy.controller, EntropyController | LearnedController)
    return known and strategy.recovery is None


class Simulator:
    """Plays back the first documents of a reference.

    Args:
        engine: whose dense pass is recorded.
        reference: what is counted against.
    """

    def __init__(self, engine: Engine, reference: Reference) -> None:
        self.engine, self.reference = engine, reference
        texts = [document.text for document in reference.documents]
        self.words = [split_words(text) for text in texts]
        windows = [
            engine.pieces.windows([text[start:end] for start, end in spans])
            for text, spans in zip(texts, self.words, strict=True)
        ]
        parts = list(chunks(windows, MAX_ROWS))
        self.played = [_record(engine, chunk) for chunk in tqdm(parts, desc="recording heads", disable=None)]

    def measure(self, strategy: Strategy) -> Tried:
        """Counts and cost according to the recording."""
        labels, texts = self.engine.labels, [document.text for document in self.reference.documents]
        complete = self.engine.strategy(strategy)  # with the network, whose features cost something
        found, costs = [], []
        for played in self.played:
            memory = run(played.model, played.chunk.batch, played.with_network(strategy))
            found.append((played.chunk, memory.probabilities))
            costs += [window_cost(played.model, memory, slot.index, complete) for slot in played.chunk.slots]
        probabilities = by_text(found, len(texts), len(labels))
        entities = [labels.decode(*one) for one in zip(texts, self.words, probabilities, strict=True)]
        counts = count_documents(self.reference.documents, entities, self.reference.types)
        return Tried(strategy, tuple(counts), add(costs, self.engine.encoder.num_layers))


@dataclass(frozen=True, eq=False)
class Played:
    """A chunk, a model that plays it back, and at each gate the risk, float ``(words,)``, that ``mlp`` sees."""

    chunk: Chunk
    model: Any
    risks: dict[int, np.ndarray]

    def with_network(self, strategy: Strategy) -> Strategy:
        """The strategy, with recorded risks in place of the network."""
        if not isinstance(strategy.controller, LearnedController):
            return strategy
        network: Any = SimpleNamespace(names=(), risk=lambda gate: self.risks[gate.number])
        return replace(strategy, controller=replace(strategy.controller, network=network))


class PlayedModel:
    """Stands in for a `GatedModel` in `forward`; its hidden states are ``(rows, 1)``, the word of each row.

    Args:
        model: that was recorded.
        logits: layer → ``(words, labels)``.
    """

    def __init__(self, model: GatedModel, logits: dict[int, Tensor]) -> None:
        self.labels, self._logits = model.labels, logits
        self.head_macs = model.head_macs
        encoder = model.encoder
        self.encoder = SimpleNamespace(
            num_layers=encoder.num_layers,
            hidden_size=encoder.hidden_size,
            layer_macs=encoder.layer_macs,
            embed=lambda batch: torch.from_numpy(batch.word).unsqueeze(1),
            layer=lambda number, hidden, batch: SimpleNamespace(hidden=hidden, attention=None),
        )

    def logits(self, number: int, hidden: Tensor) -> Tensor:
        """The recorded logits of these words."""
        return self._logits[number][hidden[:, 0]]


@torch.inference_mode()
def _record(engine: Engine, chunk: Chunk) -> Played:
    risks: dict[int, np.ndarray] = {}

    def note(gate: Gate) -> Decision:
        if isinstance(engine.network, Network) and gate.number in engine.network.layers:
            risks[gate.number] = engine.network.risk(gate)
        return all_stay(gate)

    memory = forward(engine.model, chunk.batch, range(1, engine.encoder.num_layers), note)
    logits = {head.number: head.logits.float().cpu() for head in memory.heads}
    return Played(chunk, PlayedModel(engine.model, logits), risks)
