"""The public API: an engine tags texts under any strategy."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from numbers import Integral
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from transformers import PreTrainedModel

from engine.checkpoint import Weights, configuration, load_huggingface, load_weights, weights_digest
from engine.checksums import check_unchanged
from engine.errors import InputError, first_line
from engine.inspection.cost import Cost, add, window_cost
from engine.inspection.explain import WordScores, explain
from engine.inspection.trace import Trace, word_traces
from engine.latency import Latency
from engine.model.chunks import Chunk, Slot, by_text, chunks, slots_by_text
from engine.model.encoders import Encoder
from engine.model.gated import GatedModel
from engine.model.packing import RaggedBatch
from engine.model.precision import set_precision
from engine.model.threads import at_once, with_all_threads
from engine.pruning.controllers import CONTROLLERS, LearnedController
from engine.pruning.forward import run
from engine.pruning.memory import MemoryBuffer
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import DENSE, RECOVERY, parse, resolve
from engine.text.documents import Entity
from engine.text.windows import Window, WordPieces
from engine.text.words import Span

logger = logging.getLogger(__name__)

# Keeps a layer's activations within the CPU caches; does not affect results.
MAX_ROWS = 2048

T = TypeVar("T")


def finish(steps: Generator[None, None, T]) -> T:
    """Runs a generator to its end and returns its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@dataclass(frozen=True, eq=False)
class Result:
    """The entities of one text and, on demand, its trace, for which the result keeps the engine's model.

    ``words``: character spans of the words.
    ``probabilities``: float32 ``(words, labels)``.
    """

    text: str
    entities: tuple[Entity, ...]
    strategy: Strategy
    words: list[Span]
    probabilities: np.ndarray = field(repr=False)
    latency: Latency
    _runs: list[tuple[Slot, MemoryBuffer]] = field(repr=False)
    _model: GatedModel | None = field(repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Drops the model and batches after computing what needs them; `Engine.explain` then no longer works."""
        found = {"cost": self.cost, "recovered": self.recovered, "trace": self.trace}
        return vars(self) | found | {"_runs": [], "_model": None}

    @cached_property
    def cost(self) -> Cost:
        """Rows, token-layers and MACs."""
        assert self._model is not None
        costs = [window_cost(self._model, memory, slot.index, self.strategy) for slot, memory in self._runs]
        return add(costs, self._model.encoder.num_layers)

    @cached_property
    def recovered(self) -> bool:
        """Whether any word came back."""
        return any(memory.recovered[slot.own].any() for slot, memory in self._runs)

    @cached_property
    def trace(self) -> Trace:
        """The layer, state and scores at each gate of every word."""
        assert self._model is not None
        words = word_traces(self.text, self.words, self.probabilities, self._runs, self._model.labels)
        return Trace(self.strategy, words, self.cost, self.latency)


class Engine:
    """Tags texts with biomedical entities.

    Args:
        weights: a loaded model folder; the engine computes with a copy of its model.
        dtype: ``float32``, ``bfloat16``, ``int8`` (on OpenVINO, if the folder holds layers in 8 bits), or ``auto`` for
            the fastest on this processor.
        device: torch device, ``cpu`` or ``cuda``.

    ``label_order``: the checkpoint's label index of each of our labels, int ``(labels,)``.
    ``source``, ``labels_file``: the source of the weights and their labels file, as given.
    ``folder``: the folder of the weights, which for a hub id is in the cache.

    Raises:
        InputError: if the dtype or device is unknown, or this device or model cannot run the dtype.
    """

    @torch.inference_mode(False)  # inside it, parameters would not track their versions
    def __init__(self, weights: Weights, dtype: str = "float32", device: str = "cpu") -> None:
        self.device = _device(device)
        self.model = copy.deepcopy(weights.model).eval()
        self.precision = set_precision(self.model, dtype, self.device, weights.int8)
        if self.dtype == "bfloat16":  # the engine's model no longer holds the loaded weights
            self.digest = weights_digest(weights.model, weights.network)
        logger.info("dtype %s%s", self.dtype, f": {self.precision.why}" if self.precision.why else "")
        self.source, self.labels_file = weights.source, weights.labels_file
        self.folder, self._stamps = weights.folder, weights.stamps
        self.labels = self.model.labels
        self.label_order = weights.label_order
        self.points = weights.points
        self.network = weights.network
        self.tokenizer = weights.tokenizer
        self.pieces = WordPieces(weights.tokenizer, self.encoder.max_rows)

    @property
    def encoder(self) -> Encoder:
        """The model's encoder."""
        return self.model.encoder

    @property
    def dtype(self) -> str:
        """The number format that it computes in, with ``auto`` resolved."""
        return self.precision.dtype

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the weights as loaded, the same in every dtype."""
        return weights_digest(self.model, self.network)

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """What results depend on besides strategy, dtype, device and code; compared before a run continues."""
        return {
            "weights": self.digest,
            "tokenizer": self.pieces.digest(),
            "labels": list(self.labels.names),
            "runtime": "" if self.encoder.runtime is None else str(self.encoder.runtime),
            "configuration": configuration(self.encoder.config),
        }

    def plain_model(self) -> PreTrainedModel:
        """Loads the plain Hugging Face model of the same checkpoint, float32, on the CPU.

        Raises:
            InputError: if the folder has changed since the engine was loaded.
        """
        model = load_huggingface(self.folder)
        check_unchanged(self.folder, self._stamps)
        return model

    @property
    def runnable(self) -> list[str]:
        """Names of the strategies that this model can run; a model without gates runs only ``dense``."""
        if not self.model.has_gates:
            return [DENSE]
        kinds = [kind for kind, of in CONTROLLERS.items() if self.network is not None or not of.needs_network]
        truncated = f"truncate-{self.encoder.num_layers // 2}"
        return [DENSE, *kinds, *(kind + RECOVERY for kind in kinds), truncated]

    def strategy(self, name: str | Strategy, point: str | None = None, **settings: Any) -> Strategy:
        """Builds a strategy from its name, an operating point and changed settings.

        Args:
            name: ``dense``, ``rule``, ``entropy``, ``mlp``, ``entropy+recovery``, ``truncate-k``; with an operating
                point: ``entropy:fast``; a `Strategy` is used as is.
            point: ``careful``, ``balanced`` (the default) or ``fast``, as stored with the weights, unless the name has
                one. Strategies without operating points ignore it; with weights that store none, leave it out.
            **settings: settings to change; ``None`` leaves one unchanged.

        Raises:
            InputError: if the name, operating point or a setting is unknown, or the model lacks the gates or network
                that the strategy needs.
        """
        if not isinstance(name, str | Strategy):
            raise InputError(f"expected the name of a strategy, got {name!r}; write e.g. entropy:fast")
        kind = name.kind if isinstance(name, Strategy) else parse(name).kind
        if kind != DENSE and not self.model.has_gates:
            raise InputError(
                f"expected a model with gates for {kind!r}, got {self.source!r}, which has none; choose dense, or make "
                f"gates with python -m engine.training.accelerate {self.source} --texts FILE --out FOLDER"
            )
        strategy = name if isinstance(name, Strategy) else resolve(name, self.encoder.num_layers, self.points, point)
        changed = {setting: value for setting, value in settings.items() if value is not None}
        strategy = strategy.with_settings(**changed)
        if strategy.gates and strategy.gates[-1] >= self.encoder.num_layers:
            raise InputError(
                f"expected gates before the last layer ({self.encoder.num_layers}), got {strategy.gates}; remove it"
            )
        return self._with_network(strategy)

    def _with_network(self, strategy: Strategy) -> Strategy:
        """Gives the weights' network to a controller that needs it."""
        controller = strategy.controller
        if not isinstance(controller, LearnedController):
            return strategy
        if self.network is None:
            raise InputError(
                f"expected a model with a learned controller for {strategy.name!r}, got {self.source!r}, which has "
                f"none; make it with python -m engine.training.controller --model {self.source}"
            )
        return replace(strategy, controller=replace(controller, network=self.network))

    def tag(self, text: str, strategy: str | Strategy = "entropy", point: str | None = None, **settings: Any) -> Result:
        """Tags one text; see `strategy` for the arguments, e.g. ``lambda_`` and ``min_keep_ratio``."""
        return self.tag_batch([text], strategy, point, **settings)[0]

    def tag_batch(
        self,
        texts: Iterable[str],
        strategy: str | Strategy = "entropy",
        point: str | None = None,
        batch_size: int = 32,
        **settings: Any,
    ) -> list[Result]:
        """Tags texts in batches; returns results in order. ``batch_size`` does not affect them."""
        return finish(self._calls(texts, self.strategy(strategy, point, **settings), batch_size))

    def steps(
        self,
        texts: Iterable[str],
        strategy: str | Strategy = "entropy",
        point: str | None = None,
        batch_size: int = 32,
        **settings: Any,
    ) -> Generator[None, None, list[Result]]:
        """Does what `tag_batch` does, but yields after every pass, so that a server can alternate requests or stop one.

        The generator returns the results, whose latency excludes the time between steps, in which nothing runs.
        """
        return self._calls(texts, self.strategy(strategy, point, **settings), batch_size, ahead=False)

    def _calls(
        self, texts: Iterable[str], strategy: Strategy, batch_size: int, *, ahead: bool = True
    ) -> Generator[None, None, list[Result]]:
        if not isinstance(batch_size, Integral) or batch_size < 1:
            raise InputError(f"expected a batch size of 1 or more, got {batch_size!r}; choose another")
        if isinstance(texts, str):
            raise InputError("expected a list of texts, got one string; call tag, or put it into a list")
        if not isinstance(texts, Iterable):
            raise InputError(f"expected a list of texts, got {texts!r}; put them into a list")
        texts = list(texts)
        if not all(isinstance(text, str) for text in texts):
            raise InputError("expected texts as strings, got something else among them; convert them to str")
        results: list[Result] = []
        for start in range(0, len(texts), batch_size):
            results += yield from self._tag_call(texts[start : start + batch_size], strategy, ahead)
        return results

    @torch.inference_mode()
    def _tag_call(self, texts: Sequence[str], strategy: Strategy, ahead: bool) -> Generator[None, None, list[Result]]:
        begin = self._now()
        words, windows = self.pieces.of_texts(texts)
        memories = []
        encoder_s = untimed_s = 0.0
        start = self._now()
        for chunk, memory in self.passes(windows, partial(run, self.model, strategy=strategy), ahead=ahead):
            memories.append((chunk, memory))
            end = self._now()
            encoder_s += end - start
            yield
            start = self._now()
            untimed_s += start - end
        runs = slots_by_text(memories, len(texts))
        found = by_text(((chunk, memory.probabilities) for chunk, memory in memories), len(texts), len(self.labels))
        entities = [self.labels.decode(*one) for one in zip(texts, words, found, strict=True)]
        latency = Latency((self._now() - begin - untimed_s) * 1e3, encoder_s * 1e3, len(texts))
        return [
            Result(text, of_text, strategy, spans, probabilities, latency, of_runs, self.model)
            for text, of_text, spans, probabilities, of_runs in zip(texts, entities, words, found, runs, strict=True)
        ]

    def passes(
        self, windows: Sequence[Sequence[Window]], one: Callable[[RaggedBatch], T], *, ahead: bool = True
    ) -> Iterator[tuple[Chunk, T]]:
        """Groups the windows of each text into batches; yields each batch in order, with the result of a pass over it.

        On a CPU, as many passes run at once as PyTorch has threads. Further ones start only when a result is requested;
        unless ``ahead``, none runs while the caller has a result.
        """
        threads = torch.get_num_threads() if self.device.type == "cpu" else 1
        batches = list(chunks(windows, MAX_ROWS, threads))
        # Each thread enters inference mode by itself.
        calls = [partial(torch.inference_mode()(one), chunk.batch) for chunk in batches]
        results: Iterator[T]
        if threads > 1 and len(calls) >= threads:
            results = at_once(calls, threads, ahead=ahead)
        elif threads > 1 and self.encoder.runtime is not None:
            results = map(with_all_threads, calls)
        else:
            results = (call() for call in calls)
        yield from zip(batches, results, strict=True)

    def explain(self, result: Result) -> list[tuple[WordScores, ...]]:
        """Runs the text again and returns each word's scores at the gates that it reached, in text order."""
        return finish(self.explain_steps(result))

    def explain_steps(self, result: Result) -> Generator[None, None, list[tuple[WordScores, ...]]]:
        """Does what `explain` does, but yields after every pass."""
        if result._model is None:
            raise InputError("expected a result of this process, got one that was pickled; tag its text again")
        scores = {}
        for memory in dict.fromkeys(memory for _, memory in result._runs):
            scores[memory] = explain(result._model, memory, result.strategy, self.network)
            yield
        return [of_word for slot, memory in result._runs for of_word in scores[memory][slot.own]]

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def _device(name: str) -> torch.device:
    """Returns a device of this machine; raises an `InputError` unless it is a CPU or a GPU with CUDA."""
    try:
        device = torch.device(name)
        if device.type in ("cpu", "cuda"):
            torch.empty(0, device=device)
            return device
    except (RuntimeError, AssertionError, TypeError, ImportError, NotImplementedError) as error:
        why = first_line(error)
        raise InputError(f"expected a device of this machine, got {name!r}: {why}; use --device cpu") from error
    raise InputError(f"expected the device cpu or cuda, got {name!r}; use --device cpu")


def load_engine(
    path_or_hub_id: str | Path | None = None,
    dtype: str = "float32",
    device: str = "cpu",
    labels: str | Path | Sequence[str] | None = None,
) -> Engine:
    """Loads an engine from a folder or a hub id; ``None`` loads the shipped weights.

    Args:
        path_or_hub_id: any token-classification checkpoint; without gates it runs only ``dense``.
        dtype: ``float32``, ``bfloat16``, ``int8`` or ``auto``.
        device: torch device, ``cpu`` or ``cuda``.
        labels: meaning of the model's labels, if its configuration lacks it; see `engine.checkpoint.load_weights`.

    Raises:
        InputError: if the weights are missing, damaged or of an unsupported architecture, or the labels follow no
            supported scheme.
    """
    return Engine(load_weights(path_or_hub_id, labels), dtype, device)
