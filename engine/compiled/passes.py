"""Runs windows through compiled graphs, one window a call, and says of each what a pass of PyTorch would say."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, cached_property, partial
from threading import get_ident
from typing import Any

import numpy as np

from engine.compiled.compose import Composition, Heads, Plan
from engine.compiled.layers import Layers
from engine.compiled.parts import Checkpoint, Parts
from engine.errors import InputError
from engine.graph.threads import threads
from engine.models.folder import INT8, ModelFolder
from engine.pruning.gate import Decision
from engine.pruning.record import GateRecord, LayerRun, Record
from engine.pruning.strategy import Strategy
from engine.pytorch.chunks import Slot, by_text
from engine.pytorch.packing import Words
from engine.runtime import compile_model, openvino
from engine.text.slots import least, window_inputs
from engine.text.windows import Window, WordPieces

KEPT = 12  # compiled graphs of a thread; the one that was used longest ago goes first
Arrays = dict[str, np.ndarray]


def plan_of(strategy: Strategy, layers: int, *, scores: bool = False) -> Plan:
    """The pass that a strategy needs, in an encoder of so many layers.

    Raises:
        InputError: if its controller does not describe its decision in graph operations.
    """
    controller = strategy.controller
    if controller is None:
        return Plan(layers)
    if controller.form is None:
        raise InputError(
            f"expected a strategy that can be compiled for dtype int8, got {strategy.name!r}, which reads what no "
            "graph returns; use --dtype float32"
        )
    ends = [gate for index, gate in enumerate(strategy.gates) if controller.ends(index)]
    last = ends[0] if ends else layers
    gates = tuple(gate for gate in strategy.gates if gate < last)
    return Plan(last, gates, controller if gates else None, controller.form if gates else (), scores)


class CompiledModel:
    """A model whose passes are graphs of OpenVINO.

    Args:
        folder: the model's folder.
        parts, layers: what it stores for the compiled pass.
        checkpoint: its tensors.
        heads: its label heads.
    """

    def __init__(self, folder: ModelFolder, parts: Parts, layers: Layers, checkpoint: Checkpoint, heads: Heads) -> None:
        self.folder, self.facts, self.sizes, self.labels = folder, parts.facts, parts.facts.sizes, folder.labels
        self.digest, self.max_rows = parts.facts.digest, parts.facts.max_rows
        self._stored = parts, layers, checkpoint, heads
        # Not a `threading.local`, whose graphs of other threads a forked child would destroy, and never end.
        self._graphs: dict[tuple[int, int], OrderedDict[Any, Any]] = {}  # of each process and thread

    def __str__(self) -> str:
        """Identifies what results depend on: the library's version and the layers."""
        return f"OpenVINO {openvino().__version__}, layers {self.facts.checksums[INT8]}"

    def compose(self, plan: Plan) -> Any:
        """Composes the graph of a plan as an ``openvino.Model``; see `Composition` for its inputs and outputs."""
        return Composition(plan, *self._stored, self.labels).model

    def pieces(self) -> WordPieces | None:
        """Cuts words as the folder's tokenizer does; ``None`` where that takes transformers."""
        path = self.folder.path / "tokenizer.json"
        if not path.is_file():
            return None
        found = WordPieces(path.read_text(encoding="utf-8"), self.facts.tokens, self.max_rows)
        return found if found.digest() == self.facts.pieces else None

    def run(
        self, windows: Sequence[Sequence[Window]], strategy: Strategy, between: Callable[[], None] | None = None
    ) -> list[list[tuple[Slot, Record]]]:
        """Runs the windows of texts under a strategy; returns those of each text in order, with their records.

        As many windows run at once as there are threads, with one thread each, or a single one with all of them.
        ``between`` is called between passes, while none runs.
        """
        flat = [Slot(text, window, index=0, first_word=0) for text, of in enumerate(windows) for window in of]
        flat.sort(key=lambda slot: -len(slot.window.input_ids))  # the last to end is a short one
        return by_text(zip(flat, self._records(flat, strategy, between), strict=True), len(windows))

    def _records(
        self, slots: Sequence[Slot], strategy: Strategy, between: Callable[[], None] | None
    ) -> Iterator[Record]:
        plan = plan_of(strategy, self.sizes.layers, scores=strategy.recovery is not None)
        most = threads()
        at_once = most if len(slots) >= most else 1
        one = partial(self._record, plan=plan, strategy=strategy, threads=most // at_once)
        step = at_once if between is not None else max(len(slots), 1)
        for start in range(0, len(slots), step):
            if start and between is not None:
                between()
            some = [slot.window for slot in slots[start : start + step]]
            yield from _workers(at_once, most // at_once, os.getpid()).map(one, some)

    def _record(self, window: Window, plan: Plan, strategy: Strategy, threads: int) -> Record:
        inputs = window_inputs(window, len(self.labels), self.facts.first_position)
        record = CompiledRecord(
            self, window, strategy, plan, threads, inputs, self._infer(plan, strategy, threads, inputs)
        )
        if strategy.recovery is not None and (words := strategy.recovery.choose(record)).any():
            self._recover(record, words, inputs, threads)
        return record

    def _recover(self, record: CompiledRecord, words: np.ndarray, inputs: Arrays, threads: int) -> None:
        """Runs a window again, in which the words that come back, bool ``(words,)``, stay to the last layer."""
        last, gates = self.sizes.layers, record.strategy.gates
        ends = np.where(words, last, record.exit_at)
        empty = inputs["alive"].shape[-1] - len(ends)
        stays = {f"{gate}.stays": np.pad(ends > gate, (0, empty)).astype(np.float32)[None, None] for gate in gates}
        (labelled,) = self._call(Plan(last, gates), threads, inputs | stays | {"unlabelled": record.slots})[:1]
        record.recall(words, labelled[0, : len(words)], ends, last)

    def _infer(self, plan: Plan, strategy: Strategy, threads: int, inputs: Arrays) -> list[np.ndarray]:
        words = int(inputs["count"].item())
        numbers: dict[str, float] = {"least": least(strategy.min_exit_ratio, words)}
        for index, gate in enumerate(plan.gates):
            of_gate = strategy.controller.numbers(index, words)  # type: ignore[union-attr]  # there are gates
            numbers |= {f"{gate}.{name}": value for name, value in of_gate.items()}
        given = {name: np.array([value], dtype=np.float32) for name, value in numbers.items()}
        found = self._call(plan, threads, inputs | given)
        if not np.isfinite(found[0][:, :words]).all():
            raise InputError(
                "expected finite scores of labels, got NaN or infinity: activations overflowed; use the dtype float32, "
                "or restore the weights"
            )
        return found

    def _call(self, plan: Plan, threads: int, inputs: Arrays) -> list[np.ndarray]:
        """Runs a graph on one window; compiles it first if this thread has not yet."""
        graphs = self._graphs.setdefault((os.getpid(), get_ident()), OrderedDict())
        key = (plan, threads)
        if key not in graphs:
            if len(graphs) == KEPT:
                graphs.popitem(last=False)
            compiled = compile_model(self.compose(plan), threads)
            names = [one.get_any_name() for one in compiled.inputs]
            graphs[key] = compiled.create_infer_request(), names, len(compiled.outputs)
        graphs.move_to_end(key)
        request, names, outputs = graphs[key]
        tensor = openvino().Tensor
        for index, name in enumerate(names):
            request.set_input_tensor(index, tensor(inputs[name], shared_memory=True))
        request.infer()
        return [request.get_output_tensor(index).data.copy() for index in range(outputs)]


class CompiledRecord(Record):
    """The record of one window; what each gate saw is computed when it is asked for."""

    def __init__(
        self,
        model: CompiledModel,
        window: Window,
        strategy: Strategy,
        plan: Plan,
        threads: int,
        inputs: Arrays,
        outputs: Sequence[np.ndarray],
    ) -> None:
        words, last = window.words, model.sizes.layers
        self.strategy, self.window, self.slots = strategy, window, outputs[0]
        self._again = partial(model._infer, replace(plan, scores=True), strategy, threads, inputs)
        if plan.scores:
            self._scores = list(outputs)
        self._plan = plan
        self._pieces = np.bincount(window.word[1:-1], minlength=words)
        exit_at = np.full(words, last)
        alive = np.ones(words, dtype=bool)
        reached = [alive]
        for gate, stays in zip(plan.gates, outputs[1:], strict=False):
            stay = stays[0, 0, :words] > 0
            exit_at[alive & ~stay] = gate
            alive = stay
            reached.append(alive)
        if plan.last < last:
            exit_at[alive] = plan.last
            alive = np.zeros(words, dtype=bool)
        heads = (*plan.gates, plan.last)
        super().__init__(
            words=Words(np.zeros(words, dtype=np.int64), np.array([words])),
            rows=(len(window.input_ids),),
            labels=model.labels,
            probabilities=outputs[0][0, :words],
            alive=alive,
            exit_at=exit_at,
            recovered=np.zeros(words, dtype=bool),
            labelled=[(gate, np.flatnonzero(of)) for gate, of in zip(heads, reached, strict=True) if of.any()],
        )
        del self.gates  # computed when it is asked for
        self._ran(exit_at, plan.last)

    def _ran(self, ends: np.ndarray, last: int) -> None:
        """Notes the rows that layers computed, given the last layer of each word."""
        for number in range(1, last + 1):
            if rows := int(self._pieces[ends >= number].sum()):
                self.layers.append(LayerRun(number, (rows + 2,)))

    def recall(self, words: np.ndarray, probabilities: np.ndarray, ends: np.ndarray, last: int) -> None:
        """Notes a second run of the window, in which some words, bool ``(words,)``, came back."""
        self.gates  # noqa: B018  # as the first run saw them
        self._ran(ends, last)
        self.labelled.append((last, np.flatnonzero(ends == last)))
        self.probabilities = probabilities
        self.alive, self.recovered = self.alive | words, words

    @cached_property
    def _scores(self) -> list[np.ndarray]:
        """The outputs of the graph that also returns what gates saw."""
        return self._again()

    @cached_property
    def gates(self) -> list[GateRecord]:  # type: ignore[override]
        """Every gate, in order."""
        plan, words = self._plan, len(self.words)
        stays, scores = self._scores[1 : 1 + len(plan.gates)], self._scores[1 + len(plan.gates) :]
        alive = np.ones(words, dtype=bool)
        found = []
        of_gates = zip(plan.gates, stays, scores[::3], scores[1::3], scores[2::3], strict=True)
        for gate, stay, of_slots, importance, change in of_gates:
            reached, exits = np.flatnonzero(alive), alive & (stay[0, 0, :words] == 0)
            decision = Decision(exits, importance[0, 0, :words].astype(np.float64))
            found.append(GateRecord(gate, reached, of_slots[0, reached], decision, change[0, 0, :words]))
            alive = alive & ~exits
        if plan.last in self.strategy.gates and alive.any():
            reached = np.flatnonzero(alive)
            labelled = self._scores[0][0, reached]
            found.append(GateRecord(plan.last, reached, labelled, Decision(alive, np.zeros(words))))
        return found


@cache
def _workers(count: int, threads: int, process: int) -> ThreadPoolExecutor:
    """This process's worker threads, each of which runs graphs with so many threads; a fork does not copy them."""
    return ThreadPoolExecutor(count, f"pass with {threads} threads")
