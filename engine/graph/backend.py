"""The graph backend: runs windows through the graphs of strategies in ONNX Runtime, one window a call."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from threading import Lock

import numpy as np
import onnxruntime

from engine.errors import InputError
from engine.graph.compose import PassPlan, compose
from engine.graph.products import Products
from engine.graph.standalone import Session, graph_inputs
from engine.machine import threads
from engine.models.folder import ModelFolder
from engine.pruning.gate import Decision
from engine.pruning.policies import GivenExits
from engine.pruning.record import GateRecord, WindowRecord
from engine.pruning.strategy import Strategy
from engine.text.windows import Window

logger = logging.getLogger(__name__)

MAX_SESSIONS = 32  # of a model, at most two for each strategy; the least recently used one goes first
Arrays = Mapping[str, np.ndarray]


class GraphBackend:
    """Runs the passes of a model as graphs, in ``float32`` or ``int8``. Any number of threads may call it at once.

    ``threads``: number of threads of a call; 0 for `engine.machine.threads`.

    Raises an `InputError` if weights are missing or damaged.
    """

    def __init__(self, folder: ModelFolder, dtype: str, threads: int = 0) -> None:
        self.family, self.labels, self.threads = folder.family, folder.labels, threads
        tensors = folder.tensors()
        if unused := self.family.unused_layers(tensors):
            logger.warning(
                "layers %s of %s are not used: its config.json has %d", unused, folder.source, self.family.num_layers
            )
        products = Products(tensors, quantised=dtype == "int8")
        self.parts = parts = self.family, products, folder.heads(tensors), self.labels  # arguments of `compose`

        @lru_cache(MAX_SESSIONS)
        def session(plan: PassPlan, threads: int) -> Session:
            graph = compose(plan, *parts)
            return Session(graph.model(), threads, graph.weights)  # by now only those that the model needs

        self._session = session
        self._lock = Lock()  # so that a session is made once, and calls are counted
        self._calls = 0  # in progress

    def __str__(self) -> str:
        """Identifies what results depend on besides the weights."""
        return f"ONNX Runtime {onnxruntime.__version__}"

    def run(
        self, windows: Sequence[Window], strategy: Strategy, done: Callable[[int], None] | None = None
    ) -> list[WindowRecord]:
        """Runs windows under a strategy; returns their records in order.

        As many windows run at once as there are threads, with one thread each; fewer windows run one by one with all
        threads, unless another call is in progress, since threads wait actively for the next operation. ``done`` is
        called with the number of windows that are done since the last call; an error that it raises ends the call.
        """
        most = self.threads or threads()
        with self._lock:
            self._calls += 1
            at_once = most if len(windows) >= most or self._calls > 1 else 1
        record = partial(self._record, strategy=strategy, threads=most // at_once)
        order = sorted(range(len(windows)), key=lambda index: -len(windows[index].input_ids))  # the last ones are short
        tasks = [(index, windows[index]) for index in order]
        records: dict[int, WindowRecord] = {}
        pool = ThreadPoolExecutor(at_once)
        try:
            made = pool.map(record, tasks) if at_once > 1 else map(record, tasks)
            for index, finished in zip(order, made, strict=True):
                records[index] = finished
                if done is not None:
                    done(1)
        finally:
            pool.shutdown(cancel_futures=True)
            with self._lock:
                self._calls -= 1
        return [records[index] for index in range(len(windows))]

    def _record(self, task: tuple[int, Window], strategy: Strategy, threads: int) -> WindowRecord:
        index, window = task
        layers, recovery = self.family.num_layers, strategy.recovery
        plan = PassPlan.of(strategy, layers)
        values = graph_inputs(window, self.family.first_position)
        values |= {name: np.array([value], np.float32) for name, value in plan.numbers().items()}
        if isinstance(strategy.controller, GivenExits):
            values |= {f"{gate}.stays": strategy.controller.exit_at[index] > gate for gate in plan.gates}
        values |= self._call(plan, threads, values)
        record = self._read(window, plan, values)
        if recovery is None or not plan.gates or not (words := recovery.choose(record)).any():
            return record
        # The window runs again from its first gate, and these words stay to the last layer.
        exit_at, gates = np.where(words, layers, record.exit_at), tuple(gate.number for gate in record.gates)
        values |= {"hidden": values["memory"], "probabilities": values["labels"]}
        values |= {f"{gate}.stays": exit_at > gate for gate in gates}
        latest = self._call(PassPlan(layers, gates, resumes=True), threads, values)
        return replace(record, probabilities=latest["labels"], recovered=words)

    def _read(self, window: Window, plan: PassPlan, values: Arrays) -> WindowRecord:
        """The record of a pass, given the inputs and outputs of its graph."""
        alive, exit_at = np.ones(window.num_words, dtype=bool), np.full(window.num_words, plan.last)
        gates = []
        for number in plan.gates:
            prefix = f"{number}."
            gate_values = {
                name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)
            }
            stays = gate_values.pop("stays")
            exits = alive & ~stays
            exit_at[exits] = number
            if plan.controller is not None:
                decision = Decision(exits, gate_values.pop("importance"))
                gates.append(GateRecord(number, alive, gate_values.pop("probabilities"), decision, gate_values))
            alive = stays
        if plan.last < self.family.num_layers:  # every word exits there
            gates.append(GateRecord(plan.last, alive, values["labels"], Decision(alive, np.zeros(window.num_words))))
        return WindowRecord(
            window=window,
            labels=self.labels,
            layers=self.family.num_layers,
            probabilities=values["labels"],
            exit_at=exit_at,
            recovered=np.zeros(window.num_words, dtype=bool),
            heads=(*plan.gates, plan.last),
            gates=gates,
        )

    def _call(self, plan: PassPlan, threads: int, inputs: Arrays) -> dict[str, np.ndarray]:
        """Runs a graph on one window; raises an `InputError` if a label's score is not finite."""
        with self._lock:
            session = self._session(plan, threads)
        outputs = session.run(inputs)
        if not np.isfinite(outputs["labels"]).all():
            raise InputError("A label's score is NaN or infinity. Use dtype float32, or restore the weights.")
        return outputs
