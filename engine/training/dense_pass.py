"""Predicts what settings find and cost from one dense pass with every label head.

A pruned pass differs a little from the prediction, because words that exited are no longer attended to. The prediction
ranks hundreds of settings within minutes; `engine.training.agreement.measure` measures the best of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from engine.cli.progress import Progress
from engine.pruning.controllers import Decider
from engine.pruning.cost import Cost, Sizes
from engine.pruning.gate import OF_LAYER, ArrayGate, Decision, Gate, Words
from engine.pruning.record import GateRecord, Record
from engine.pruning.strategy import Strategy
from engine.pytorch.forward import KeepAll, forward
from engine.pytorch.model import GatedModel
from engine.pytorch.packing import RaggedBatch
from engine.text.labels import LabelSet
from engine.text.scoring import Counts
from engine.text.windows import Window, WordPieces
from engine.training.agreement import Reference, Trial

WINDOWS = 8  # in a batch


class Recorder(KeepAll):
    """Lets no word exit, and keeps what each gate offers: its probabilities and some signals of its layer."""

    kind = "recorder"

    def __init__(self, layers: int, signals: Iterable[str]) -> None:
        self._signals = OF_LAYER.intersection(signals)
        self.heads: dict[int, list[np.ndarray]] = {layer: [] for layer in range(1, layers + 1)}
        self.read: dict[int, dict[str, list[np.ndarray]]] = {
            gate: {name: [] for name in self.signals} for gate in range(1, layers)
        }

    @property
    def signals(self) -> frozenset[str]:
        """The signals of layers that it keeps."""
        return self._signals

    def decide(self, gate: Gate) -> Decision:
        """Records a gate."""
        assert isinstance(gate, ArrayGate)
        self.heads[gate.number].append(gate.probabilities)
        for name, values in self.read[gate.number].items():
            values.append(getattr(gate, name))
        return super().decide(gate)


@dataclass(frozen=True, eq=False)
class DensePass:
    """A dense pass over the windows of a reference's texts, one after another, with a label head after every layer.

    ``reference``: the texts with their reference entities. ``wanted``: these in the form of `spans_of`.
    ``labels``, ``sizes``: those of the model.
    ``windows``: all windows. ``words``: their words. ``pieces``: int64 ``(words,)``, the word pieces of each.
    ``heads``: layer → label distributions, float32 ``(words, labels)``.
    ``signals``: gate → name → signal of its layer, float32 ``(words,)``.
    ``own``: int64 ``(n,)``, the words by which windows label their texts, in order.
    ``text``: int64 ``(n,)``, the text of each of these.
    """

    reference: Reference
    wanted: np.ndarray
    labels: LabelSet
    sizes: Sizes
    windows: Sequence[Window]
    words: Words
    pieces: np.ndarray
    heads: dict[int, np.ndarray]
    signals: dict[int, dict[str, np.ndarray]]
    own: np.ndarray
    text: np.ndarray

    @classmethod
    @torch.inference_mode()
    def run(cls, model: GatedModel, pieces: WordPieces, reference: Reference, signals: Iterable[str] = ()) -> DensePass:
        """Runs the texts of a reference through a model in PyTorch; ``signals`` are those that controllers read."""
        spans, of_texts = pieces.of_texts(reference.texts)
        windows = [window for of_text in of_texts for window in of_text]
        text = np.repeat(np.arange(len(spans)), [len(of_text) for of_text in spans])
        pairs = zip(spans, reference.documents, strict=True)
        wanted = np.concatenate([model.labels.encode(of_text, document.entities) for of_text, document in pairs])
        layers = model.encoder.num_layers
        recorder = Recorder(layers, signals)
        with Progress(f"Run every label head over {len(windows)} windows", len(windows)) as progress:
            for begin in range(0, len(windows), WINDOWS):
                batch = RaggedBatch.from_windows(windows[begin : begin + WINDOWS])
                memory = forward(model, batch, range(1, layers), recorder)
                recorder.heads[layers].append(memory.probabilities)
                progress.advance(len(batch.lengths))
        words = Words.of([window.words for window in windows])
        firsts = words.counts.cumsum() - words.counts
        return cls(
            reference=reference,
            wanted=spans_of(wanted, text, model.labels),
            labels=model.labels,
            sizes=model.sizes,
            windows=windows,
            words=words,
            pieces=np.concatenate([np.bincount(one.word[1:-1], minlength=one.words) for one in windows]),
            heads={layer: np.concatenate(parts) for layer, parts in recorder.heads.items()},
            signals={
                gate: {name: np.concatenate(parts) for name, parts in read.items()}
                for gate, read in recorder.read.items()
            },
            own=np.concatenate(
                [
                    np.arange(one.own, one.own_end) - one.first + first
                    for one, first in zip(windows, firsts, strict=True)
                ]
            ),
            text=text,
        )

    def predict(self, strategy: Strategy) -> Trial:
        """Predicts a setting's trial: a word keeps the label of the first gate at which it may exit."""
        layers, count = self.sizes.layers, len(self.words)
        alive, exit_at = np.ones(count, dtype=bool), np.full(count, layers)
        probabilities, gates = np.zeros_like(self.heads[layers]), list[GateRecord]()
        rows, head_macs = [], 0
        for layer in range(1, layers + 1):
            rows.append(self.rows_of(alive))
            if layer not in (*strategy.gates, layers) or not alive.any():
                continue
            probabilities = np.where(alive[:, None], self.heads[layer], probabilities)
            head_macs += int(alive.sum()) * self.sizes.head_macs[layer - 1]
            if layer == layers:
                continue
            decision = self.decide(strategy.controller, layer, len(gates), alive, probabilities)
            gates.append(GateRecord(layer, alive, probabilities, decision))
            alive = alive & ~decision.exits
            exit_at[decision.exits] = layer
        labels, computed, recovered = probabilities.argmax(-1), np.stack(rows), 0
        if strategy.recovery is not None and gates:
            chosen = self.recovered(strategy, probabilities, exit_at, alive, gates)
            labels[chosen] = self.heads[layers][chosen].argmax(-1)
            window, ends = self.words.window, np.where(chosen, layers, exit_at)
            doubtful = np.bincount(window[chosen], minlength=len(self.windows)) > 0
            for layer in range(gates[0].number + 1, layers + 1):  # from the first gate's memory
                computed[layer - 1] += self.rows_of((ends >= layer) & doubtful[window])
            recovered = len(np.unique(self.text[chosen[self.own]]))
        dense = np.broadcast_to(self.rows_of(np.ones(count, dtype=bool)), computed.shape)
        cost = Cost(
            rows=tuple(computed.sum(1).tolist()),
            token_layers=int(computed.sum()),
            dense_token_layers=int(dense.sum()),
            macs=self.layer_macs(computed) + head_macs,
            dense_macs=self.layer_macs(dense) + count * self.sizes.head_macs[-1],
        )
        return Trial(strategy, self.count(labels[self.own]), self.reference.dense, cost, recovered)

    def decide(
        self, controller: Decider | None, number: int, index: int, alive: np.ndarray, probabilities: np.ndarray
    ) -> Decision:
        """Asks a controller at a gate of all windows."""
        assert controller is not None, "a strategy with gates has a controller"
        if controller.ends(index):
            return Decision(alive, np.zeros(len(alive)))
        numbers, signals = controller.numbers(index), self.signals[number]
        return controller.decide(
            ArrayGate(number, index, self.words, alive, probabilities, self.labels, numbers, signals)
        )

    def recovered(
        self,
        strategy: Strategy,
        probabilities: np.ndarray,
        exit_at: np.ndarray,
        alive: np.ndarray,
        gates: Sequence[GateRecord],
    ) -> np.ndarray:
        """The words, bool ``(words,)``, that recovery chooses, window by window."""
        assert strategy.recovery is not None
        chosen, end = np.zeros(len(self.words), dtype=bool), 0
        for window in self.windows:
            own = slice(end, end := end + window.words)
            if alive[own].all():
                continue
            record = Record(
                window=window,
                labels=self.labels,
                layers=self.sizes.layers,
                probabilities=probabilities[own],
                exit_at=exit_at[own],
                recovered=chosen[own],
                heads=(),
                gates=[gate.part(own) for gate in gates],
            )
            chosen[own] = strategy.recovery.choose(record)
        return chosen

    def rows_of(self, alive: np.ndarray) -> np.ndarray:
        """The rows of each window, int64 ``(windows,)``, in which words are ``alive``, bool ``(words,)``."""
        pieces = np.bincount(self.words.window, self.pieces * alive, minlength=len(self.windows)).astype(np.int64)
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
