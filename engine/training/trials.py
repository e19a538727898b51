"""Trials of settings: how much each loses against a reference, what it costs, and which becomes an operating point.

The reference is gold, or the entities that the dense pass finds; everything else is the same.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from engine.data.corpora import Corpus
from engine.errors import InputError
from engine.inspection.cost import Cost, add, window_cost
from engine.model.chunks import by_text
from engine.model.encoders import Encoder
from engine.model.packing import RaggedBatch
from engine.pruning.forward import run
from engine.pruning.memory import MemoryBuffer
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.tagger import Engine
from engine.text.documents import Document, Entity
from engine.text.scoring import Counts, count_documents, f1_difference_error, perfect
from engine.text.words import words_of

SLACK = 0.03  # MACs cannot tell finer differences in speed
CALL = 32  # texts that are measured together; the deadline is checked before each call
MIN_FIRED = 0.02  # share of the documents in which recovery must fire
PACED = 8  # texts after which a dense pass over held-out texts may end


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference entities that predictions are scored against.

    ``documents``: the texts with these entities.
    ``types``: the entity types that count.
    ``dense``: TP, predictions and reference entities of the dense pass in each document.
    """

    documents: Sequence[Document]
    types: tuple[str, ...]
    dense: tuple[Counts, ...]

    @classmethod
    def gold(cls, engine: Engine, corpus: Corpus) -> Reference:
        """Takes a corpus' gold as reference; a loss is the F1 of the dense pass minus that of a setting."""
        unscored = cls(corpus.documents, corpus.types, ())
        (dense,) = measure(engine, unscored, [Strategy("dense")], progress="dense pass")
        if not any(of.correct for of in dense.counts):
            raise InputError(
                f"expected gold entities of {corpus.name} that {engine.source!r} finds, got none; choose documents "
                f"with entities of its types, {', '.join(engine.labels.types)}"
            )
        return replace(unscored, dense=dense.counts)

    @classmethod
    def agreement(cls, engine: Engine, texts: Sequence[str], needed: int = 0, until: float = math.inf) -> Reference:
        """Takes the entities of an engine's dense pass as reference; a loss is 100 minus the agreement with them.

        After a time by `time.monotonic`, the pass ends as soon as as many of the first texts as ``needed`` are done.
        """
        documents: list[Document] = []
        for begin in tqdm(range(0, len(texts), PACED), desc="dense pass", disable=None):
            results = engine.tag_batch(texts[begin : begin + PACED], "dense")
            documents += [Document(str(begin + i), one.text, one.entities) for i, one in enumerate(results, start=1)]
            if len(documents) >= needed and time.monotonic() > until:
                break
        reference = cls.of_found(documents, engine.labels.types)
        if not any(of.gold for of in reference.dense):
            raise InputError(
                f"expected entities in the {len(documents)} held-out texts, got none found by {engine.source!r}; "
                "choose texts of the kind that it is made for"
            )
        return reference

    @classmethod
    def of_found(cls, documents: Sequence[Document], types: tuple[str, ...]) -> Reference:
        """Takes documents with the entities that the dense pass found in them."""
        return cls(documents, types, tuple(perfect(count_documents(documents, [()] * len(documents), types))))

    def shuffled(self, seed: int) -> Reference:
        """Returns the reference in random order, so that its first documents are a sample."""
        order = random.Random(seed).sample(range(len(self.documents)), len(self.documents))
        return replace(self, documents=[self.documents[i] for i in order], dense=tuple(self.dense[i] for i in order))

    def to_json(self) -> dict[str, Any]:
        """Converts documents that the dense pass found entities in, and their types, to a JSON object."""
        found = [{"text": one.text, "entities": [entity.key for entity in one.entities]} for one in self.documents]
        return {"types": self.types, "documents": found}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Reference:
        """The inverse of `to_json`; ignores other keys."""
        documents = []
        for number, one in enumerate(record["documents"], start=1):
            text = one["text"]
            entities = tuple(Entity(start, end, type_, text[start:end]) for start, end, type_ in one["entities"])
            documents.append(Document(str(number), text, entities))
        return cls.of_found(documents, tuple(record["types"]))


@dataclass(frozen=True, eq=False)
class Trial:
    """A setting on consecutive documents of a reference.

    ``counts``, ``dense``: TP, predictions and reference entities in each document, of the setting and of dense.
    ``cost``: cost of all of them together.
    ``fired``: number of documents in which words came back.
    """

    strategy: Strategy
    counts: tuple[Counts, ...]
    dense: tuple[Counts, ...]
    cost: Cost
    fired: int = 0

    @property
    def f1(self) -> float:
        """Exact-span micro F1, 0–1."""
        return Counts.total(self.counts).f1

    @property
    def theoretical_speedup(self) -> float:
        """Dense ÷ own MACs."""
        return self.cost.theoretical_speedup

    @property
    def fires(self) -> bool:
        """Whether words come back in enough documents, if the setting has recovery."""
        return self.strategy.recovery is None or self.fired >= MIN_FIRED * len(self.counts)

    @property
    def qualifies(self) -> bool:
        """Whether it removes anything, is faster than dense in theory, and recovers, as an operating point must."""
        cost = self.cost
        return cost.token_layers < cost.dense_token_layers and cost.macs < cost.dense_macs and self.fires

    @property
    def loss(self) -> float:
        """F1 lost against dense, in pp."""
        return (Counts.total(self.dense).f1 - self.f1) * 100

    @property
    def loss_error(self) -> float:
        """Standard error of the loss by document, in pp; infinite if there are no entities."""
        return f1_difference_error(self.counts, self.dense) * 100

    @property
    def loss_bound(self) -> float:
        """The loss plus its standard error, in pp."""
        return self.loss + self.loss_error

    def to_json(self) -> dict[str, Any]:
        """Converts the trial to a JSON object, without the counts of dense."""
        counts = [[of.correct, of.predicted, of.gold] for of in self.counts]
        return {"strategy": self.strategy.to_json(), "counts": counts, "cost": asdict(self.cost), "fired": self.fired}

    @classmethod
    def from_json(cls, record: dict[str, Any], dense: tuple[Counts, ...]) -> Trial:
        """The inverse of `to_json`, given the counts of dense in these documents, or in more that begin with them."""
        cost = Cost(**record["cost"] | {"rows": tuple(record["cost"]["rows"])})
        counts = tuple(Counts(*of) for of in record["counts"])
        return cls(Strategy.from_json(record["strategy"]), counts, dense[: len(counts)], cost, record["fired"])

    def joined(self, other: Trial) -> Trial:
        """Appends a trial of the same setting on the documents that follow."""
        cost = add([self.cost, other.cost], len(self.cost.rows))
        return Trial(
            self.strategy, self.counts + other.counts, self.dense + other.dense, cost, self.fired + other.fired
        )


class OutOfTimeError(Exception):
    """The time for trials is used up."""


class _SharedLayers:
    """Stands in for an encoder in passes over one batch: computes layers over all its rows once for all settings.

    Until words exit at a gate, all settings see the same hidden states.
    """

    def __init__(self, encoder: Encoder, batch: RaggedBatch) -> None:
        self._encoder, self._batch = encoder, batch
        self._embedded: Tensor | None = None
        self._outputs: dict[int, Any] = {}
        self.num_layers = encoder.num_layers

    def embed(self, batch: RaggedBatch) -> Tensor:
        """Hidden states before layer 1."""
        if self._embedded is None:
            self._embedded = self._encoder.embed(batch)
        return self._embedded

    def layer(self, number: int, hidden: Tensor, batch: RaggedBatch) -> Any:
        """Runs a layer, unless it has already run on the whole batch."""
        if batch is not self._batch:
            return self._encoder.layer(number, hidden, batch)
        if number not in self._outputs:
            self._outputs[number] = self._encoder.layer(number, hidden, batch)
        return self._outputs[number]


@torch.inference_mode()
def measure(
    engine: Engine,
    reference: Reference,
    strategies: Sequence[Strategy],
    begin: int = 0,
    end: int | None = None,
    *,
    progress: str = "",
    deadline: float = math.inf,
) -> list[Trial]:
    """Runs settings on documents ``[begin, end)`` of a reference, with the same results as `Engine.tag_batch`.

    Settings share the layers that they have in common. ``progress`` is the name of the progress bar; without one there
    is none. ``deadline`` is the latest time by `time.monotonic`.
    """
    documents, dense, model = reference.documents[begin:end], reference.dense[begin:end], engine.model
    complete = [engine.strategy(strategy) for strategy in strategies]  # with the network of `mlp`

    def run_all(batch: RaggedBatch) -> list[MemoryBuffer]:
        encoder = _SharedLayers(model.encoder, batch)
        shared: Any = SimpleNamespace(encoder=encoder, labels=model.labels, logits=model.logits)
        return [run(shared, batch, strategy) for strategy in complete]

    layers = engine.sizes.layers
    trials = [Trial(strategy, (), (), add([], layers)) for strategy in strategies]
    for at in tqdm(range(0, len(documents), CALL), desc=progress, disable=None if progress else True):
        if time.monotonic() > deadline:
            raise OutOfTimeError
        call = documents[at : at + CALL]
        texts = [document.text for document in call]
        spans, windows = engine.pieces.of_texts(texts)
        passes = list(engine.pytorch.passes(windows, run_all))
        for number, strategy in enumerate(complete):
            memories = [(chunk, of_settings[number]) for chunk, of_settings in passes]
            found = by_text(
                ((chunk, memory.probabilities) for chunk, memory in memories), len(call), len(engine.labels)
            )
            entities = [engine.labels.decode(*one) for one in zip(texts, spans, found, strict=True)]
            counts = tuple(count_documents(call, entities, reference.types))
            slots = [(slot, memory) for chunk, memory in memories for slot in chunk.slots]
            cost = add([window_cost(engine.sizes, memory, slot.index, strategy) for slot, memory in slots], layers)
            fired = len({slot.text for slot, memory in slots if memory.recovered[slot.own].any()})
            of_call = Trial(strategies[number], counts, dense[at : at + CALL], cost, fired)
            trials[number] = trials[number].joined(of_call)
    return trials


def enough_texts(texts: Sequence[str], words: int) -> int:
    """Returns how many of the first texts have this many words together."""
    return 1 + sum(total < words for total in accumulate(len(words_of(text)) for text in texts))


def f1_of(engine: Engine, corpus: Corpus, strategy: Strategy) -> float:
    """Exact-span micro F1 on a corpus, 0–1."""
    reference = Reference(corpus.documents, corpus.types, ())
    return measure(engine, reference, [strategy], progress=f"F1 of {strategy.name}")[0].f1


def choose(trials: Sequence[Trial], limits: Sequence[float]) -> dict[str, Trial]:
    """Maps each operating point to the fastest setting whose loss plus standard error is within its limit, in pp.

    The best of many settings owes part of its F1 to chance, hence the standard error (Breiman et al. 1984). Settings
    within `SLACK` of the fewest MACs count as equally fast; the one with the smallest such sum is taken. An operating
    point whose limit no setting meets is left out.
    """
    chosen = {}
    bounds = {one: one.loss_bound for one in trials if one.qualifies}
    for point, limit in zip(OPERATING_POINTS, limits, strict=True):
        within = [one for one in bounds if bounds[one] <= limit]
        if within:
            fastest = max(one.theoretical_speedup for one in within)
            nearly = [one for one in within if one.theoretical_speedup >= (1 - SLACK) * fastest]
            best = min(nearly, key=lambda one: (bounds[one], -one.theoretical_speedup))
            chosen[point] = replace(best, strategy=replace(best.strategy, point=point))
    return chosen
