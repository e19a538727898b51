"""Predicts entities and cost of settings from one dense pass with every label head.

A pruned pass differs a little, because words that exited are no longer attended to. The prediction ranks hundreds of
settings within minutes; `engine.training.trials.measure` measures the best.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import Self

import numpy as np
import torch

from engine.base import Engine
from engine.cli.progress import progress
from engine.latency import Latency
from engine.pruning.passes import Pass
from engine.pruning.policies import KeepAll
from engine.pruning.record import GateRecord, WindowRecord, distributions
from engine.pruning.strategy import Strategy
from engine.pytorch.checkpoint import load_weights
from engine.pytorch.forward import HeadOutput, MemoryBuffer, decide, forward
from engine.pytorch.packing import RaggedBatch
from engine.result import Output, Result
from engine.text.windows import Window
from engine.text.words import Span
from engine.training.trials import Reference, Trial

UNTIMED = Latency(0.0, 1)


@dataclass(frozen=True, eq=False)
class DensePass:
    """A dense pass over the windows of a reference's texts, with a label head after every layer."""

    engine: Engine
    reference: Reference
    spans: list[list[Span]]  # the words of each text
    windows: list[list[Window]]  # of each text
    batch: RaggedBatch  # all windows
    heads: Mapping[int, torch.Tensor]  # layer → label logits, (words, labels)
    signals: Mapping[int, Mapping[str, np.ndarray]]  # gate → name → signal of its layer, float32 (words,)

    @classmethod
    @torch.inference_mode()
    def of(cls, engine: Engine, reference: Reference, signals: Iterable[str] = ()) -> Self:
        """Runs the pass, with signals of layers by name."""
        spans, windows = engine.pieces.of_texts(reference.texts)
        model, flat, layers = load_weights(engine.folder).model, list(chain(*windows)), engine.sizes.layers
        reader, passes = KeepAll(signals), list[tuple[list[HeadOutput], list[GateRecord]]]()
        with progress(what=f"Run every label head over {len(flat)} windows", total=len(flat)) as bar:
            for batch in RaggedBatch.in_turn(flat):
                memory = forward(model, batch, range(1, layers), reader)
                passes.append((memory.heads, memory.gates))
                bar.update(len(batch.lengths))
        heads = {
            head[0].number: torch.cat([part.logits for part in head])
            for head in zip(*(heads for heads, _ in passes), strict=True)
        }
        values = {
            gate[0].number: {name: np.concatenate([part.signals[name] for part in gate]) for name in reader.signals}
            for gate in zip(*(gates for _, gates in passes), strict=True)
        }
        return cls(engine, reference, spans, windows, RaggedBatch.from_windows(flat), heads, values)

    @cached_property
    def baseline(self) -> Reference:
        """The reference with this dense pass, because the engine's own differs in 8 bits, which is no loss."""
        dense = Strategy()
        return replace(self.reference, dense=Trial.of(dense, self.reference, self.results(dense)).counts)

    def predict(self, strategy: Strategy) -> Trial:
        return Trial.of(strategy, self.baseline, self.results(strategy))

    def results(self, strategy: Strategy) -> Iterator[Result]:
        """Yields the predicted result of each text."""
        records, labels = self.records(strategy), self.engine.labels
        for document, spans, windows in zip(self.reference.documents, self.spans, self.windows, strict=True):
            taken = list(islice(records, len(windows)))
            passes = [Pass(strategy, self.engine.sizes, taken, windows)]
            output = Output(spans, distributions(taken, len(labels)), passes)
            decoded = self.engine.decoder.decode(document.text, spans, output.probabilities)
            yield Result.of(output, document.text, strategy, labels, decoded, UNTIMED)

    def records(self, strategy: Strategy) -> Iterator[WindowRecord]:
        """Yields the predicted record of each window: a word keeps the label of the first gate at which it may exit."""
        layers, controller = self.engine.sizes.layers, strategy.controller
        memory = MemoryBuffer(self.batch, self.engine.labels, layers)
        for index, number in enumerate(strategy.gates):
            assert controller is not None, "a strategy with gates has a controller"
            self._label(memory, number)
            decision, _ = decide(controller, number, index, memory, self.signals[number].__getitem__)
            memory.remove(number, decision, {})
            if controller.all_exit(index):
                break
        else:
            self._label(memory, layers)
        final, end = self.heads[layers].softmax(-1).numpy(force=True), 0
        for record in memory.records(list(chain(*self.windows))):
            words_of_window = slice(end, end := end + record.window.num_words)
            if strategy.recovery is not None and (words := strategy.recovery.choose(record)).any():
                recovered = np.where(words[:, None], final[words_of_window], record.probabilities)
                record = replace(record, probabilities=recovered, recovered=words)
            yield record

    def _label(self, memory: MemoryBuffer, number: int) -> None:
        """Labels the words that have not exited, as the head of layer ``number`` did."""
        words = np.flatnonzero(memory.is_alive)
        memory.update(HeadOutput(number, words, self.heads[number][words]))
