"""The public API: an engine tags texts under any strategy."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cascade import Cascade, columns_of, resolve_cascade
from engine.compiled.folder import compiled_model
from engine.compiled.passes import CompiledModel
from engine.errors import InputError
from engine.folder import ModelFolder, read_folder
from engine.latency import Latency
from engine.model.chunks import Slot
from engine.model.sizes import Sizes
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.controllers.base import Controller
from engine.pruning.record import Record, distributions
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import CASCADE, DENSE, RECOVERY, parse, resolve
from engine.result import Judgement, Result
from engine.text.windows import Window, WordPieces

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from engine.model.encoders import Encoder
    from engine.model.gated import GatedModel
    from engine.pytorch import PyTorchModel

logger = logging.getLogger(__name__)

DEFAULT_STRATEGY = "entropy:balanced"  # but the cascade in the folder of one
DTYPES = ("float32", "bfloat16", "int8", "auto")


class Engine:
    """Tags texts with biomedical entities.

    In ``int8`` it computes by compiled graphs and loads PyTorch only when something needs it.

    Args:
        folder: a model folder, read or with its weights loaded; the engine computes with a copy of these.
        dtype: ``float32``, ``bfloat16``, ``int8`` (if the folder has layers in 8 bits), or ``auto``: ``int8`` where
            that is possible, else ``float32``; on a GPU ``bfloat16`` if it has units for it.
        device: torch device, ``cpu`` or ``cuda``.

    ``source``, ``labels_file``: the model and the file with the meaning of its labels, as given.
    ``folder``: the model's folder; of a hub id, that of the revision in the cache.
    ``labels``: its labels; ``label_order``: the checkpoint's label index of each of them.
    ``points``, ``network``: its operating points as stored, and its networks of ``mlp``, if any.
    ``cascades``: operating points of the cascade, if the folder is that of one, and ``small``: an engine of its small
    model.
    ``dtype``: the number format that it computes in, with ``auto`` resolved; ``why``: why ``auto`` chose it.
    ``pieces``: cuts words into word pieces and windows.

    Raises:
        InputError: if the dtype or device is unknown, or this device or model cannot run the dtype.
    """

    def __init__(self, folder: ModelFolder, dtype: str = "auto", device: str = "cpu") -> None:
        if dtype not in DTYPES:
            raise InputError(f"expected one of the dtypes {list(DTYPES)}, got {dtype!r}; choose one of them")
        self._folder, self.device = folder, device
        self.source, self.folder, self.labels_file = folder.source, folder.path, folder.labels_file
        self.label_order = folder.label_order
        self.labels, self.network, self.points = folder.labels, folder.network, folder.points
        self.cascades = folder.cascades
        self.compiled: CompiledModel | None = None
        self.why = ""
        if dtype == "auto":
            dtype, self.why = self._choose(device)
        elif dtype == "int8":
            self.compiled = compiled_model(folder, device)
        self.dtype = dtype
        logger.info("dtype %s%s", dtype, f": {self.why}" if self.why else "")
        if self.compiled is None:
            self.pytorch  # noqa: B018  # so that a model that cannot be loaded is refused now
        self.pieces: WordPieces = self._pieces()
        self.small = Engine(folder.small, dtype, device) if folder.small else None

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Compiled graphs cannot be copied: an engine in ``int8`` is loaded again, in another process if need be."""
        if self.compiled is None:
            return super().__reduce_ex__(protocol)
        return Engine, (self._folder, self.dtype, self.device)

    def _choose(self, device: str) -> tuple[str, str]:
        """What ``auto`` is here, and why."""
        if device.startswith("cuda"):
            from engine.pytorch import has_bfloat16_units

            has = has_bfloat16_units(device)
            return ("bfloat16", "the GPU has units for it") if has else ("float32", "the GPU has no units for bfloat16")
        try:
            self.compiled = compiled_model(self._folder, device)
        except InputError as error:
            return "float32", f"no int8: {error}"
        return "int8", "OpenVINO runs here, and the model's folder has layers in 8 bits"

    def _pieces(self) -> WordPieces:
        """Cuts words without transformers where that is known to give the same pieces."""
        if self.compiled is not None and (found := self.compiled.pieces()) is not None:
            return found
        from engine.model.tokenizer import word_pieces

        return word_pieces(self.tokenizer, self.encoder.max_rows if self.compiled is None else self.compiled.max_rows)

    @cached_property
    def pytorch(self) -> PyTorchModel:
        """The model in PyTorch, which an engine in ``int8`` loads in float32 when something first needs it.

        Raises:
            InputError: if the folder's files have changed since the engine was loaded.
        """
        from engine.checkpoint import Weights, weights_of
        from engine.pytorch import PyTorchModel

        weights = self._folder if isinstance(self._folder, Weights) else weights_of(self._folder)
        found = PyTorchModel(weights, self.dtype if self.compiled is None else "float32", self.device)
        if self.compiled is not None and found.digest != self.compiled.digest:
            raise InputError(f"expected {self.folder} to be unchanged, got other weights; load the model again")
        return found

    @property
    def model(self) -> GatedModel:
        """The model in PyTorch."""
        return self.pytorch.model

    @property
    def encoder(self) -> Encoder:
        """Its encoder."""
        return self.model.encoder

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer as transformers loads it."""
        if self.compiled is None:
            return self.pytorch.tokenizer
        from engine.model.tokenizer import load_tokenizer

        return load_tokenizer(self.folder)

    @property
    def _model(self) -> PyTorchModel | CompiledModel:
        """What computes."""
        return self.pytorch if self.compiled is None else self.compiled

    @property
    def sizes(self) -> Sizes:
        """Sizes of the encoder and its label heads."""
        return self._model.sizes

    @property
    def has_gates(self) -> bool:
        """Whether every layer has a label head, so that words can exit."""
        return self.model.has_gates if self.compiled is None else self._folder.has_gates and self.sizes.layers > 1

    @property
    def digest(self) -> str:
        """SHA-256 of the weights as loaded, the same in every dtype."""
        return self._model.digest

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """What results depend on besides strategy, dtype, device and code; compared before a run continues."""
        return {
            "weights": self.digest,
            "tokenizer": self.pieces.digest(),
            "labels": list(self.labels.names),
            "runtime": "" if self.compiled is None else str(self.compiled),
            "configuration": self._folder.configuration(),
        } | ({"small": self.small.fingerprint} if self.small else {})

    def plain_model(self) -> PreTrainedModel:
        """Loads the plain Hugging Face model of the same checkpoint, float32, on the CPU."""
        from engine.checkpoint import load_huggingface

        return load_huggingface(self.folder)

    @property
    def runnable(self) -> list[str]:
        """Names of the strategies that this model can run; one without gates runs only ``dense`` and its cascade."""
        always = [DENSE, CASCADE] if self.small else [DENSE]
        if not self.has_gates:
            return always
        kinds = [kind for kind, of in CONTROLLERS.items() if self.network is not None or not of.needs_network]
        truncated = f"truncate-{self.sizes.layers // 2}"
        return [*always, *kinds, *(kind + RECOVERY for kind in kinds), truncated]

    def strategy(self, name: str | Strategy | None = None, point: str | None = None, **settings: Any) -> Strategy:
        """Builds a strategy from its name, an operating point and changed settings.

        Args:
            name: ``dense``, ``rule``, ``entropy``, ``mlp``, ``entropy+recovery``, ``truncate-k``; with an operating
                point: ``entropy:fast``; in the folder of a cascade also ``cascade:fast``, which is the default there; a
                `Strategy` is used as is.
            point: ``careful``, ``balanced`` (the default) or ``fast``, as stored with the weights, unless the name has
                one. Strategies without operating points ignore it; with weights that store none, leave it out.
            **settings: settings to change; ``None`` leaves one unchanged.

        Raises:
            InputError: if the name, operating point or a setting is unknown, or the model lacks the gates or network
                that the strategy needs.
        """
        if name is None:
            name = CASCADE if self.small else DEFAULT_STRATEGY
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
            strategy = name
        elif kind == CASCADE:
            strategy = resolve_cascade(name, self.cascades, point)
        else:
            strategy = resolve(name, self.sizes.layers, self.points, point)
        changed = {setting: value for setting, value in settings.items() if value is not None}
        strategy = strategy.with_settings(**changed)
        if strategy.gates and strategy.gates[-1] >= self.sizes.layers:
            raise InputError(
                f"expected gates before the last layer ({self.sizes.layers}), got {strategy.gates}; remove it"
            )
        if isinstance(strategy, Cascade) and self.small is not None:
            strategy = replace(strategy, small=self.small.strategy(strategy.small))
        return self._with_network(strategy)

    def _with_network(self, strategy: Strategy) -> Strategy:
        """Gives the weights' network to a controller that needs it."""
        controller = strategy.controller
        if not (isinstance(controller, Controller) and controller.needs_network):
            return strategy
        if self.network is None:
            raise InputError(
                f"expected a model with a learned controller for {strategy.name!r}, got {self.source!r}, which has "
                f"none; make it with python -m engine.training.controller --model {self.source}"
            )
        return replace(strategy, controller=replace(controller, network=self.network))  # type: ignore[call-arg]

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
        between: Callable[[], None] | None = None,
        **settings: Any,
    ) -> list[Result]:
        """Tags texts in batches; returns results in order. ``batch_size`` does not affect them.

        ``between`` is called between passes, so that a server can let others take turns, or stop the call by raising an
        error. While it runs, nothing is computed, and its time is not part of the latency.
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
        results: list[Result] = []
        for start in range(0, len(texts), batch_size):
            if start and between is not None:
                between()
            results += self._tag_call(texts[start : start + batch_size], chosen, between)
        return results

    def _tag_call(self, texts: Sequence[str], strategy: Strategy, between: Callable[[], None] | None) -> list[Result]:
        now = time.perf_counter if self.compiled is not None else self.pytorch.now
        paused = 0.0

        def pause() -> None:
            nonlocal paused
            start = now()
            between()  # type: ignore[misc]  # called only if there is one
            paused += now() - start

        begin = now()
        words, windows = self.pieces.of_texts(texts)
        pausing = None if between is None else pause
        judgements: list[Judgement] = []
        if isinstance(strategy, Cascade):
            judgements = self._judge(strategy, texts, windows, pausing)
            windows = [one.windows_where(read=True) for one in judgements]
        runs = self.run(windows, strategy, pausing)
        found = [distributions(of_runs, len(self.labels)) for of_runs in runs]
        if isinstance(strategy, Cascade):
            pairs = zip(judgements, found, strict=True)
            found = [strategy.merge(one.probabilities, one.judged, large) for one, large in pairs]
        entities = [self.labels.decode(*one) for one in zip(texts, words, found, strict=True)]
        latency = Latency((now() - begin - paused) * 1e3, len(texts))
        first: Sequence[Judgement | None] = judgements or [None] * len(texts)
        return [
            Result(text, of_text, strategy, spans, probabilities, latency, of_runs, self._model, judgement)
            for text, of_text, spans, probabilities, of_runs, judgement in zip(
                texts, entities, words, found, runs, first, strict=True
            )
        ]

    def _judge(
        self,
        strategy: Cascade,
        texts: Sequence[str],
        windows: Sequence[Sequence[Window]],
        between: Callable[[], None] | None,
    ) -> list[Judgement]:
        """Tags texts with the small model and judges this model's windows of each."""
        assert self.small is not None
        columns = columns_of(self.small.labels, self.labels)
        judgements = []
        results = self.small.tag_batch(texts, strategy.small, batch_size=len(texts), between=between)
        for result, of_text in zip(results, windows, strict=True):
            probabilities = result.probabilities[:, columns]
            judgements.append(Judgement(result, probabilities, of_text, strategy.judge(probabilities, of_text)))
        return judgements

    def run(
        self, windows: Sequence[Sequence[Window]], strategy: Strategy, between: Callable[[], None] | None = None
    ) -> list[list[tuple[Slot, Record]]]:
        """Runs the windows of texts; returns, for each text, its windows in order with the records of their passes.

        See `tag_batch` for ``between``.
        """
        return self._model.run(windows, strategy, between)


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
        device: torch device, ``cpu`` or ``cuda``.
        labels: meaning of the model's labels, if its configuration lacks it; see `engine.folder.read_folder`.

    Raises:
        InputError: if the weights are missing, damaged or of an unsupported architecture, or the labels follow no
            supported scheme.
    """
    return Engine(read_folder(path_or_hub_id, labels), dtype, device)
