"""The public API: an engine tags texts under any strategy."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from numbers import Integral
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from safetensors import safe_open

from engine.cascade import Cascade, columns_of, resolve_cascade
from engine.errors import InputError, first_line
from engine.graph.backend import GraphBackend
from engine.graph.products import Products
from engine.latency import Latency
from engine.models.folder import GATES, ModelFolder, errors_name, read_folder
from engine.models.tensors import Tensors
from engine.models.tokenizer import word_pieces
from engine.pruning.controllers import CONTROLLERS, Controller
from engine.pruning.record import Record, distributions
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import CASCADE, DENSE, RECOVERY, check_point, parse, resolve
from engine.result import Judgement, Result
from engine.text.windows import Window
from engine.text.words import Span

logger = logging.getLogger(__name__)

DTYPES = ("float32", "bfloat16", "int8", "auto")
OnWindow = Callable[[int, int], None]


class Backend(Protocol):
    """Runs the passes of a model; see `GraphBackend.run`."""

    def run(
        self,
        windows: Sequence[Window],
        strategy: Strategy,
        on_window: Callable[[], None] | None = None,
        exits: Sequence[np.ndarray] | None = None,
    ) -> list[Record]:
        """Runs windows under a strategy; returns their records in order."""


class Engine:
    """Tags texts with biomedical entities. Any number of threads may call it at once.

    Args:
        folder: a model folder.
        dtype: ``float32``; ``int8`` on a CPU; ``bfloat16`` on a GPU; or ``auto``: on a CPU ``int8`` if ``dense`` was
            found to agree with float32 in it, on a GPU ``bfloat16`` if it has units for it, else ``float32``.
        device: ``cpu``, where a graph of ONNX Runtime computes, or ``cuda``, where PyTorch does.

    ``dtype`` is what it computes in, with ``auto`` resolved, and ``why`` says why ``auto`` chose it.
    ``pieces`` cuts words into word pieces and windows.
    ``small`` and ``cascades``: of a `CascadeEngine`, the engine of its small model and its operating points.

    Raises:
        InputError: if the dtype or device is unknown, the device cannot run the dtype, or the folder's files are
            missing, damaged or not supported.
    """

    default_strategy = "entropy:balanced"
    small: Engine | None = None
    cascades: Mapping[str, Cascade] = {}

    def __init__(self, folder: ModelFolder, dtype: str = "auto", device: str = "cpu") -> None:
        if dtype not in DTYPES:
            raise InputError(f"expected one of the dtypes {list(DTYPES)}, got {dtype!r}; choose one of them")
        self.folder, self.device = folder, device
        self.source, self.labels, self.points = folder.source, folder.labels, folder.points
        self.dtype, self.why = (dtype, "") if dtype != "auto" else choose_dtype(folder, device)
        logger.info("dtype %s%s", self.dtype, f": {self.why}" if self.why else "")
        with errors_name(folder.source, folder.path):
            folder.check_digests()
            family = folder.family
            self.sizes = family.sizes(len(folder.labels))
            self.pieces = word_pieces(folder.path, family.max_rows, family.setting("vocab_size"))
            self.backend: Backend = make_backend(folder, self.dtype, device)

    def __reduce__(self) -> Any:
        """Sessions cannot be copied: an engine is loaded again, in another process if need be."""
        return type(self), (self.folder, self.dtype, self.device)

    @property
    def has_gates(self) -> bool:
        """Whether every layer has a label head, so that words can exit."""
        return self.folder.has_gates and self.sizes.layers > 1

    @property
    def digest(self) -> str:
        """SHA-256 of the weights, the same in every dtype."""
        return self.folder.digest

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What results depend on besides strategy, dtype, device and code; compared before a run continues."""
        return {
            "weights": self.digest,
            "tokenizer": self.pieces.digest(),
            "labels": list(self.labels.names),
            "runtime": str(self.backend),
            "configuration": self.folder.configuration,
        }

    @property
    def runnable(self) -> list[str]:
        """Names of the strategies that this model can run; one without gates runs only ``dense``."""
        if not self.has_gates:
            return [DENSE]
        networks = self.folder.networks
        kinds = [kind for kind, of in CONTROLLERS.items() if kind in networks or not of.network_file]
        truncated = f"truncate-{self.sizes.layers // 2}"
        return [DENSE, *kinds, *(kind + RECOVERY for kind in kinds), truncated]

    def strategy(self, name: str | Strategy | None = None, point: str | None = None, **settings: Any) -> Strategy:
        """Builds a strategy from its name, an operating point and changed settings.

        Args:
            name: ``dense``, ``rule``, ``entropy``, ``mlp``, ``entropy+recovery``, ``truncate-k``; with an operating
                point: ``entropy:fast``; in the folder of a cascade also ``cascade:fast``, which is the default there; a
                `Strategy` is used as is.
            point: ``careful``, ``balanced`` (the default) or ``fast``, as stored with the weights; the same as in the
                name, if that has one. Strategies without operating points ignore it.
            **settings: settings to change; ``None`` leaves one unchanged.

        Raises:
            InputError: if the name, operating point or a setting is unknown, name and ``point`` differ, or the model
                lacks the gates or network that the strategy needs.
        """
        if not isinstance(point, str | None):
            raise InputError(f"expected the name of an operating point, got {point!r}; write e.g. fast")
        if name is None:
            name = self.default_strategy
            if point:
                name = f"{parse(name).kind}:{point}"
        if not isinstance(name, str | Strategy):
            raise InputError(f"expected the name of a strategy, got {name!r}; write e.g. entropy:fast")
        kind = name.kind if isinstance(name, Strategy) else parse(name).kind
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
        if isinstance(name, Strategy):
            check_point(name.point, point)
            strategy = name
        else:
            strategy = self._resolved(name, point)
        changed = {setting: value for setting, value in settings.items() if value is not None}
        strategy = strategy.with_settings(**changed)
        if strategy.gates and strategy.gates[-1] >= self.sizes.layers:
            raise InputError(
                f"expected gates before the last layer ({self.sizes.layers}), got {strategy.gates}; remove it"
            )
        return self._with_network(strategy)

    def _resolved(self, name: str, point: str | None) -> Strategy:
        return resolve(name, self.sizes.layers, self.points, point)

    def _with_network(self, strategy: Strategy) -> Strategy:
        """Gives the weights' network to a controller that needs it."""
        controller = strategy.controller
        if not (isinstance(controller, Controller) and controller.network_file):
            return strategy
        if controller.kind not in self.folder.networks:
            raise InputError(
                f"expected a model with a learned controller for {strategy.name!r}, got {self.source!r}, which has "
                f"none; make it with python -m engine.training.controller --model {self.source}"
            )
        network = self.folder.networks[controller.kind]
        return replace(strategy, controller=replace(controller, network=network))  # type: ignore[call-arg]

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
        if isinstance(texts, str):
            raise InputError("expected a list of texts, got one string; call tag, or put it into a list")
        if not isinstance(texts, Iterable):
            raise InputError(f"expected a list of texts, got {texts!r}; put them into a list")
        texts = list(texts)
        if not all(isinstance(text, str) for text in texts):
            raise InputError("expected texts as strings, got something else among them; convert them to str")
        done = self._progress(texts, on_window) if on_window is not None else None
        results: list[Result] = []
        for start in range(0, len(texts), int(batch_size)):
            results += self._tag_call(texts[start : start + int(batch_size)], chosen, done)
        return results

    def _progress(self, texts: Sequence[str], on_window: OnWindow) -> Callable[[], None]:
        """Counts windows."""
        total = sum(map(len, self.pieces.of_texts(texts)[1]))
        count = iter(range(1, total + 1))
        return lambda: on_window(next(count), total)

    def tag_with_exits(self, texts: Sequence[str], strategy: Strategy, exits: Sequence[np.ndarray]) -> list[Result]:
        """Tags texts in one call, in which each word exits after the layer that it is told to.

        Args:
            texts: the texts.
            strategy: says which gates there are.
            exits: for each window of the texts, in order, a gate or the last layer for every word, int64 ``(words,)``.
        """
        return self._tag_call(texts, strategy, None, exits)

    def _tag_call(
        self,
        texts: Sequence[str],
        strategy: Strategy,
        on_window: Callable[[], None] | None,
        exits: Sequence[np.ndarray] | None = None,
    ) -> list[Result]:
        begin = time.perf_counter()
        words, windows = self.pieces.of_texts(texts)
        records = self.run(windows, strategy, on_window, exits)
        probabilities = [distributions(of_text, len(self.labels)) for of_text in records]
        return self._results(begin, texts, strategy, words, probabilities, records, [None] * len(texts))

    def _results(
        self,
        begin: float,
        texts: Sequence[str],
        strategy: Strategy,
        words: Sequence[list[Span]],
        probabilities: Sequence[np.ndarray],
        records: Sequence[Sequence[Record]],
        judgements: Sequence[Judgement | None],
    ) -> list[Result]:
        """Decodes each text's label distributions; the call began at ``begin``, by `time.perf_counter`."""
        entities = [self.labels.decode(*parts) for parts in zip(texts, words, probabilities, strict=True)]
        latency = Latency((time.perf_counter() - begin) * 1e3, len(texts))
        return [
            Result(text, found, strategy, spans, scores, latency, of_text, self.sizes, judgement)
            for text, found, spans, scores, of_text, judgement in zip(
                texts, entities, words, probabilities, records, judgements, strict=True
            )
        ]

    def run(
        self,
        windows: Sequence[Sequence[Window]],
        strategy: Strategy,
        on_window: Callable[[], None] | None = None,
        exits: Sequence[np.ndarray] | None = None,
    ) -> list[list[Record]]:
        """Runs the windows of texts; returns, for each text, the records of its windows in order."""
        flat = [window for of_text in windows for window in of_text]
        records = self.backend.run(flat, strategy, on_window, exits) if flat else []
        ends = list(accumulate(map(len, windows), initial=0))
        return [records[start:end] for start, end in pairwise(ends)]


class CascadeEngine(Engine):
    """The engine of a large model that reads only the windows that a small one doubts.

    Other strategies run on the large model alone. The arguments are those of `Engine`.
    """

    default_strategy = CASCADE
    small: Engine

    def __init__(self, folder: ModelFolder, dtype: str = "auto", device: str = "cpu") -> None:
        super().__init__(folder, dtype, device)
        assert folder.small is not None, "the folder of a cascade has a small model"
        self.small, self.cascades = Engine(folder.small, self.dtype, device), folder.cascades

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Also has the small model's."""
        return super().fingerprint | {"small": self.small.fingerprint}

    @property
    def runnable(self) -> list[str]:
        """Also has the cascade."""
        first, *others = super().runnable
        return [first, CASCADE, *others]

    def _resolved(self, name: str, point: str | None) -> Strategy:
        if parse(name).kind != CASCADE:
            return super()._resolved(name, point)
        return resolve_cascade(name, self.cascades, point)

    def _with_network(self, strategy: Strategy) -> Strategy:
        if isinstance(strategy, Cascade):
            strategy = replace(strategy, small=self.small.strategy(strategy.small))
        return super()._with_network(strategy)

    def _tag_call(
        self,
        texts: Sequence[str],
        strategy: Strategy,
        on_window: Callable[[], None] | None,
        exits: Sequence[np.ndarray] | None = None,
    ) -> list[Result]:
        if strategy.kind != CASCADE:
            return super()._tag_call(texts, strategy, on_window, exits)
        cascade = cast(Cascade, strategy)
        begin = time.perf_counter()
        words, windows = self.pieces.of_texts(texts)
        judgements = self._judge(cascade, texts, windows)
        records = self.run([judgement.windows_where(read=True) for judgement in judgements], strategy, on_window)
        probabilities = [
            cascade.merge(judgement.probabilities, judgement.judged, distributions(of_text, len(self.labels)))
            for judgement, of_text in zip(judgements, records, strict=True)
        ]
        results = self._results(begin, texts, strategy, words, probabilities, records, judgements)
        for judgement in judgements if on_window is not None else ():
            for _ in judgement.windows_where(read=False):
                on_window()  # type: ignore[misc]
        return results

    def _judge(self, cascade: Cascade, texts: Sequence[str], windows: Sequence[Sequence[Window]]) -> list[Judgement]:
        """Tags texts with the small model and judges this model's windows of each."""
        columns = columns_of(self.small.labels, self.labels)
        results = self.small.tag_batch(texts, cascade.small, batch_size=len(texts))
        judgements = []
        for result, of_text in zip(results, windows, strict=True):
            probabilities = result.probabilities[:, columns]
            judgements.append(Judgement(result, probabilities, of_text, cascade.judge(probabilities, of_text)))
        return judgements


def choose_dtype(folder: ModelFolder, device: str) -> tuple[str, str]:
    """What ``auto`` is here, and why."""
    if device != "cpu":
        from engine.pytorch.backend import has_bfloat16_units

        has = device.startswith("cuda") and has_bfloat16_units(device)
        return ("bfloat16", "the GPU has units for it") if has else ("float32", "the GPU has no units for bfloat16")
    if folder.int8 is not None:
        return "int8", "its entities were found to agree with those of float32"
    return "float32", (
        "it is not known whether 8 bits would agree with float32; python -m engine.training.calibrate finds out, or "
        "choose the dtype int8"
    )


def make_backend(folder: ModelFolder, dtype: str, device: str) -> Backend:
    """Loads what computes: a graph on a CPU, PyTorch on a GPU."""
    if device != "cpu":
        if dtype == "int8":
            raise InputError(f"expected device cpu for dtype int8, got {device}; use --dtype bfloat16")
        from engine.pytorch.backend import PyTorchBackend

        return PyTorchBackend(folder, dtype, device)
    if dtype == "bfloat16":
        raise InputError("expected a GPU for dtype bfloat16, got device cpu; use --dtype int8 or float32")
    tensors = Tensors(folder.path)
    if unused := folder.family.unused_layers(tensors):
        logger.warning(
            "layers %s of %s are not used: its config.json has %d", unused, folder.source, folder.family.num_layers
        )
    products = Products(tensors, quantised=dtype == "int8")
    return GraphBackend(folder.family, products, read_heads(folder, products), folder.labels)


def read_heads(folder: ModelFolder, products: Products) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Reads the label heads of a folder's model, layer → weights and biases, in the order of our labels."""
    kinds, order, layers = ("weight", "bias"), list(folder.label_order), folder.family.num_layers
    heads = {layers: [products.tensor(f"classifier.{kind}") for kind in kinds]}
    path = folder.path / GATES
    try:
        if folder.has_gates:
            with safe_open(path, "numpy") as file:
                for number in range(1, layers):
                    heads[number] = [file.get_tensor(f"{number}.{kind}").astype(np.float32) for kind in kinds]
        shapes = (len(order), folder.family.hidden_size), (len(order),)
        for number, head in heads.items():
            if tuple(part.shape for part in head) != shapes or not all(np.isfinite(part).all() for part in head):
                raise ValueError(f"others after layer {number}")
    except Exception as error:  # the library raises its own types
        raise InputError(
            f"expected label heads for {len(order)} labels and hidden size {folder.family.hidden_size} in "
            f"{path if folder.has_gates else folder.path}, got {first_line(error)}; restore the file, or make the "
            "gates again"
        ) from error
    return {number: (head[0][order], head[1][order]) for number, head in heads.items()}


def load_engine(
    path_or_hub_id: str | Path | None = None,
    dtype: str = "auto",
    device: str = "cpu",
    labels: str | Path | Sequence[str] | None = None,
) -> Engine:
    """Loads an engine from a folder or a hub id; ``None`` loads the shipped weights.

    Args:
        path_or_hub_id: any token-classification checkpoint; without gates it runs only ``dense``.
        dtype: ``float32``, ``bfloat16``, ``int8`` or ``auto``; see `Engine`.
        device: ``cpu`` or ``cuda``.
        labels: meaning of the model's labels, if its configuration lacks it; see `engine.models.folder.read_folder`.

    Raises:
        InputError: if the weights are missing, damaged or of an unsupported architecture, or the labels follow no
            supported scheme.
    """
    folder = read_folder(path_or_hub_id, labels)
    return (CascadeEngine if folder.small else Engine)(folder, dtype, device)
