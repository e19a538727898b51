"""Operating points: what settings lose against a reference, and the fastest within each limit.

The reference is gold, or what the dense pass finds; everything else is the same.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from engine.checkpoint import POINTS
from engine.checksums import updating
from engine.data.corpora import Corpus
from engine.errors import InputError
from engine.inspection.cost import Cost, add
from engine.pruning.resolve import OPERATING_POINTS
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from engine.text.documents import Document
from engine.text.scoring import Counts, count_documents, f1_difference_error, perfect

FRONTIER = "frontier.csv"
# Of `FRONTIER`.
COLUMNS = (
    "strategy",
    "settings",
    "f1",
    "f1_drop_points",
    "f1_drop_error",
    "token_layers_kept",
    "theoretical_speedup",
)
SLACK = 0.03  # MACs cannot tell finer differences in speed
CALL = 32  # texts
LOOKS = 8  # texts after which a pass may end


@dataclass(frozen=True, eq=False)
class Reference:
    """What the entities found are counted against.

    ``documents``: with the entities of the reference.
    ``types``: those that count.
    ``dense``: counts, in each document, at zero loss.
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
            enough: given a number of first texts, whether they suffice.

        Raises:
            InputError: it finds nothing.
        """
        documents, types = dense_documents(engine, texts, enough), engine.labels.types
        dense = perfect(count_documents(documents, [()] * len(documents), types))
        if not any(of.gold for of in dense):
            raise InputError(
                f"expected entities in the {len(documents)} texts held out, got none found by {engine.source!r}; "
                "choose texts of the kind that it is made for"
            )
        return cls(documents, types, tuple(dense))

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
class Tried:
    """A setting on the first documents of a reference.

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

    def loss(self, reference: Reference) -> float:
        """Points of F1 lost against dense on the same documents."""
        return (Counts.total(reference.dense[: len(self.counts)]).f1 - self.f1) * 100

    def loss_error(self, reference: Reference) -> float:
        """The standard error of the loss by document, in points; infinite if there are no entities."""
        return f1_difference_error(self.counts, reference.dense[: len(self.counts)]) * 100

    def loss_bound(self, reference: Reference) -> float:
        """The loss plus its standard error."""
        return self.loss(reference) + self.loss_error(reference)


def measure(
    engine: Engine,
    reference: Reference,
    strategy: Strategy,
    begin: int = 0,
    end: int | None = None,
    progress: str = "",
) -> Tried:
    """Counts and cost of one setting on documents ``[begin, end)`` of the reference; ``progress`` names its bar."""
    documents = reference.documents[begin:end]
    counts: list[Counts] = []
    costs, fired = [], 0
    for at in tqdm(range(0, len(documents), CALL), desc=progress, disable=None if progress else True):
        call = documents[at : at + CALL]
        results = engine.tag_batch([document.text for document in call], strategy, batch_size=CALL)
        counts += count_documents(call, [result.entities for result in results], reference.types)
        costs += [result.cost for result in results]
        fired += sum(result.recovered for result in results)
    return Tried(strategy, tuple(counts), add(costs, engine.encoder.num_layers), fired)


def stored_points(engine: Engine, name: str) -> list[Strategy]:
    """The operating points that the weights have for a strategy."""
    return [Strategy.from_json(settings) for settings in engine.points.get(name, {}).values()]


def choose(
    tried: Sequence[Tried], reference: Reference, max_drops: Sequence[float], slack: float = 0.0
) -> dict[str, Tried]:
    """The fastest setting whose loss plus standard error lies within each drop; a point that none reaches is left out.

    The best of many settings owes part of its F1 to chance, hence the standard error (Breiman et al. 1984).

    Args:
        tried: settings to choose from, each on all documents.
        reference: what they were counted against.
        max_drops: for each point, in points of F1.
        slack: settings slower by at most this share count as equally fast; of these the one with the smallest
            such sum is taken.
    """
    chosen = {}
    bounds = {one: one.loss_bound(reference) for one in tried}
    for point, drop in zip(OPERATING_POINTS, max_drops, strict=True):
        within = [one for one in tried if bounds[one] <= drop]
        if within:
            fastest = max(one.theoretical_speedup for one in within)
            nearly = [one for one in within if one.theoretical_speedup >= (1 - slack) * fastest]
            best = min(nearly, key=lambda one: (bounds[one], -one.theoretical_speedup))
            chosen[point] = replace(best, strategy=replace(best.strategy, point=point))
    return chosen


def store_points(folder: Path, points: Mapping[str, Mapping[str, dict[str, Any]]]) -> None:
    """Writes ``operating_points.json`` and its checksum to a model folder; what it holds for other strategies stays.

    Args:
        folder: of the model.
        points: strategy → operating point → settings; strategies without points are left out.
    """
    path = folder / POINTS
    stored = json.loads(path.read_text()) if path.is_file() else {}
    with updating(folder, POINTS) as fresh:
        fresh.write_text(json.dumps({name: of for name, of in {**stored, **points}.items() if of}, indent=2) + "\n")


def store_frontier(folder: Path, tried: Mapping[str, tuple[Reference, Sequence[Tried]]]) -> None:
    """Writes all settings tried to ``frontier.csv``, and its checksum; what it holds for other strategies stays.

    Args:
        folder: of the model.
        tried: for each strategy searched, the reference and the settings that ran on all of it.
    """
    rows = [
        {
            "strategy": name,
            "settings": json.dumps(one.strategy.to_json()),
            "f1": f"{one.f1:.5f}",
            "f1_drop_points": f"{one.loss(reference):.5f}",
            "f1_drop_error": f"{one.loss_error(reference):.5f}",
            "token_layers_kept": f"{one.cost.token_layers_kept:.5f}",
            "theoretical_speedup": f"{one.theoretical_speedup:.5f}",
        }
        for name, (reference, of) in tried.items()
        for one in of
    ]
    frontier = folder / FRONTIER
    if frontier.is_file():
        with frontier.open(newline="") as file:
            stored = csv.DictReader(file)
            if stored.fieldnames == list(COLUMNS):  # not from an older version
                rows = [row for row in stored if row["strategy"] not in tried] + rows
    with updating(folder, FRONTIER) as fresh, fresh.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
