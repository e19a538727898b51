"""The public API: an engine that tags texts under any strategy."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.checkpoint import Weights, label_names, load_huggingface, load_weights, weights_digest
from engine.errors import InputError
from engine.inspection.cost import Cost, add, window_cost
from engine.inspection.explain import WordScores, explain
from engine.inspection.trace import GateScore, Latency, Trace, WordTrace
from engine.model.encoders import Encoder
from engine.model.gated import GatedModel
from engine.model.huggingface import run_huggingface
from engine.model.packing import RaggedBatch
from engine.pruning.controllers import RandomController
from engine.pruning.forward import run
from engine.pruning.learned import LearnedController
from engine.pruning.memory import GateRecord, MemoryBuffer
from engine.pruning.strategy import CONTROLLED, PRUNING, RECOVERY, Strategy, base_name, default_strategy
from engine.text.documents import Entity
from engine.text.windows import Window, WordPieces
from engine.text.words import LabelSet, Span, split_words

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# So many rows keep a layer's activations within the caches; results do not depend on it.
MAX_ROWS = 2048


@dataclass(frozen=True)
class Placed:
    """A window of a text and where its run is kept."""

    window: Window
    memory: MemoryBuffer
    slot: int  # the window's number in the memory's batch
    first_word: int  # the window's first word in the memory's batch


@dataclass(frozen=True)
class Result:
    """Entities of one text, and on demand the trace of how they were found."""

    text: str
    entities: tuple[Entity, ...]
    strategy: Strategy
    words: list[Span]
    probabilities: np.ndarray  # (words, labels), of the words in text order
    latency: Latency
    _placed: list[Placed]
    _model: GatedModel

    @cached_property
    def cost(self) -> Cost:
        """Rows, token-layers and multiply-adds."""
        costs = [window_cost(self._model, p.memory, p.slot, self.strategy) for p in self._placed]
        return add(costs, self._model.encoder.num_layers)

    @cached_property
    def trace(self) -> Trace:
        """Word by word: layer, state, scores at each gate."""
        labels = self._model.labels
        words: list[WordTrace] = []
        for placed in self._placed:
            memory, window = placed.memory, placed.window
            pieces = np.bincount(window.word[1:-1], minlength=window.words)
            alive, left_at, recovered = memory.alive.tolist(), memory.left_at.tolist(), memory.recovered.tolist()
            gates = [_scores_by_word(record, labels) for record in memory.gates]
            for index in range(window.own, window.own_end):
                at = placed.first_word + index - window.first
                start, end = self.words[index]
                best = int(self.probabilities[index].argmax())
                words.append(
                    WordTrace(
                        start=start,
                        end=end,
                        text=self.text[start:end],
                        pieces=int(pieces[index - window.first]),
                        layer=left_at[at],
                        state="recovered" if recovered[at] else "kept" if alive[at] else "left",
                        label=labels.names[best],
                        probability=float(self.probabilities[index, best]),
                        gates=tuple(scores[at] for scores in gates if at in scores),
                    )
                )
        return Trace(self.strategy, tuple(words), self.cost, self.latency)


def _scores_by_word(record: GateRecord, labels: LabelSet) -> dict[int, GateScore]:
    best, label = record.head.logits.float().softmax(-1).max(-1)
    rows = zip(record.head.words.tolist(), label.tolist(), best.tolist(), strict=True)
    need, leaves = record.need.tolist(), record.leaves.tolist()
    return {
        word: GateScore(record.number, labels.names[index], probability, need[word], leaves[word])
        for word, index, probability in rows
    }


class Engine:
    """Tags texts.

    Args:
        weights: a loaded model folder.
        dtype: ``float32`` or ``bfloat16``.
        device: of torch, ``cpu`` or ``cuda``.

    Raises:
        InputError: unknown dtype or device.
    """

    def __init__(self, weights: Weights, dtype: str = "float32", device: str = "cpu") -> None:
        if dtype not in DTYPES:
            raise InputError(f"expected a dtype out of {list(DTYPES)}, got {dtype!r}; choose one of them")
        try:
            self.device = torch.device(device)
            self.model = weights.model.to(self.device, DTYPES[dtype]).eval()
        except (RuntimeError, AssertionError) as error:
            raise InputError(f"expected a device of this machine, got {device!r}: {error}; use --device cpu") from error
        self.dtype = dtype
        self.source = weights.source
        self.labels = weights.model.labels
        self.points = weights.points
        self.network = weights.network
        self.pieces = WordPieces(weights.tokenizer, weights.model.encoder.max_rows)

    @property
    def encoder(self) -> Encoder:
        """The encoder."""
        return self.model.encoder

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all numbers that it computes with."""
        return weights_digest(self.model, self.network)

    @cached_property
    def _huggingface(self) -> Any:
        model = load_huggingface(self.source)
        names = label_names(model)
        order = torch.tensor([names.index(name) for name in self.labels.names], device=self.device)
        return nn.Module.to(model, self.device, DTYPES[self.dtype]), order

    def strategy(self, name: str | Strategy, point: str | None = None, **knobs: Any) -> Strategy:
        """A strategy by name, at an operating point, with some knobs changed.

        Args:
            name: ``dense``, ``hf``, ``rule``, ``entropy``, ``mlp``, ``entropy+recovery``, ``random``, ``random@rule``,
                ``truncate-k``; with an operating point of its own ``entropy:fast``, ``random@entropy:fast``; a
                `Strategy` is taken as it is.
            point: ``exact``, ``balanced`` (the default) or ``fast``, as stored with the weights, unless the name has
                one. Strategies without points take no notice of it; with weights that store none, the default settings
                are ``default``.
            **knobs: settings to change; those that are ``None`` are passed over.

        Raises:
            InputError: unknown name, point or knob, or a strategy that needs gates which the model has not.
        """
        knobs = {knob: value for knob, value in knobs.items() if value is not None}
        if isinstance(name, Strategy):
            strategy = name
        elif name.partition("@")[0] == "random":
            replayed = name.partition("@")[2] or "entropy"
            if base_name(replayed) not in CONTROLLED:
                raise _not_replayable(name)
            strategy = self.random(name, self.strategy(replayed, point))
        elif ":" in name:
            base, _, own = name.partition(":")
            if base not in PRUNING or not own:
                raise InputError(
                    f"expected one of {list(PRUNING)}, a colon and a point, got {name!r}; "
                    "write e.g. entropy:fast or random@entropy:fast, or leave the colon out"
                )
            strategy = replace(self.strategy(base, own), name=name)
        elif name in self.points:
            strategy = self._stored(name, point or "balanced")
        elif name.endswith(RECOVERY) and name.removesuffix(RECOVERY) in self.points:
            strategy = self._stored(name.removesuffix(RECOVERY), point or "balanced").recovering()
        else:
            strategy = default_strategy(name, self.encoder.num_layers)
            if name in PRUNING and point not in (None, "default", "balanced"):
                raise InputError(f"expected weights with operating points for {point!r}, got none; leave the point out")
        strategy = self._with_network(strategy.with_knobs(**knobs))
        if strategy.gates and not self.model.has_gates:
            raise InputError(
                f"expected a model with gates for {strategy.name!r}, got {self.source!r} without; make them with "
                f"python -m engine.training.finetune --frozen --backbone {self.source} --corpus bc5cdr --out FOLDER"
            )
        if strategy.gates and strategy.gates[-1] >= self.encoder.num_layers:
            raise InputError(
                f"expected gates before the last layer ({self.encoder.num_layers}), got {strategy.gates}; remove it"
            )
        return strategy

    def _with_network(self, strategy: Strategy) -> Strategy:
        """The strategy with the weights' network, where its controller is a learned one."""
        controller = strategy.controller
        if not isinstance(controller, LearnedController) or controller.network is not None:
            return strategy
        if self.network is None and self.model.has_gates:
            raise InputError(
                f"expected a model with a learned controller for {strategy.name!r}, got {self.source!r} without; "
                f"make it with python -m engine.training.controller --model {self.source}"
            )
        return replace(strategy, controller=replace(controller, network=self.network))

    def _stored(self, name: str, point: str) -> Strategy:
        stored = self.points[name]
        if point not in stored:
            raise InputError(
                f"expected an operating point of {name} out of {list(stored)}, got {point!r}; choose one of them"
            )
        return Strategy.from_json(stored[point])

    def random(self, name: str, replays: Strategy) -> Strategy:
        """The strategy that replays another one's counts with words chosen at random, under the name as typed.

        Raises:
            InputError: the other one removes no words of its own choice.
        """
        if replays.base not in CONTROLLED:
            raise _not_replayable(name)
        return Strategy(name, replays.gates, RandomController(replays), context=replays.context)

    def tag(self, text: str, strategy: str | Strategy = "entropy", point: str | None = None, **knobs: Any) -> Result:
        """Tags one text; see `strategy` for the arguments, e.g. ``lambda_`` and ``min_keep_ratio``."""
        return self.tag_batch([text], strategy, point, **knobs)[0]

    def tag_batch(
        self,
        texts: Sequence[str],
        strategy: str | Strategy = "entropy",
        point: str | None = None,
        batch_size: int = 32,
        **knobs: Any,
    ) -> list[Result]:
        """Tags texts, ``batch_size`` a call; results stand in the order of the texts and do not depend on it."""
        if batch_size < 1:
            raise InputError(f"expected a batch size of 1 or more, got {batch_size}; choose another")
        if not all(isinstance(text, str) for text in texts):
            raise InputError("expected texts as strings, got something else among them; convert them to str")
        chosen = self.strategy(strategy, point, **knobs)
        results: list[Result] = []
        for start in range(0, len(texts), batch_size):
            results += self._tag_call(texts[start : start + batch_size], chosen)
        return results

    @torch.inference_mode()
    def _tag_call(self, texts: Sequence[str], strategy: Strategy) -> list[Result]:
        begin = self._now()
        words = [split_words(text) for text in texts]
        windows = [
            (index, window)
            for index, (text, spans) in enumerate(zip(texts, words, strict=True))
            for window in self.pieces.windows([text[start:end] for start, end in spans])
        ]
        placed: list[list[Placed]] = [[] for _ in texts]
        encoder_s = untimed_s = 0.0
        for chunk in self._chunks(windows, strategy):
            batch = RaggedBatch.from_windows([window for _, window in chunk])
            counts = None
            if strategy.controller is not None and isinstance(strategy.controller, RandomController):
                reference = self._now()
                counts = run(self.model, batch, strategy.controller.replays).leave_counts()
                untimed_s += self._now() - reference
            start = self._now()
            if strategy.name == "hf":
                memory = run_huggingface(self._huggingface[0], batch, self._huggingface[1])
            else:
                memory = run(self.model, batch, strategy, counts)
            encoder_s += self._now() - start
            first_word = 0
            for slot, (index, window) in enumerate(chunk):
                placed[index].append(Placed(window, memory, slot, first_word))
                first_word += window.words
        found = []
        for text, spans, parts in zip(texts, words, placed, strict=True):
            parts.sort(key=lambda part: part.window.first)
            probabilities = self._probabilities(parts)
            found.append((probabilities, self.labels.decode(text, spans, probabilities)))
        latency = Latency((self._now() - begin - untimed_s) * 1e3, encoder_s * 1e3, len(texts))
        return [
            Result(text, entities, strategy, spans, probabilities, latency, parts, self.model)
            for text, spans, parts, (probabilities, entities) in zip(texts, words, placed, found, strict=True)
        ]

    def explain(self, result: Result) -> list[tuple[WordScores, ...]]:
        """For each word of a result, in text order, its scores at every gate that it reached; runs the text again."""
        found: list[tuple[WordScores, ...]] = []
        for placed in result._placed:
            window, first = placed.window, placed.first_word - placed.window.first
            scores = explain(self.model, placed.memory, result.strategy, self.network)
            found += scores[first + window.own : first + window.own_end]
        return found

    def _chunks(self, windows: list[tuple[int, Window]], strategy: Strategy) -> Iterator[list[tuple[int, Window]]]:
        """Windows by length, as many at a time as fit into ``MAX_ROWS``; ``hf`` gets them as they come."""
        if strategy.name == "hf":
            if windows:
                yield windows
            return
        chunk: list[tuple[int, Window]] = []
        rows = 0
        for item in sorted(windows, key=lambda item: len(item[1].input_ids)):
            length = len(item[1].input_ids)
            if chunk and rows + length > MAX_ROWS:
                yield chunk
                chunk, rows = [], 0
            chunk.append(item)
            rows += length
        if chunk:
            yield chunk

    def _probabilities(self, parts: list[Placed]) -> np.ndarray:
        slices = []
        for part in parts:
            start = part.first_word + part.window.own - part.window.first
            slices.append(part.memory.probabilities[start : start + part.window.own_end - part.window.own])
        if not slices:
            return np.zeros((0, len(self.labels)), dtype=np.float32)
        return slices[0] if len(slices) == 1 else np.concatenate(slices)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def _not_replayable(name: str) -> InputError:
    return InputError(f"expected random@ with one of {list(CONTROLLED)}, got {name!r}; choose one of them")


def load_engine(path_or_hub_id: str | Path | None = None, dtype: str = "float32", device: str = "cpu") -> Engine:
    """An engine with the weights of a folder or a hub id; ``None``: the shipped weights.

    Raises:
        InputError: the weights are missing, damaged or of another architecture.
    """
    return Engine(load_weights(path_or_hub_id), dtype, device)
