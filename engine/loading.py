"""Loads engines: of one model, or of a cascade's two."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.base import Done, Engine
from engine.cascade import Cascade, columns_of
from engine.models.folder import ModelFolder, read_folder
from engine.pruning.passes import Pass
from engine.pruning.record import distributions
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import CASCADE
from engine.result import Output


class CascadeEngine(Engine):
    """The engine of a large model that stands behind a small one, which tags every text; see `engine.cascade`.

    Strategies of one stage run on the large model alone. Arguments and errors are those of `Engine`.
    """

    def __init__(self, folder: ModelFolder, *options: Any, **named: Any) -> None:
        assert folder.small is not None, "only the folder of a cascade has two models"
        self._columns = columns_of(folder.small.labels, folder.labels)
        super().__init__(folder, *options, **named)
        self.small = Engine(folder.small, self.dtype, self.device, self.threads)
        self.stages, self.default_strategy = (self.small, self), CASCADE

    @property
    def fingerprint(self) -> dict[str, Any]:
        return super().fingerprint | {"small": self.small.fingerprint}

    @property
    def runnable(self) -> list[str]:
        dense, *others = super().runnable
        return [dense, CASCADE, *others]

    def _check_runs(self, kind: str) -> None:
        if kind != CASCADE:
            super()._check_runs(kind)

    def _fitted(self, strategy: Strategy) -> Strategy:
        if isinstance(strategy, Cascade):
            if strategy.controller is not None:  # of the large model
                super()._check_runs(strategy.controller.kind)
            strategy = replace(strategy, small=self.small.strategy(strategy.small))
        return super()._fitted(strategy)

    def compute(self, texts: Sequence[str], strategy: Strategy, done: Done) -> list[Output]:
        if not isinstance(strategy, Cascade):
            return super().compute(texts, strategy, done)
        first = self.small.compute(texts, strategy.small, done)
        before = [output.probabilities[:, self._columns] for output in first]
        windows = self.pieces.of_texts(texts)[1]
        judged = [strategy.judge(small, large) for small, large in zip(before, windows, strict=True)]
        read = [
            [window for window, judgement in zip(text_windows, judgements, strict=True) if judgement.read]
            for text_windows, judgements in zip(windows, judged, strict=True)
        ]
        if unread := sum(map(len, windows)) - sum(map(len, read)):
            done(unread)
        texts_read = zip(first, before, windows, judged, self.run(read, strategy, done), strict=True)
        return [
            Output(
                output.words,
                strategy.merge(small, judgement, distributions(records, len(self.labels))),
                [*output.passes, Pass(strategy, self.sizes, records, text_windows)],
                judgement,
            )
            for output, small, text_windows, judgement, records in texts_read
        ]


def load_engine(
    path_or_hub_id: str | Path | None = None,
    dtype: str = "auto",
    device: str = "cpu",
    labels: str | Path | Sequence[str] | None = None,
    threads: int = 0,
    *,
    constraints: bool = True,
    abbreviations: bool | None = None,
) -> Engine:
    """Loads an engine from a folder or a hub id, or shipped weights by short name; ``None`` is chemicals-diseases.

    It may be any token-classification checkpoint; without gates it runs only ``dense``. For other arguments and
    errors see `Engine`; ``labels`` say what the model's labels mean, see `engine.models.folder.read_folder`.
    """
    folder = read_folder(path_or_hub_id, labels)
    return (CascadeEngine if folder.small else Engine)(folder, dtype, device, threads, constraints, abbreviations)
