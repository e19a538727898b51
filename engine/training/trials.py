"""Trials of settings: how much each loses against a reference, what it costs, and which becomes an operating point.

The reference is gold, or what the dense pass finds; everything else is the same.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from engine.data.corpora import Corpus
from engine.errors import InputError
from engine.inspection.cost import Cost, add, window_cost
from engine.model.chunks import by_text, chunks
from engine.model.gated import GatedModel
from engine.model.packing import RaggedBatch
from engine.pruning.forward import run
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import OPERATING_POINTS
from engine.tagger import MAX_ROWS, Engine
from engine.text.documents import Document
from engine.text.scoring import Counts, count_documents, f1_difference_error, perfect
from engine.text.words import split_words

SLACK = 0.03  # MACs cannot tell finer differences in speed
CALL = 32  # texts
LOOKS = 8  # texts after which a dense pass may end


@dataclass(frozen=True, eq=False)
class Reference:
    """What the entities found are counted against.

    ``documents``: with the entities of the reference.
    ``types``: those that count.
    ``dense``: counts of the dense pass in each document.
    """

    documents: Sequence[Document]
    types: tuple[str, ...]
    dense: tuple[Counts, ...]

    @classmethod
    def gold(cls, engine: Engine, corpus: Corpus) -> Reference:
        """The corpus' gold; a loss is F1 of the dense pass minus F1.

        Raises:
            InputError: the dense pass finds nothing of it.
        """
        found = dense_documents(engine, [document.text for document in corpus.documents])
        counts = count_documents(corpus.documents, [document.entities for document in found], corpus.types)
        if not any(of.correct for of in counts):
            raise InputError(
                f"expected gold entities of {corpus.name} that {engine.source!r} finds, got none; choose documents "
                f"with entities of its types, {', '.join(engine.labels.types)}"
            )
        return cls(corpus.documents, corpus.types, tuple(counts))

    @classmethod
    def agreement(
        cls, engine: Engine, texts: Sequence[str], enough: Callable[[int], bool] = lambda done: False
    ) -> Reference:
        """What the engine's dense pass finds in texts; a loss is 100 minus the agreement, F1 against it.

        Args:
            engine: to agree with.
            texts: to find entities in.
            enough: says whether this many of the texts, the first ones, suffice.

        Raises:
            InputError: it finds nothing.
        """
        documents = dense_documents(engine, texts, enough)
        reference = cls.of_found(documents, engine.labels.types)
        if not any(of.gold for of in reference.dense):
            raise InputError(
                f"expected entities in the {len(documents)} texts held out, got none found by {engine.source!r}; "
                "choose texts of the kind that it is made for"
            )
        return reference

    @classmethod
    def of_found(cls, documents: Sequence[Document], types: tuple[str, ...]) -> Reference:
        """Documents with what the dense pass found in them."""
        return cls(documents, types, tuple(perfect(count_documents(documents, [()] * len(documents), types))))

    def first(self, count: int) -> Reference:
        """Its first documents."""
        return replace(self, documents=self.documents[:count], dense=self.dense[:count])

    def shuffled(self, seed: int) -> Reference:
        """The same in random order, so that its first documents are a sample."""
        order = random.Random(seed).sample(range(len(self.documents)), len(self.documents))
        return replace(self, documents=[self.documents[i] for i in order], dense=tuple(self.dense[i] for i in order))


def dense_documents(
    engine: Engine, texts: Sequence[str], enough: Callable[[int], bool] = lambda done: False
) -> list[Document]:
    """Texts with what the dense pass finds in them; ``enough`` says whether the first ones suffice."""
    documents: list[Document] = []
    for begin in tqdm(range(0, len(texts), LOOKS), desc="dense pass", disable=None):
        results = engine.tag_batch(texts[begin : begin + LOOKS], "dense")
        documents += [Document(str(begin + i), one.text, one.entities) for i, one in enumerate(results, start=1)]
        if enough(len(documents)):
            break
    return documents


@dataclass(frozen=True, eq=False)
class Trial:
    """A setting on consecutive documents of a reference, from the first one on.

    ``counts``: in each document.
    ``cost``: of all of them together.
    ``fired``: in how many documents words came back.
    """

    strategy: Strategy
    counts: tuple[Counts, ...]
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
    def saves(self) -> bool:
        """Whether it removes anything, and is faster than dense in theory: others are no operating points."""
        return self.cost.token_layers < self.cost.dense_token_layers and self.cost.macs < self.cost.dense_macs

    def loss(self, reference: Reference) -> float:
        """F1 lost against dense on the same documents, in pp."""
        return (Counts.total(reference.dense[: len(self.counts)]).f1 - self.f1) * 100

    def loss_error(self, reference: Reference) -> float:
        """The standard error of the loss by document, in pp; infinite if there are no entities."""
        return f1_difference_error(self.counts, reference.dense[: len(self.counts)]) * 100

    def loss_bound(self, reference: Reference) -> float:
        """The loss plus its standard error, in pp."""
        return self.loss(reference) + self.loss_error(reference)

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        counts = [[of.correct, of.predicted, of.gold] for of in self.counts]
        return {"strategy": self.strategy.to_json(), "counts": counts, "cost": asdict(self.cost), "fired": self.fired}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Trial:
        """The inverse of `to_json`; ignores other keys."""
        cost = Cost(**record["cost"] | {"rows": tuple(record["cost"]["rows"])})
        counts = tuple(Counts(*of) for of in record["counts"])
        return cls(Strategy.from_json(record["strategy"]), counts, cost, record["fired"])

    def joined(self, other: Trial) -> Trial:
        """With the same setting on the documents that follow."""
        cost = add([self.cost, other.cost], len(self.cost.rows))
        return replace(self, counts=self.counts + other.counts, cost=cost, fired=self.fired + other.fired)


class OutOfTimeError(Exception):
    """The time for trials is over."""


class _SharedLayers:
    """Stands in for a model's encoder in a pass: layers over all rows of a batch are computed once for all settings.

    Until something exits at a gate, all settings see the same hidden states.
    """

    def __init__(self, model: GatedModel, batch: RaggedBatch) -> None:
        self._encoder, self._batch = model.encoder, batch
        self._embedded: Tensor | None = None
        self._outputs: dict[int, Any] = {}
        self.num_layers = model.encoder.num_layers

    def embed(self, batch: RaggedBatch) -> Tensor:
        """Hidden states before layer 1."""
        if self._embedded is None:
            self._embedded = self._encoder.embed(batch)
        return self._embedded

    def layer(self, number: int, hidden: Tensor, batch: RaggedBatch) -> Any:
        """Runs a layer, unless it ran on this whole batch before."""
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
    deadline: float | None = None,
) -> list[Trial]:
    """Runs settings on documents ``[begin, end)`` of the reference; results are those of `Engine.tag_batch`.

    Args:
        engine: what runs them.
        reference: what they are counted against.
        strategies: the settings, which share what they have in common.
        begin, end: which documents.
        progress: name of the progress bar; without one there is none.
        deadline: by `time.monotonic`.

    Raises:
        OutOfTimeError: the deadline passed before all documents were done.
    """
    documents, model = reference.documents[begin:end], engine.model
    complete = [engine.strategy(strategy) for strategy in strategies]  # with the network
    counts: list[list[Counts]] = [[] for _ in strategies]
    costs: list[list[Cost]] = [[] for _ in strategies]
    fired = [0] * len(strategies)
    for at in tqdm(range(0, len(documents), CALL), desc=progress, disable=None if progress else True):
        if deadline is not None and time.monotonic() > deadline:
            raise OutOfTimeError
        call = documents[at : at + CALL]
        words = [split_words(document.text) for document in call]
        pairs = list(zip(call, words, strict=True))
        windows = [engine.pieces.windows([one.text[start:stop] for start, stop in spans]) for one, spans in pairs]
        found: list[list[Any]] = [[] for _ in strategies]
        recovered: list[set[int]] = [set() for _ in strategies]
        for chunk in chunks(windows, MAX_ROWS):
            shared: Any = SimpleNamespace(
                encoder=_SharedLayers(model, chunk.batch), labels=model.labels, logits=model.logits
            )
            for number, strategy in enumerate(complete):
                memory = run(shared, chunk.batch, strategy)
                found[number].append((chunk, memory.probabilities))
                costs[number] += [window_cost(model, memory, slot.index, strategy) for slot in chunk.slots]
                recovered[number] |= {slot.text for slot in chunk.slots if memory.recovered[slot.own].any()}
        for number, of_setting in enumerate(found):
            probabilities = by_text(of_setting, len(call), len(engine.labels))
            entities = [
                engine.labels.decode(one.text, spans, of_text)
                for (one, spans), of_text in zip(pairs, probabilities, strict=True)
            ]
            counts[number] += count_documents(call, entities, reference.types)
            fired[number] += len(recovered[number])
    return [
        Trial(strategy, tuple(counts[number]), add(costs[number], engine.encoder.num_layers), fired[number])
        for number, strategy in enumerate(strategies)
    ]


def f1_of(engine: Engine, corpus: Corpus, strategy: Strategy) -> float:
    """Exact-span micro F1 on a corpus, 0–1."""
    reference = Reference(corpus.documents, corpus.types, ())
    return measure(engine, reference, [strategy], progress=f"F1 of {strategy.name}")[0].f1


def choose(trials: Sequence[Trial], reference: Reference, limits: Sequence[float]) -> dict[str, Trial]:
    """The fastest settings whose loss plus standard error is within each limit; leaves points without any out.

    The best of many settings owes part of its F1 to chance, hence the standard error (Breiman et al. 1984). Settings
    within `SLACK` of the fewest MACs count as equally fast: of these the one with the smallest such sum is taken.

    Args:
        trials: settings to choose from.
        reference: what they were counted against.
        limits: for each operating point, in pp.
    """
    chosen = {}
    bounds = {one: one.loss_bound(reference) for one in trials if one.saves}
    for point, limit in zip(OPERATING_POINTS, limits, strict=True):
        within = [one for one in bounds if bounds[one] <= limit]
        if within:
            fastest = max(one.theoretical_speedup for one in within)
            nearly = [one for one in within if one.theoretical_speedup >= (1 - SLACK) * fastest]
            best = min(nearly, key=lambda one: (bounds[one], -one.theoretical_speedup))
            chosen[point] = replace(best, strategy=replace(best.strategy, point=point))
    return chosen
