"""The public API: an engine tags texts under any strategy."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.cascade import Cascade, columns_of
from engine.errors import InputError, extra
from engine.graph.backend import GraphBackend
from engine.latency import Latency
from engine.models.folder import NETWORKS, OTHERS, ModelFolder, errors_name, read_folder
from engine.models.tokenizer import word_pieces
from engine.pruning.controllers import CONTROLLERS, Controller
from engine.pruning.controllers.entropy import EntropyController
from engine.pruning.record import Record, distributions
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import CASCADE, DENSE, RECOVERY, check_point, parse, resolve
from engine.result import Judgement, Result
from engine.text.windows import Window

if TYPE_CHECKING:
    from engine.pytorch.backend import PyTorchBackend

logger = logging.getLogger(__name__)

DTYPES = ("float32", "bfloat16", "int8", "auto")
OnWindow = Callable[[int, int], None]
Done = Callable[[], None] | None  # is called after each window
Windows = Sequence[Sequence[Window]]  # of several texts
Exits = Sequence[np.ndarray] | None  # where words exit, instead of a controller's decisions; see `GraphBackend.run`
# Of a text: label distributions of its words, the records of its windows and, in a cascade, what the small model said.
Outputs = tuple[np.ndarray, list[Record], Judgement | None]


class Engine:
    """Tags texts with biomedical entities. Any number of threads may call it at once.

    Args:
        folder: a model folder.
        dtype: ``float32``; ``int8`` on a CPU; ``bfloat16`` on a GPU; or ``auto``: on a CPU ``int8`` if ``dense`` was
            found to agree with float32 in it, on a GPU ``bfloat16`` if it has units for it, else ``float32``.
        device: ``cpu``, where a graph of ONNX Runtime computes, or ``cuda``, where PyTorch does.

    ``dtype`` is what it computes in, with ``auto`` resolved, and ``why`` says why ``auto`` chose it.
    ``digest``: SHA-256 of the weights, the same in every dtype.
    ``pieces`` cuts words into word pieces and windows.
    ``small`` and ``cascades``: in the folder of a cascade, its small model's engine and its operating points. Other
    strategies run on the large model alone.

    Raises:
        InputError: if the dtype or device is unknown, the device cannot run the dtype, or the folder's files are
            missing, damaged or not supported.
    """

    def __init__(self, folder: ModelFolder, dtype: str = "auto", device: str = "cpu") -> None:
        if dtype not in DTYPES:
            raise InputError(f"expected one of the dtypes {list(DTYPES)}, got {dtype!r}; choose one of them")
        self.folder, self.device = folder, device
        self.source, self.labels, self.points = folder.source, folder.labels, folder.points
        self.dtype, self.why = (dtype, "") if dtype != "auto" else choose_dtype(folder, device)
        logger.info("dtype %s%s", self.dtype, f": {self.why}" if self.why else "")
        family = folder.family
        self.sizes = family.sizes(len(folder.labels))
        with errors_name(folder.source, folder.path):
            self.digest = folder.digest()
            self.pieces = word_pieces(folder.path, family.max_rows, family.setting("vocab_size"))
            self.backend = make_backend(folder, self.dtype, device)
        self.small = Engine(folder.small, self.dtype, device) if folder.small else None
        self.cascades = folder.cascades

    def __reduce__(self) -> Any:
        """Sessions cannot be copied: an engine is loaded again, in another process if need be."""
        return type(self), (self.folder, self.dtype, self.device)

    @property
    def has_gates(self) -> bool:
        """Whether every layer has a label head, so that words can exit."""
        return self.folder.has_gates and self.sizes.layers > 1

    @property
    def default_strategy(self) -> str:
        """The strategy that runs if none is named: the cascade, else ``entropy`` if there are gates, else ``dense``."""
        return CASCADE if self.small else EntropyController.kind if self.has_gates else DENSE

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What results depend on besides strategy, dtype, device and code; compared before a run continues."""
        config = self.folder.config
        facts = {
            "weights": self.digest,
            "tokenizer": self.pieces.digest(),
            "labels": list(self.labels.names),
            "runtime": str(self.backend),
            "configuration": {name: config[name] for name in sorted(config.keys() - OTHERS)},
        }
        return facts | ({"small": self.small.fingerprint} if self.small else {})

    @property
    def runnable(self) -> list[str]:
        """Names of the strategies that this model can run; one without gates runs only ``dense``."""
        dense = [DENSE, CASCADE] if self.small else [DENSE]
        if not self.has_gates:
            return dense
        networks = self.folder.networks
        kinds = [kind for kind, of in CONTROLLERS.items() if kind in networks or not of.network_file]
        return [*dense, *kinds, *(kind + RECOVERY for kind in kinds), f"truncate-{self.sizes.layers // 2}"]

    def strategy(self, name: str | Strategy | None = None, point: str | None = None, **settings: Any) -> Strategy:
        """Builds a strategy from its name, an operating point and changed settings.

        Args:
            name: ``dense``, ``rule``, ``entropy``, ``mlp``, ``entropy+recovery``, ``truncate-k``; with an operating
                point: ``entropy:fast``; in the folder of a cascade also ``cascade:fast``; a `Strategy` is used as is;
                ``None`` is `default_strategy`.
            point: ``careful``, ``balanced`` or ``fast``, as stored with the weights; the same as in the name, if that
                has one; by default ``balanced`` or, if that is not stored, the most cautious one. A strategy that is
                named and has no operating points ignores it.
            **settings: settings to change; ``None`` leaves one unchanged.

        Raises:
            InputError: if the name, operating point or a setting is unknown, name and ``point`` differ, or the model
                lacks the gates or network that the strategy needs.
        """
        if not isinstance(point, str | None):
            raise InputError(f"expected the name of an operating point, got {point!r}; write e.g. fast")
        if name is None:
            name = self.default_strategy
            if point and name == DENSE:  # which has no points
                name = EntropyController.kind
        if not isinstance(name, str | Strategy):
            raise InputError(f"expected the name of a strategy, got {name!r}; write e.g. entropy:fast")
        self._check_runs(name.kind if isinstance(name, Strategy) else parse(name).kind)
        if isinstance(name, Strategy):
            check_point(name.point, point)
            strategy = name
        else:
            strategy = resolve(name, self.sizes.layers, {**self.points, CASCADE: self.cascades}, point)
        strategy = strategy.with_settings(**{key: value for key, value in settings.items() if value is not None})
        if strategy.gates and strategy.gates[-1] >= self.sizes.layers:
            raise InputError(
                f"expected gates before the last layer ({self.sizes.layers}), got {strategy.gates}; remove it"
            )
        if isinstance(strategy, Cascade) and self.small:
            strategy = replace(strategy, small=self.small.strategy(strategy.small))
        controller = strategy.controller
        if isinstance(controller, Controller) and controller.network_file:
            network = self.folder.networks[controller.kind]
            strategy = replace(strategy, controller=replace(controller, network=network))  # type: ignore[call-arg]
        return strategy

    def _check_runs(self, kind: str) -> None:
        """Raises an `InputError` if the model lacks what a kind of strategy needs."""
        if kind == CASCADE and self.small is None:
            raise InputError(
                f"expected the folder of a cascade for {kind!r}, got {self.source!r}, which is none; choose another "
                f"strategy, or make one with python -m engine.training.cascade {self.source} --small SMALL "
                "--texts FILE --out FOLDER"
            )
        if kind not in (DENSE, CASCADE) and not self.has_gates:
            raise InputError(
                f"expected a model with gates for {kind!r}, got {self.source!r}, which has none; choose dense, or make "
                f"gates with python -m engine.training.accelerate {self.source} --texts FILE --out FOLDER"
            )
        if kind in NETWORKS and kind not in self.folder.networks:
            raise InputError(
                f"expected a model with a learned controller for {kind!r}, got {self.source!r}, which has none; make "
                f"it with python -m engine.training.controller --model {self.source}"
            )

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
        **settings: Any,
    ) -> list[Result]:
        """Tags texts in batches; returns results in order. ``batch_size`` does not affect them.

        ``on_window`` is called after each window with the number of windows that are done and that of all, for
        progress; an error that it raises ends the call.
        """
        chosen = self.strategy(strategy, point, **settings)
        if not isinstance(batch_size, Integral) or batch_size < 1:
            raise InputError(f"expected a batch size of 1 or more, got {batch_size!r}; choose another")
        if isinstance(texts, str) or not isinstance(texts, Iterable):
            raise InputError(f"expected a list of texts, got {texts!r}; put it into a list, or call tag")
        texts = list(texts)
        if not all(isinstance(text, str) for text in texts):
            raise InputError("expected texts as strings, got something else among them; convert them to str")
        total = sum(map(len, self.pieces.of_texts(texts)[1])) if on_window is not None else 0
        numbers = iter(range(1, total + 1))
        done = None if on_window is None else lambda: on_window(next(numbers), total)
        results: list[Result] = []
        for start in range(0, len(texts), int(batch_size)):
            results += self._tag_call(texts[start : start + int(batch_size)], chosen, done)
        return results

    def tag_with_exits(self, texts: Sequence[str], strategy: Strategy, exits: Sequence[np.ndarray]) -> list[Result]:
        """Tags texts in one call, in which each word exits after the layer that it is told to.

        ``exits``: for each window of the texts a gate of the strategy or the last layer for every word, int64
        ``(words,)``.
        """
        return self._tag_call(texts, strategy, None, exits)

    def _tag_call(self, texts: Sequence[str], strategy: Strategy, done: Done, exits: Exits = None) -> list[Result]:
        begin = time.perf_counter()
        words, windows = self.pieces.of_texts(texts)
        if isinstance(strategy, Cascade):
            outputs = self._cascaded(texts, windows, strategy, done)
        else:
            records = self._run(windows, strategy, done, exits)
            outputs = [(distributions(of_text, len(self.labels)), of_text, None) for of_text in records]
        pairs = zip(texts, words, outputs, strict=True)
        entities = [self.labels.decode(text, spans, probabilities) for text, spans, (probabilities, *_) in pairs]
        latency = Latency((time.perf_counter() - begin) * 1e3, len(texts))
        return [
            Result(text, found, strategy, spans, probabilities, latency, records, self.sizes, judgement)
            for text, found, spans, (probabilities, records, judgement) in zip(
                texts, entities, words, outputs, strict=True
            )
        ]

    def _run(self, windows: Windows, strategy: Strategy, done: Done, exits: Exits = None) -> list[list[Record]]:
        """Runs the windows of texts; returns, for each text, the records of its windows in order."""
        flat = [window for of_text in windows for window in of_text]
        records = self.backend.run(flat, strategy, done, exits) if flat else []
        ends = accumulate(map(len, windows), initial=0)
        return [records[start:end] for start, end in pairwise(ends)]

    def _cascaded(self, texts: Sequence[str], windows: Windows, strategy: Cascade, done: Done) -> list[Outputs]:
        """Tags texts with the small model, and runs the windows that it doubts."""
        assert self.small is not None, "only the folder of a cascade has this strategy"
        columns = columns_of(self.small.labels, self.labels)
        results = self.small.tag_batch(texts, strategy.small, batch_size=len(texts))
        small = [result.probabilities[:, columns] for result in results]
        judgements = [
            Judgement(result, of_text, strategy.judge(probabilities, of_text))
            for result, of_text, probabilities in zip(results, windows, small, strict=True)
        ]
        records = self._run([judgement.windows_where(read=True) for judgement in judgements], strategy, done)
        if done is not None:
            for _ in range(sum(not window.read for judgement in judgements for window in judgement.judged)):
                done()
        return [
            (strategy.merge(before, judgement.judged, distributions(of_text, len(self.labels))), of_text, judgement)
            for before, of_text, judgement in zip(small, records, judgements, strict=True)
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


def make_backend(folder: ModelFolder, dtype: str, device: str) -> "GraphBackend | PyTorchBackend":
    """Loads what computes: a graph on a CPU, PyTorch on a GPU."""
    if device == "cpu":
        if dtype == "bfloat16":
            raise InputError("expected a GPU for dtype bfloat16, got device cpu; use --dtype int8 or float32")
        return GraphBackend(folder, dtype)
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
) -> Engine:
    """Loads an engine from a folder or a hub id; ``None`` loads the shipped weights.

    It may be any token-classification checkpoint; without gates it runs only ``dense``. For ``dtype``, ``device`` and
    errors see `Engine`; ``labels`` say what the model's labels mean, see `engine.models.folder.read_folder`.
    """
    return Engine(read_folder(path_or_hub_id, labels), dtype, device)
