"""The public API: an engine tags texts under any strategy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import Any

from engine.cascade import Cascade, columns_of, resolve_cascade
from engine.errors import InputError
from engine.latency import Latency
from engine.loaded import LoadedModel
from engine.models.folder import ModelFolder, read_folder
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.controllers.base import Controller
from engine.pruning.record import Record, distributions
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import CASCADE, DENSE, RECOVERY, check_point, parse, resolve
from engine.pytorch.chunks import Slot
from engine.result import Judgement, Result
from engine.text.windows import Window

DEFAULT_STRATEGY = "entropy:balanced"  # but the cascade in the folder of one


class Engine(LoadedModel):
    """Tags texts with biomedical entities; see `LoadedModel` for the arguments and for what it knows of its model.

    ``small``: an engine of the small model, if the folder is that of a cascade.
    """

    def __init__(self, folder: ModelFolder, dtype: str = "auto", device: str = "cpu") -> None:
        super().__init__(folder, dtype, device)
        self.small = Engine(folder.small, self.dtype, device) if folder.small else None

    @property
    def fingerprint(self) -> dict[str, Any]:
        """That of a cascade also has the small model's."""
        return super().fingerprint | ({"small": self.small.fingerprint} if self.small else {})

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
            name = CASCADE if self.small else DEFAULT_STRATEGY
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
        dtype: ``float32``, ``bfloat16``, ``int8`` or ``auto``; see `LoadedModel`.
        device: torch device, ``cpu`` or ``cuda``.
        labels: meaning of the model's labels, if its configuration lacks it; see `engine.models.folder.read_folder`.

    Raises:
        InputError: if the weights are missing, damaged or of an unsupported architecture, or the labels follow no
            supported scheme.
    """
    return Engine(read_folder(path_or_hub_id, labels), dtype, device)
