"""The engine of one model: it tags texts under any strategy."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import accumulate, chain, pairwise
from numbers import Integral
from typing import Any, Protocol

from engine.errors import InputError, extra
from engine.graph.backend import GraphBackend
from engine.latency import Latency
from engine.models.decoder_file import read_decoder
from engine.models.folder import NETWORKS, NOT_IN_RESULTS, ModelFolder, errors_name
from engine.models.tokenizer import word_pieces
from engine.pruning.controllers import CONTROLLERS, Controller, EntropyController
from engine.pruning.passes import Pass
from engine.pruning.record import WindowRecord, distributions
from engine.pruning.strategy import Strategy, resolve
from engine.pruning.strategy_names import CASCADE, DENSE, RECOVERY, StrategyName
from engine.result import Output, Result
from engine.text.windows import Window

logger = logging.getLogger(__name__)

DTYPES = ("float32", "bfloat16", "int8", "auto")
OnWindow = Callable[[int, int], None]
Done = Callable[[int], None]  # called with the number of windows finished since the last call


class Backend(Protocol):
    """Runs windows through a model; see `engine.graph.backend.GraphBackend.run`."""

    def run(self, windows: Sequence[Window], strategy: Strategy, done: Done | None = None) -> list[WindowRecord]: ...


class Engine:
    """Tags texts with biomedical entities. Any number of threads may call it at once.

    Args:
        folder: a model folder.
        dtype: ``float32``; ``int8`` on a CPU; ``bfloat16`` on a GPU; or ``auto``: on a CPU ``int8`` if ``dense`` was
            found to agree with float32 in it, on a GPU ``bfloat16`` if it has units for it, else ``float32``.
        device: ``cpu``, where a graph of ONNX Runtime computes, or ``cuda``, where PyTorch does.
        threads: number of threads of a call on a CPU; 0 for PyTorch's if it is loaded, else as many as there are cores.
        constraints, abbreviations: parts of the decoder, see `engine.text.decoding.Decoder`; ``None`` for what the
            folder says.

    ``source``: the folder or hub id, as given. ``dtype``: what it computes in, with ``auto`` resolved; ``why`` says why
    ``auto`` chose it. ``digest``: SHA-256 of the weights, the same in every dtype. ``points``: operating points by the
    name of their strategy. ``pieces`` cuts words into word pieces and windows, ``backend`` computes, and ``decoder``
    makes entities of label distributions.
    ``has_gates``: whether every layer has a label head, so that words can exit. ``default_strategy``: the one that runs
    if none is named: ``cascade``, else ``entropy`` if there are gates, else ``dense``.
    ``stages``: the engine of each model, in order; each reads what the one before it leaves in doubt. Most engines are
    their only stage; that of a cascade is its last, the large model.

    Raises:
        InputError: if the dtype or device is unknown, ``threads`` is below 0, the device cannot run the dtype, or the
            folder's files are missing, damaged or not supported.
    """

    stages: "tuple[Engine, ...]"

    def __init__(
        self,
        folder: ModelFolder,
        dtype: str = "auto",
        device: str = "cpu",
        threads: int = 0,
        constraints: bool = True,
        abbreviations: bool | None = None,
    ) -> None:
        if dtype not in DTYPES:
            raise InputError(f"The dtype {dtype!r} is unknown; choose one of {', '.join(DTYPES)}.")
        if not isinstance(device, str):
            raise InputError(f"The device {device!r} is no name; write 'cpu' or 'cuda'.")
        if not isinstance(threads, int) or threads < 0:
            raise InputError(f"{threads!r} threads are impossible; choose 1 or more, or leave threads out.")
        self.folder, self.device, self.threads, self.stages = folder, device, threads, (self,)
        self._warned = False
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
            self.decoder = read_decoder(folder.path, folder.labels, constraints, abbreviations)
            self.backend = make_backend(folder, self.dtype, device, threads)

    def __reduce__(self) -> Any:
        """Sessions cannot be copied: an engine is loaded again, in another process if need be."""
        decoder = self.decoder
        options = (self.dtype, self.device, self.threads, decoder.constraints, decoder.abbreviations)
        return type(self), (self.folder, *options)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What results depend on besides strategy, dtype, device and code; compared before a run continues."""
        config = self.folder.config
        return {
            "weights": self.digest,
            "tokenizer": self.pieces.digest(),
            "decoder": self.decoder.digest(),
            "labels": list(self.labels.names),
            "label order": list(self.folder.label_order),
            "runtime": str(self.backend),
            "configuration": {name: config[name] for name in sorted(config.keys() - NOT_IN_RESULTS)},
        }

    @property
    def runnable(self) -> list[str]:
        """Names of the strategies that it can run; a model without gates runs only ``dense``."""
        if not self.has_gates:
            return [DENSE]
        networks = self.folder.networks
        kinds = [kind for kind, of in CONTROLLERS.items() if kind in networks or not of.network_file]
        return [DENSE, *kinds, *(kind + RECOVERY for kind in kinds), f"truncate-{self.sizes.layers // 2}"]

    def strategy(
        self, name: str | StrategyName | Strategy | None = None, point: str | None = None, **settings: Any
    ) -> Strategy:
        """Builds a strategy from its name, an operating point and changed settings.

        Args:
            name: ``dense``, ``rule``, ``entropy``, ``mlp``, ``entropy+recovery``, ``truncate-k``; with an operating
                point: ``entropy:fast``; in the folder of a cascade also ``cascade:fast``; a `Strategy` is used as is;
                ``None`` is ``default_strategy``.
            point: ``careful``, ``balanced`` or ``fast``, as stored with the weights; the same as in the name, if that
                has one; by default ``balanced`` or, if that is not stored, the most cautious one. A strategy that is
                named and has no operating points ignores it.
            **settings: settings to change; ``None`` leaves one unchanged.

        Raises:
            InputError: if the name, operating point or a setting is unknown, name and ``point`` differ, or the model
                lacks the gates or network that the strategy needs.
        """
        if not isinstance(point, str | None):
            raise InputError(f"The operating point {point!r} is no name; write e.g. 'fast'.")
        if name is None:
            name = self.default_strategy
            if point and name == DENSE:  # which has no points
                name = EntropyController.kind
            if name == EntropyController.kind and not self.points.get(name) and not self._warned:
                self._warned = True  # once, not at every text
                logger.warning(
                    "%s has no operating points, so unchecked thresholds decide: run calibrate.", self.source
                )
        if not isinstance(name, str | StrategyName | Strategy):
            raise InputError(f"The strategy {name!r} is no name; write e.g. 'entropy:fast'.")
        if isinstance(name, Strategy):
            self._check_runs(name.kind)
            strategy = name
            if point and strategy.settings() and strategy.point != point:
                raise InputError(f"{name.point!r} and {point!r} are two operating points; leave one out.")
        else:
            parsed = name if isinstance(name, StrategyName) else StrategyName.parse(name, point)
            self._check_runs(parsed.kind)
            strategy = resolve(parsed, self.sizes.layers, self.points)
        return self._fitted(strategy.with_settings(**{key: v for key, v in settings.items() if v is not None}))

    def stages_of(self, strategy: Strategy) -> "tuple[Engine, ...]":
        """The stages that run a strategy: one of a single stage runs on the last."""
        return self.stages[-len(strategy.stages) :]

    def _check_runs(self, kind: str) -> None:
        """Raises an `InputError` if it lacks what a kind of strategy needs."""
        if kind == CASCADE:
            raise InputError(
                f"{self.source!r} is no cascade and cannot run {kind!r}. Choose another strategy, or make one: "
                f"bioner cascade {self.source} --small SMALL --texts FILE --out FOLDER"
            )
        if kind != DENSE and not self.has_gates:
            raise InputError(
                f"{self.source!r} has no gates, which {kind!r} needs. Choose --strategy dense, or train gates: "
                f"bioner accelerate {self.source} --texts FILE --out FOLDER"
            )
        if kind in NETWORKS and kind not in self.folder.networks:
            raise InputError(
                f"{self.source!r} has no learned controller, which {kind!r} needs. Train it: "
                f"bioner controller --model {self.source}"
            )

    def _fitted(self, strategy: Strategy) -> Strategy:
        """The strategy with the network of its controller; raises an `InputError` if it does not fit the model."""
        if strategy.gates and strategy.gates[-1] >= self.sizes.layers:
            raise InputError(f"Gates must come before layer {self.sizes.layers}, the last; these are {strategy.gates}.")
        controller = strategy.controller
        if strategy.recovery and isinstance(controller, Controller) and controller.all_exit(0):
            raise InputError("Recovery needs a first gate that keeps some words; lower its threshold.")
        if isinstance(controller, Controller) and controller.network_file:
            network = self.folder.networks[controller.kind]
            strategy = replace(strategy, controller=replace(controller, network=network))  # type: ignore[call-arg]
        return strategy

    def tag(
        self, text: str, strategy: str | Strategy | None = None, point: str | None = None, **settings: Any
    ) -> Result:
        """Tags one text; see `strategy` for the arguments, e.g. ``lambda_`` and ``min_keep_ratio``."""
        return self.tag_batch([text], strategy, point, **settings)[0]

    def tag_batch(
        self,
        texts: Iterable[str],
        strategy: str | Strategy | None = None,
        point: str | None = None,
        batch_size: int = 32,
        on_window: OnWindow | None = None,
        breaks: Sequence[Sequence[int]] | None = None,
        **settings: Any,
    ) -> list[Result]:
        """Tags texts in batches; returns results in order. ``batch_size`` does not affect them.

        ``breaks`` are, for each text, the characters at which its passages end: no entity crosses one.
        ``on_window`` is called after each window of each stage, or in PyTorch each batch of them, with the number of
        windows that are done and that of all, for progress; an error that it raises ends the call. Windows that a stage
        does not read are done at once.
        """
        chosen = self.strategy(strategy, point, **settings)
        if not isinstance(batch_size, Integral) or batch_size < 1:
            raise InputError(f"The batch size {batch_size!r} is no whole number of 1 or more.")
        if isinstance(texts, str) or not isinstance(texts, Iterable):
            raise InputError(f"{texts!r} is no list of texts; put it into a list, or call tag.")
        texts = list(texts)
        if not all(isinstance(text, str) for text in texts):
            raise InputError("Not all texts are strings; convert them with str.")
        breaks = [()] * len(texts) if breaks is None else breaks
        if len(breaks) != len(texts):
            raise InputError(f"{len(texts)} texts need as many breaks, not {len(breaks)}.")
        done = 0
        stages = self.stages_of(chosen) if on_window is not None else ()
        total = sum(len(windows) for stage in stages for windows in stage.pieces.of_texts(texts)[1])

        def on_done(windows: int) -> None:
            nonlocal done
            done += windows
            if on_window is not None:
                on_window(done, total)

        results: list[Result] = []
        for start in range(0, len(texts), int(batch_size)):
            batch = slice(start, start + int(batch_size))
            results += self._results(texts[batch], breaks[batch], chosen, on_done)
        return results

    def compute(self, texts: Sequence[str], strategy: Strategy, done: Done) -> list[Output]:
        """Runs the stages of a strategy on texts."""
        words, windows = self.pieces.of_texts(texts)
        return [
            Output(spans, distributions(records, len(self.labels)), [Pass(strategy, self.sizes, records, text_windows)])
            for spans, records, text_windows in zip(words, self.run(windows, strategy, done), windows, strict=True)
        ]

    def run(self, windows: Sequence[Sequence[Window]], strategy: Strategy, done: Done) -> list[list[WindowRecord]]:
        """Runs windows of texts; returns, for each text, the records of its windows in order."""
        flat = list(chain.from_iterable(windows))
        records = self.backend.run(flat, strategy, done) if flat else []
        ends = accumulate(map(len, windows), initial=0)
        return [records[start:end] for start, end in pairwise(ends)]

    def _results(
        self, texts: Sequence[str], breaks: Sequence[Sequence[int]], strategy: Strategy, done: Done
    ) -> list[Result]:
        """What is computed of texts in one call, which is timed."""
        begin = time.perf_counter()
        outputs = self.compute(texts, strategy, done)
        found = [
            self.decoder.decode(text, output.words, output.probabilities, of_text)
            for text, output, of_text in zip(texts, outputs, breaks, strict=True)
        ]
        latency = Latency((time.perf_counter() - begin) * 1e3, len(texts))
        return [
            Result.of(output, text, strategy, self.labels, decoded, latency)
            for text, output, decoded in zip(texts, outputs, found, strict=True)
        ]


def choose_dtype(folder: ModelFolder, device: str) -> tuple[str, str]:
    """What ``auto`` is here, and why."""
    if device != "cpu":
        with extra("training"):
            from engine.pytorch.backend import has_bfloat16_units

        if not device.startswith("cuda"):
            return "float32", f"PyTorch computes on {device}"
        has = has_bfloat16_units(device)
        return ("bfloat16", "the GPU computes in it natively") if has else ("float32", "the GPU has no native bfloat16")
    if folder.int8:
        return "int8", "it finds nearly the same entities as float32"
    if folder.int8 is False:
        return "float32", "in 8 bits it finds other entities"
    find = "bioner calibrate finds out" if folder.has_gates else "try the dtype int8"
    return "float32", f"it is not known whether 8 bits find the same entities; {find}"


def make_backend(folder: ModelFolder, dtype: str, device: str, threads: int) -> Backend:
    """Loads what computes: a graph on a CPU, PyTorch on a GPU."""
    if device == "cpu":
        if dtype == "bfloat16":
            raise InputError("The dtype bfloat16 needs a GPU; on a CPU use --dtype int8 or float32.")
        return GraphBackend(folder, dtype, threads)
    if dtype == "int8":
        raise InputError(f"The dtype int8 needs the device cpu; on {device} use --dtype bfloat16.")
    with extra("training"):
        from engine.pytorch.backend import PyTorchBackend
    return PyTorchBackend(folder, dtype, device)
