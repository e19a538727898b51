"""Predicts what settings find and cost from one dense pass with every label head.

A pruned pass differs a little from the prediction, because words that exited are no longer attended to. The prediction
ranks hundreds of settings within minutes; `engine.training.agreement.measure` measures the best of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from engine.cli.progress import Progress
from engine.models.sizes import Sizes
from engine.pruning.cost import Cost
from engine.pruning.gate import Decision, GateView
from engine.pruning.record import GateRecord, Record
from engine.pruning.strategy import Strategy
from engine.pytorch.forward import forward
from engine.pytorch.gated import GatedModel
from engine.pytorch.packing import RaggedBatch, Words
from engine.text.labels import LabelSet
from engine.text.scoring import Counts
from engine.text.windows import Window, WordPieces
from engine.training.agreement import Reference, Trial
from engine.training.trainer import keep_all

WINDOWS = 8  # in a batch


@dataclass(frozen=True, eq=False)
class Signals:
    """What a gate says of the rows of its layer besides labels; see `engine.pruning.gate.RowSignals`."""

    change: np.ndarray


@dataclass(frozen=True, eq=False)
class DensePass:
    """A dense pass over the windows of a reference's texts, one after another, with a label head after every layer.

    ``reference``: the texts with their reference entities. ``wanted``: these in the form of `spans_of`.
    ``labels``, ``sizes``: those of the model.
    ``words``: the words of all windows. ``rows``: int64 ``(words,)``, the word pieces of each.
    ``heads``: layer → label distributions, float32 ``(words, labels)``.
    ``signals``: gate → signals from its layer's rows.
    ``own``: int64 ``(n,)``, the words by which windows label their texts, in order.
    ``text``: int64 ``(n,)``, the text of each of these.
    """

    reference: Reference
    wanted: np.ndarray
    labels: LabelSet
    sizes: Sizes
    words: Words
    rows: np.ndarray
    heads: dict[int, np.ndarray]
    signals: dict[int, Signals]
    own: np.ndarray
    text: np.ndarray

    @classmethod
    @torch.inference_mode()
    def run(cls, model: GatedModel, pieces: WordPieces, reference: Reference) -> DensePass:
        """Runs the texts of a reference through a model in PyTorch."""
        spans, of_texts = pieces.of_texts(reference.texts)
        windows = [window for of_text in of_texts for window in of_text]
        text = np.repeat(np.arange(len(spans)), [len(of_text) for of_text in spans])
        pairs = zip(spans, reference.documents, strict=True)
        wanted = np.concatenate([model.labels.encode(of_text, document.entities) for of_text, document in pairs])
        layers = model.encoder.num_layers
        heads: dict[int, list[np.ndarray]] = {layer: [] for layer in range(1, layers + 1)}
        changes: dict[int, list[np.ndarray]] = {layer: [] for layer in range(1, layers)}

        def record(gate: GateView) -> Decision:
            heads[gate.number].append(gate.probabilities.copy())
            changes[gate.number].append(gate.rows.change)
            return keep_all(gate)

        with Progress(f"Run every label head over {len(windows)} windows", len(windows)) as progress:
            for begin in range(0, len(windows), WINDOWS):
                batch = RaggedBatch.from_windows(windows[begin : begin + WINDOWS])
                memory = forward(model, batch, range(1, layers), record)
                heads[layers].append(memory.probabilities)
                progress.advance(len(batch.lengths))
        counts = np.array([window.words for window in windows])
        return cls(
            reference=reference,
            wanted=spans_of(wanted, text, model.labels),
            labels=model.labels,
            sizes=model.sizes,
            words=Words(np.repeat(np.arange(len(windows)), counts), counts),
            rows=np.concatenate([rows_of_words(window) for window in windows]),
            heads={layer: np.concatenate(parts) for layer, parts in heads.items()},
            signals={gate: Signals(np.concatenate(parts)) for gate, parts in changes.items()},
            own=own_words(windows, counts),
            text=text,
        )

    def predict(self, strategy: Strategy) -> Trial:
        """Predicts a setting's trial.

        A word keeps the label of the first gate at which the controller lets it exit.
        """
        record, rows, head_macs = self.prune(strategy)
        labels = record.probabilities.argmax(-1)
        recovered = 0
        if strategy.recovery is not None and (words := strategy.recovery.choose(record)).any():
            labels[words] = self.heads[self.sizes.layers][words].argmax(-1)
            rows += self.recovery_rows(record, words)
            recovered = len(np.unique(self.text[words[self.own]]))
        dense_rows = np.broadcast_to(self.window_rows(np.ones(len(self.words), dtype=bool)), rows.shape)
        cost = Cost(
            rows=tuple(rows.sum(1).tolist()),
            token_layers=int(rows.sum()),
            dense_token_layers=int(dense_rows.sum()),
            macs=self.layer_macs(rows) + head_macs,
            dense_macs=self.layer_macs(dense_rows) + len(self.words) * self.sizes.head_macs[-1],
        )
        return Trial(strategy, self.count(labels[self.own]), self.reference.dense, cost, recovered)

    def prune(self, strategy: Strategy) -> tuple[Record, np.ndarray, int]:
        """Returns the record of a pass, the rows of each layer, int64 ``(layers, windows)``, and the MACs of heads."""
        count, layers = len(self.words), self.sizes.layers
        alive, exit_at = np.ones(count, dtype=bool), np.full(count, layers)
        probabilities = np.zeros_like(self.heads[layers])
        gates: list[GateRecord] = []
        rows, head_macs = [], 0
        for layer in range(1, layers + 1):
            rows.append(self.window_rows(alive))
            if layer not in (*strategy.gates, layers) or not alive.any():
                continue
            reached = np.flatnonzero(alive)
            probabilities = probabilities.copy()
            probabilities[reached] = self.heads[layer][reached]
            head_macs += len(reached) * self.sizes.head_macs[layer - 1]
            if layer == layers:
                continue
            assert strategy.controller is not None, "a strategy with gates has a controller"
            gate = GateView(layer, len(gates), self.words, alive, probabilities, self.labels, rows=self.signals[layer])
            decision = enough_exits(strategy.controller(gate), gate, strategy.min_exit_ratio)
            gates.append(GateRecord(layer, reached, probabilities[reached], decision))
            alive = alive & ~decision.exits
            exit_at[decision.exits] = layer
        record = Record(
            words=self.words,
            rows=tuple(rows[0].tolist()),
            labels=self.labels,
            probabilities=probabilities,
            alive=alive,
            exit_at=exit_at,
            recovered=np.zeros(count, dtype=bool),
            gates=gates,
        )
        return record, np.stack(rows), head_macs

    def recovery_rows(self, record: Record, words: np.ndarray) -> np.ndarray:
        """The rows of each layer, int64 ``(layers, windows)``, that recovery of words, bool ``(words,)``, computes.

        A window runs again from the gate at which the first of its recovered words exited.
        """
        layers, window = self.sizes.layers, self.words.window
        start = np.full(len(self.words.counts), layers)
        np.minimum.at(start, window[words], record.exit_at[words])
        ends = np.where(words, layers, record.exit_at)
        return np.stack([self.window_rows((ends >= layer) & (start < layer)[window]) for layer in range(1, layers + 1)])

    def window_rows(self, alive: np.ndarray) -> np.ndarray:
        """The rows of each window, int64 ``(windows,)``, in which words are ``alive``, bool ``(words,)``."""
        pieces = np.bincount(self.words.window, self.rows * alive, minlength=len(self.words.counts)).astype(np.int64)
        return pieces + 2 * (pieces > 0)  # CLS and SEP

    def layer_macs(self, rows: np.ndarray) -> int:
        """MACs of all layers, given their rows ``(layers, windows)``."""
        row_macs = np.array(self.sizes.row_macs)[:, None]
        return int((rows * (row_macs + 2 * self.sizes.hidden * rows)).sum())

    def count(self, labels: np.ndarray) -> tuple[Counts, ...]:
        """Counts the matches of each text, given the labels of all texts' words, int64 ``(n,)``."""
        spans = spans_of(labels, self.text, self.labels)
        kinds = (spans == self.wanted) & (spans > 0), spans > 0, self.wanted > 0
        numbers = (np.bincount(self.text[kind], minlength=len(self.reference.documents)).tolist() for kind in kinds)
        return tuple(map(Counts, *numbers))


def spans_of(labels: np.ndarray, text: np.ndarray, label_set: LabelSet) -> np.ndarray:
    """For each word that begins an entity, a number for the entity's type and end; 0 for all other words.

    All arrays are int64 ``(words,)``. ``text`` is the number of each word's text.
    """
    continues = label_set.continues(labels)
    continues[1:] &= text[1:] == text[:-1]
    begins = np.flatnonzero((labels > 0) & ~continues)
    bounds = np.append(np.flatnonzero(~continues), len(labels))
    ends = bounds[np.searchsorted(bounds, begins, side="right")]
    types = np.array([label_set.types.index(label_set.type_of(label)) for label in labels[begins]], dtype=np.int64)
    spans = np.zeros(len(labels), dtype=np.int64)
    spans[begins] = ends * len(label_set) + types
    return spans


def enough_exits(decision: Decision, gate: GateView, min_exit_ratio: float) -> Decision:
    """Lets no word exit in windows where too few would, see `Strategy.min_exit_ratio`."""
    window, windows = gate.words.window, len(gate.words.counts)
    exiting = np.bincount(window[decision.exits], minlength=windows)
    alive = np.bincount(window[gate.alive], minlength=windows)
    enough = (exiting / gate.words.counts >= min_exit_ratio) | (exiting == alive)
    return Decision(decision.exits & enough[window], decision.importance)


def rows_of_words(window: Window) -> np.ndarray:
    """The number of word pieces of each word of a window, int64 ``(words,)``."""
    return np.bincount(window.word[window.word >= 0], minlength=window.words)


def own_words(windows: Sequence[Window], counts: np.ndarray) -> np.ndarray:
    """The words, among those of all windows, by which windows label their texts, int64 ``(n,)``."""
    firsts = counts.cumsum() - counts
    parts = [
        np.arange(window.own, window.own_end) - window.first + first
        for window, first in zip(windows, firsts, strict=True)
    ]
    return np.concatenate(parts)
