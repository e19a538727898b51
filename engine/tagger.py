"""Loads engines: of one model, or of a cascade's two."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from engine.base import Backend, Done, Engine
from engine.cascade import Cascade, columns_of, words_read
from engine.errors import InputError, extra
from engine.graph.backend import GraphBackend
from engine.models.folder import NETWORKS, NOT_IN_RESULTS, ModelFolder, errors_name, read_folder
from engine.models.tokenizer import word_pieces
from engine.pruning.controllers import CONTROLLERS, Controller, EntropyController
from engine.pruning.passes import Pass
from engine.pruning.record import WindowRecord, distributions
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import CASCADE, DENSE, RECOVERY
from engine.result import Output
from engine.text.windows import Window

logger = logging.getLogger(__name__)

DTYPES = ("float32", "bfloat16", "int8", "auto")


class ModelEngine(Engine):
    """The engine of one model.

    Args:
        folder: a model folder.
        dtype: ``float32``; ``int8`` on a CPU; ``bfloat16`` on a GPU; or ``auto``: on a CPU ``int8`` if ``dense`` was
            found to agree with float32 in it, on a GPU ``bfloat16`` if it has units for it, else ``float32``.
        device: ``cpu``, where a graph of ONNX Runtime computes, or ``cuda``, where PyTorch does.
        threads: number of threads of a call on a CPU; 0 for PyTorch's if it is loaded, else as many as there are cores.

    Raises:
        InputError: if the dtype or device is unknown, ``threads`` is below 0, the device cannot run the dtype, or the
            folder's files are missing, damaged or not supported.
    """

    def __init__(self, folder: ModelFolder, dtype: str = "auto", device: str = "cpu", threads: int = 0) -> None:
        if dtype not in DTYPES:
            raise InputError(f"expected one of the dtypes {list(DTYPES)}, got {dtype!r}; choose one of them")
        if not isinstance(threads, int) or threads < 0:
            raise InputError(f"expected a number of threads, got {threads!r}; choose 1 or more, or leave it out")
        self.folder, self.device, self.threads, self.stages = folder, device, threads, (self,)
        self.source, self.labels, self.points = folder.source, folder.labels, folder.points
        self.dtype, self.why = (dtype, "") if dtype != "auto" else choose_dtype(folder, device)
        logger.info("dtype %s%s", self.dtype, f": {self.why}" if self.why else "")
        family = folder.family
        self.sizes = family.sizes(len(folder.labels))
        self.has_gates = folder.has_gates and self.sizes.layers > 1
        self.default_strategy = EntropyController.kind if self.has_gates else DENSE
        with errors_name(folder.source, folder.path):
            self.digest = folder.digest()
            self.pieces = word_pieces(folder.path, family.max_rows, family.setting("vocab_size"))
            self.backend = make_backend(folder, self.dtype, device, self.threads)

    @property
    def fingerprint(self) -> dict[str, Any]:
        config = self.folder.config
        return {
            "weights": self.digest,
            "tokenizer": self.pieces.digest(),
            "labels": list(self.labels.names),
            "runtime": str(self.backend),
            "configuration": {name: config[name] for name in sorted(config.keys() - NOT_IN_RESULTS)},
        }

    @property
    def runnable(self) -> list[str]:
        if not self.has_gates:
            return [DENSE]
        networks = self.folder.networks
        kinds = [kind for kind, of in CONTROLLERS.items() if kind in networks or not of.network_file]
        return [DENSE, *kinds, *(kind + RECOVERY for kind in kinds), f"truncate-{self.sizes.layers // 2}"]

    def _fitted(self, strategy: Strategy) -> Strategy:
        if strategy.gates and strategy.gates[-1] >= self.sizes.layers:
            raise InputError(f"expected gates before the last layer ({self.sizes.layers}), got {strategy.gates}")
        controller = strategy.controller
        if isinstance(controller, Controller) and controller.network_file:
            network = self.folder.networks[controller.kind]
            strategy = replace(strategy, controller=replace(controller, network=network))  # type: ignore[call-arg]
        return strategy

    def _check_runs(self, kind: str) -> None:
        if kind == CASCADE:
            raise InputError(
                f"expected the folder of a cascade for {kind!r}, got {self.source!r}, which is none; choose another "
                f"strategy, or make one with python -m engine.training.cascade {self.source} --small SMALL "
                "--texts FILE --out FOLDER"
            )
        if kind != DENSE and not self.has_gates:
            raise InputError(
                f"expected a model with gates for {kind!r}, got {self.source!r}, which has none; take the strategy "
                "dense (--strategy dense), or make gates with python -m engine.training.accelerate "
                f"{self.source} --texts FILE --out FOLDER"
            )
        if kind in NETWORKS and kind not in self.folder.networks:
            raise InputError(
                f"expected a model with a learned controller for {kind!r}, got {self.source!r}, which has none; make "
                f"it with python -m engine.training.controller --model {self.source}"
            )

    def compute(self, texts: Sequence[str], strategy: Strategy, done: Done) -> list[Output]:
        words, windows = self.pieces.of_texts(texts)
        return [
            Output(spans, distributions(records, len(self.labels)), [Pass(strategy, self.sizes, records)])
            for spans, records in zip(words, self.run(windows, strategy, done), strict=True)
        ]

    def run(self, windows: Sequence[Sequence[Window]], strategy: Strategy, done: Done) -> list[list[WindowRecord]]:
        """Runs windows of texts; returns, for each text, the records of its windows in order."""
        flat = [window for of_text in windows for window in of_text]
        records = self.backend.run(flat, strategy, partial(done, 1)) if flat else []
        ends = accumulate(map(len, windows), initial=0)
        return [records[start:end] for start, end in pairwise(ends)]


class CascadeEngine(Engine):
    """The engine of a cascade's folder: a small model tags every text, and a large one reads the windows in doubt.

    Other strategies run on the large model alone. Arguments and errors are those of `ModelEngine`.
    """

    default_strategy = CASCADE

    def __init__(self, folder: ModelFolder, dtype: str = "auto", device: str = "cpu", threads: int = 0) -> None:
        assert folder.small is not None, "only the folder of a cascade has two models"
        self.large = large = ModelEngine(folder, dtype, device, threads)
        self.small = ModelEngine(folder.small, large.dtype, device, threads)
        self.stages = self.small, large
        self.folder, self.device, self.threads, self.dtype, self.why = folder, device, threads, large.dtype, large.why
        self.source, self.labels, self.digest = large.source, large.labels, large.digest
        self.backend = large.backend
        self.points = {**large.points, CASCADE: folder.cascades}
        self.sizes, self.pieces, self.has_gates = large.sizes, large.pieces, large.has_gates
        self._columns = columns_of(self.small.labels, self.labels)

    @property
    def fingerprint(self) -> dict[str, Any]:
        return self.large.fingerprint | {"small": self.small.fingerprint}

    @property
    def runnable(self) -> list[str]:
        dense, *others = self.large.runnable
        return [dense, CASCADE, *others]

    def _check_runs(self, kind: str) -> None:
        if kind != CASCADE:
            self.large._check_runs(kind)

    def _fitted(self, strategy: Strategy) -> Strategy:
        if isinstance(strategy, Cascade):
            strategy = replace(strategy, small=self.small.strategy(strategy.small))
        return self.large._fitted(strategy)

    def compute(self, texts: Sequence[str], strategy: Strategy, done: Done) -> list[Output]:
        if not isinstance(strategy, Cascade):
            return self.large.compute(texts, strategy, done)
        first = self.small.compute(texts, strategy.small, done)
        before = [output.probabilities[:, self._columns] for output in first]
        windows = self.pieces.of_texts(texts)[1]
        judged = [strategy.judge(*of_text) for of_text in zip(before, windows, strict=True)]
        read, unread = (
            [
                [window for window, judgement in zip(*of_text, strict=True) if judgement.read == wanted]
                for of_text in zip(windows, judged, strict=True)
            ]
            for wanted in (True, False)
        )
        if number := sum(map(len, unread)):
            done(number)
        return [
            Output(
                output.words,
                strategy.merge(probabilities, words_read(of_text), distributions(records, len(self.labels))),
                [*output.passes, Pass(strategy, self.sizes, records, rest)],
                of_text,
            )
            for output, probabilities, of_text, records, rest in zip(
                first, before, judged, self.large.run(read, strategy, done), unread, strict=True
            )
        ]


def choose_dtype(folder: ModelFolder, device: str) -> tuple[str, str]:
    """What ``auto`` is here, and why."""
    if device != "cpu":
        with extra("training"):
            from engine.pytorch.backend import has_bfloat16_units

        has = device.startswith("cuda") and has_bfloat16_units(device)
        return ("bfloat16", "the GPU has units for it") if has else ("float32", "the GPU has no units for bfloat16")
    if folder.int8 is not None:
        return "int8", "it finds nearly the same entities as float32"
    return "float32", (
        "it is not known whether 8 bits would agree with float32; python -m engine.training.calibrate finds out, or "
        "choose the dtype int8"
    )


def make_backend(folder: ModelFolder, dtype: str, device: str, threads: int) -> Backend:
    """Loads what computes: a graph on a CPU, PyTorch on a GPU."""
    if device == "cpu":
        if dtype == "bfloat16":
            raise InputError("expected a GPU for dtype bfloat16, got device cpu; use --dtype int8 or float32")
        return GraphBackend(folder, dtype, threads)
    if dtype == "int8":
        raise InputError(f"expected device cpu for dtype int8, got {device}; use --dtype bfloat16")
    with extra("training"):
        from engine.pytorch.backend import PyTorchBackend
    return PyTorchBackend(folder, dtype, device)


def load_engine(
    path_or_hub_id: str | Path | None = None,
    dtype: str = "auto",
    device: str = "cpu",
    labels: str | Path | Sequence[str] | None = None,
    threads: int = 0,
) -> Engine:
    """Loads an engine from a folder or a hub id, or shipped weights by short name; ``None`` is chemicals-diseases.

    It may be any token-classification checkpoint; without gates it runs only ``dense``. For other arguments and
    errors see `ModelEngine`; ``labels`` say what the model's labels mean, see `engine.models.folder.read_folder`.
    """
    folder = read_folder(path_or_hub_id, labels)
    return (CascadeEngine if folder.small else ModelEngine)(folder, dtype, device, threads)
