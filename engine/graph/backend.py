"""The graph backend: runs windows through the graphs of strategies in ONNX Runtime, one window a call."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from threading import Lock
from typing import Any

import numpy as np
import onnxruntime

from engine.errors import InputError
from engine.graph.compose import Heads, Plan, compose
from engine.graph.onnx_graph import Graph
from engine.graph.products import Products
from engine.models.family import Family
from engine.pruning.gate import Decision
from engine.pruning.record import GateRecord, Record, rows_by_layer
from engine.pruning.strategy import Strategy
from engine.text.labels import LabelSet
from engine.text.windows import Window, graph_inputs
from engine.threads import threads

KEPT = 32  # sessions of a model, two for each of its strategies at most; the one that was used longest ago goes first
Arrays = Mapping[str, np.ndarray]


class GraphBackend:
    """Runs the passes of a model as graphs. Any number of threads may call it at once.

    Args:
        family: the model's family.
        products: its weights, and how products with them are computed.
        heads: its label heads.
        labels: its labels.
    """

    def __init__(self, family: Family, products: Products, heads: Heads, labels: LabelSet) -> None:
        self.family, self.labels = family, labels
        self._parts = family, products, heads, labels
        self._sessions: OrderedDict[tuple[Plan, int], Session] = OrderedDict()
        self._lock = Lock()

    def __str__(self) -> str:
        """Identifies what results depend on besides the weights."""
        return f"ONNX Runtime {onnxruntime.__version__}"

    def run(
        self,
        windows: Sequence[Window],
        strategy: Strategy,
        on_window: Callable[[], None] | None = None,
        exits: Sequence[np.ndarray] | None = None,
    ) -> list[Record]:
        """Runs windows under a strategy; returns their records in order.

        As many windows run at once as there are threads, with one thread each, or a single one with all of them.

        Args:
            windows: the windows.
            strategy: the strategy.
            on_window: called after each window; an error that it raises ends the call.
            exits: for each window the layer after which each word exits, int64 ``(words,)``, instead of the
                controller's decisions.
        """
        most = threads()
        at_once = most if len(windows) >= most else 1
        record = partial(self._record, strategy=strategy, threads=most // at_once)
        order = sorted(range(len(windows)), key=lambda index: -len(windows[index].input_ids))  # the last ones are short
        tasks = [(windows[index], None if exits is None else exits[index]) for index in order]
        records: list[Record | None] = [None] * len(windows)
        for index, made in zip(order, _mapped(record, tasks, at_once), strict=True):
            records[index] = made
            if on_window is not None:
                on_window()
        return records  # type: ignore[return-value]  # every window has one

    def _record(self, task: tuple[Window, np.ndarray | None], strategy: Strategy, threads: int) -> Record:
        window, exits = task
        last = self.family.num_layers
        if exits is not None:
            return self._with_exits(window, strategy.gates, exits, threads)
        plan = Plan.of(strategy, last)
        numbers = {name: np.array([value], np.float32) for name, value in plan.numbers().items()}
        outputs = self._call(plan, threads, self._inputs(window) | numbers)
        record = self._read(window, plan, strategy, outputs)
        if strategy.recovery is not None and plan.gates and (words := strategy.recovery.choose(record)).any():
            return self._recover(record, words, plan, outputs, threads)
        return record

    def _recover(self, record: Record, words: np.ndarray, plan: Plan, outputs: Arrays, threads: int) -> Record:
        """Runs a window again from the first gate; words, bool ``(words,)``, stay to the last layer."""
        last, window = self.family.num_layers, record.window
        ends = np.where(words, last, record.exit_at)
        inputs = self._inputs(window) | {"hidden": outputs["memory"], "probabilities": record.probabilities}
        inputs |= {f"{gate}.stays": ends > gate for gate in plan.gates}
        labels = self._call(Plan(last, plan.gates, resumes=True), threads, inputs)["labels"]
        # Words that neither stayed nor came back keep the labels of their gates, as the graph does.
        return record.recalled(words, labels, plan.gates[0], last)

    def _with_exits(self, window: Window, gates: tuple[int, ...], exits: np.ndarray, threads: int) -> Record:
        """Runs a window in which words exit at given gates; all others stay to the last layer."""
        last = self.family.num_layers
        plan = Plan(last, gates)
        stays = {f"{gate}.stays": exits > gate for gate in gates}
        labels = self._call(plan, threads, self._inputs(window) | stays)["labels"]
        none = np.zeros(window.words, dtype=bool)
        heads = [(gate, int((exits >= gate).sum())) for gate in (*gates, last)]
        return Record(
            window=window,
            labels=self.labels,
            probabilities=labels,
            exit_at=exits,
            exited=exits < last,
            recovered=none,
            rows=rows_by_layer(window, exits, 0, last),
            labelled=[(number, words) for number, words in heads if words],
            gates=[],
        )

    def _read(self, window: Window, plan: Plan, strategy: Strategy, outputs: Arrays) -> Record:
        """The record of a pass."""
        last = self.family.num_layers
        alive = np.ones(window.words, dtype=bool)
        exit_at = np.full(window.words, last)
        gates: list[GateRecord] = []
        labelled: list[tuple[int, int]] = []
        for number in plan.gates:
            stays = outputs[f"{number}.stays"]
            exits = alive & ~stays
            exit_at[exits] = number
            signals = {
                name.partition(".")[2]: value for name, value in outputs.items() if name.startswith(f"{number}.")
            }
            probabilities, importance = signals.pop("probabilities"), signals.pop("importance")
            del signals["stays"]
            gates.append(GateRecord(number, alive, probabilities, Decision(exits, importance), signals))
            labelled.append((number, int(alive.sum())))
            alive = stays
        labels = outputs["labels"]
        labelled.append((plan.last, int(alive.sum())))
        exited = exit_at < last
        if plan.last < last:  # every word exits there
            exit_at[alive], exited = plan.last, np.ones(window.words, dtype=bool)
            gates.append(GateRecord(plan.last, alive, labels, Decision(alive, np.zeros(window.words))))
        return Record(
            window=window,
            labels=self.labels,
            probabilities=labels,
            exit_at=exit_at,
            exited=exited,
            recovered=np.zeros(window.words, dtype=bool),
            rows=rows_by_layer(window, exit_at, 0, plan.last),
            labelled=[(number, words) for number, words in labelled if words],
            gates=gates,
        )

    def _inputs(self, window: Window) -> dict[str, np.ndarray]:
        return graph_inputs(window, self.family.first_position)

    def _call(self, plan: Plan, threads: int, inputs: Arrays) -> dict[str, np.ndarray]:
        """Runs a graph on one window; raises an `InputError` if a label's score is not finite."""
        outputs = self.session(plan, threads).run(inputs)
        if not np.isfinite(outputs["labels"]).all():
            raise InputError(
                "expected finite scores of labels, got NaN or infinity: activations overflowed; use the dtype float32, "
                "or restore the weights"
            )
        return outputs

    def composed(self, plan: Plan, *, half_embeddings: bool = False) -> Graph:
        """Composes the graph of a plan; see `compose`."""
        return compose(plan, *self._parts, half_embeddings=half_embeddings)

    def session(self, plan: Plan, threads: int) -> Session:
        """The session of a plan with so many threads, made if it is not kept."""
        with self._lock:
            key = plan, threads
            if key not in self._sessions:
                if len(self._sessions) == KEPT:
                    self._sessions.popitem(last=False)
                self._sessions[key] = Session(self.composed(plan), threads)
            self._sessions.move_to_end(key)
            return self._sessions[key]


class Session:
    """A graph, ready to run; any number of threads may call it at once."""

    def __init__(self, graph: Graph, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        model = graph.model()
        self._weights = {  # which ONNX Runtime does not copy
            name: onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))
            for name, array in graph.weights.items()
        }
        options.add_external_initializers(list(self._weights), list(self._weights.values()))
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._outputs = [value.name for value in self._session.get_outputs()]

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Runs the graph on the inputs that it has among these; returns its outputs by name."""
        outputs = self._session.run(self._outputs, {name: inputs[name] for name in self._inputs})
        return dict(zip(self._outputs, outputs, strict=True))


def _mapped(record: Callable[[Any], Record], tasks: Sequence[Any], at_once: int) -> Iterator[Record]:
    if at_once == 1:
        yield from map(record, tasks)
        return
    futures = [_workers(at_once, os.getpid()).submit(record, task) for task in tasks]
    try:
        for future in futures:
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


@cache
def _workers(count: int, process: int) -> ThreadPoolExecutor:
    """This process's worker threads; a fork does not copy them."""
    return ThreadPoolExecutor(count, "pass")
