"""What every engine does: it tags texts under any strategy, with one model or several."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import Any, Protocol

from engine.errors import InputError
from engine.latency import Latency
from engine.models.folder import ModelFolder
from engine.pruning.controllers import EntropyController
from engine.pruning.cost import Sizes
from engine.pruning.record import WindowRecord
from engine.pruning.strategy import Points, Strategy, resolve
from engine.pruning.strategy_names import DENSE, StrategyName
from engine.result import Output, Result
from engine.text.labels import LabelSet
from engine.text.windows import Window, WordPieces

OnWindow = Callable[[int, int], None]
Done = Callable[[int], None]  # is called with the number of windows that are done since the last call


class Backend(Protocol):
    """Runs windows through a model; see `engine.graph.backend.GraphBackend.run`."""

    def run(
        self, windows: Sequence[Window], strategy: Strategy, on_window: Callable[[], None] | None = None
    ) -> list[WindowRecord]: ...


class Engine(ABC):
    """Tags texts with biomedical entities. Any number of threads may call it at once.

    Its models are stages, each of which reads what the one before it leaves in doubt; most engines have one.

    ``source``: the folder or hub id, as given. ``folder``: its model folder; in a cascade, that of the large model.
    ``dtype`` is what it computes in, with ``auto`` resolved, and ``why`` says why ``auto`` chose it.
    ``digest``: SHA-256 of the weights, the same in every dtype.
    ``points``: operating points by the name of their strategy.
    Those of the last stage: ``sizes``; ``pieces``, which cuts words into word pieces and windows; ``backend``, which
    computes; and ``has_gates``, whether every layer has a label head, so that words can exit.
    ``default_strategy``: the one that runs if none is named: ``cascade``, else ``entropy`` if there are gates, else
    ``dense``.
    """

    folder: ModelFolder
    source: str
    dtype: str
    why: str
    device: str
    threads: int
    digest: str
    labels: LabelSet
    points: Points
    sizes: Sizes
    pieces: WordPieces
    has_gates: bool
    default_strategy: str
    backend: Backend
    stages: "tuple[Engine, ...]"  # an engine for each of its models

    def __reduce__(self) -> Any:
        """Sessions cannot be copied: an engine is loaded again, in another process if need be."""
        return type(self), (self.folder, self.dtype, self.device, self.threads)

    @property
    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """What results depend on besides strategy, dtype, device and code; compared before a run continues."""

    @property
    @abstractmethod
    def runnable(self) -> list[str]:
        """Names of the strategies that it can run; a model without gates runs only ``dense``."""

    def strategy(self, name: str | Strategy | None = None, point: str | None = None, **settings: Any) -> Strategy:
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
            raise InputError(f"expected the name of an operating point, got {point!r}; write e.g. fast")
        if name is None:
            name = self.default_strategy
            if point and name == DENSE:  # which has no points
                name = EntropyController.kind
        if not isinstance(name, str | Strategy):
            raise InputError(f"expected the name of a strategy, got {name!r}; write e.g. entropy:fast")
        if isinstance(name, Strategy):
            self._check_runs(name.kind)
            strategy = name
            if point and strategy.settings() and strategy.point != point:
                raise InputError(f"expected one operating point, got {name.point!r} and {point!r}; leave one out")
        else:
            parsed = StrategyName.parse(name, point)
            self._check_runs(parsed.kind)
            strategy = resolve(parsed, self.sizes.layers, self.points)
        return self._fitted(strategy.with_settings(**{key: v for key, v in settings.items() if v is not None}))

    def stages_of(self, strategy: Strategy) -> "tuple[Engine, ...]":
        """The stages that run a strategy: one of a single stage runs on the last."""
        return self.stages[-len(strategy.stages) :]

    @abstractmethod
    def _check_runs(self, kind: str) -> None:
        """Raises an `InputError` if it lacks what a kind of strategy needs."""

    @abstractmethod
    def _fitted(self, strategy: Strategy) -> Strategy:
        """The strategy with what its models add; raises an `InputError` if it does not fit them."""

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

        ``on_window`` is called after each window of each stage with the number of windows that are done and that of
        all, for progress; an error that it raises ends the call. Windows that a stage does not read are done at once.
        """
        chosen = self.strategy(strategy, point, **settings)
        if not isinstance(batch_size, Integral) or batch_size < 1:
            raise InputError(f"expected a batch size of 1 or more, got {batch_size!r}; choose another")
        if isinstance(texts, str) or not isinstance(texts, Iterable):
            raise InputError(f"expected a list of texts, got {texts!r}; put it into a list, or call tag")
        texts = list(texts)
        if not all(isinstance(text, str) for text in texts):
            raise InputError("expected texts as strings, got something else among them; convert them to str")
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
            results += self._results(texts[start : start + int(batch_size)], chosen, on_done)
        return results

    @abstractmethod
    def compute(self, texts: Sequence[str], strategy: Strategy, done: Done) -> list[Output]:
        """Runs the stages of a strategy on texts."""

    def _results(self, texts: Sequence[str], strategy: Strategy, done: Done) -> list[Result]:
        """What is computed of texts in one call, which is timed."""
        begin = time.perf_counter()
        outputs = self.compute(texts, strategy, done)
        entities = [
            self.labels.decode(text, output.words, output.probabilities)
            for text, output in zip(texts, outputs, strict=True)
        ]
        latency = Latency((time.perf_counter() - begin) * 1e3, len(texts))
        return [
            Result.of(output, text, strategy, self.labels, found, latency)
            for text, output, found in zip(texts, outputs, entities, strict=True)
        ]
