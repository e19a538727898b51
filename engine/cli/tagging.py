"""Options for engine and strategy, and tagging of documents, shared by ``tag`` and ``bulk``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from typing import Any

from engine.base import DTYPES, Engine
from engine.cli.command import say
from engine.cli.options import parse_setting
from engine.errors import InputError
from engine.loading import load_engine
from engine.models.shipped import MODEL_HELP
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import StrategyName
from engine.settings import check_settings, setting
from engine.text.documents import Document


@dataclass(frozen=True)
class EngineOptions:
    """How texts are tagged."""

    strategy: str | None = setting(None, "dense, rule, … (default: the model's first of cascade, entropy and dense)")
    point: str | None = setting(None, "operating point (default balanced, else the most cautious)")
    set: tuple[str, ...] = setting((), "a setting, e.g. gates=1,2; repeatable", separator="", metavar="SETTING=VALUE")
    model: str | None = setting(None, MODEL_HELP)
    labels: str | None = setting(None, "meanings of the model's labels, one a line", metavar="FILE")
    constraints: str = setting("on", "whether label sequences must be valid", choices=("on", "off"))
    abbreviations: str = setting("auto", "label short forms as their long forms", choices=("auto", "on", "off"))
    lines: bool = setting(False, "each line of plain text is a document; otherwise a file is one")
    batch_size: int = setting(32, "documents at a time", 1, inf)
    device: str = setting("cpu", "cpu or cuda")
    dtype: str = setting("auto", "auto is int8 on a CPU if it was found to agree with float32", choices=DTYPES)

    def __post_init__(self) -> None:
        check_settings(self)
        if self.strategy is not None:
            StrategyName.parse(self.strategy, self.point)
        _ = self.settings  # refuses what cannot be read

    @property
    def settings(self) -> dict[str, Any]:
        """Parses ``set``; raises an `InputError` if an item is not SETTING=VALUE."""
        settings: dict[str, Any] = {}
        for text in self.set:
            name, equals, value = text.partition("=")
            if not (name and equals):
                raise InputError(f"--set {text!r} is not SETTING=VALUE; write e.g. neighbours=2.")
            settings |= [parse_setting(name, value)]
        return settings

    def load(self, threads: int = 0) -> tuple[Engine, Strategy]:
        """Loads engine and strategy; says why ``auto`` is not int8. Raises an `InputError` for unsupported options."""
        abbreviations = {"auto": None, "on": True, "off": False}[self.abbreviations]
        decoding: dict[str, Any] = {"constraints": self.constraints == "on", "abbreviations": abbreviations}
        engine = load_engine(self.model, self.dtype, self.device, self.labels, threads, **decoding)
        strategy = engine.strategy(self.strategy, self.point, **self.settings)
        if self.dtype == "auto" and engine.dtype != "int8":
            say(f"dtype {engine.dtype}: {engine.why}")
        return engine, strategy


def tag_documents(
    engine: Engine, strategy: Strategy, documents: Iterable[Document], batch_size: int
) -> Iterator[Document]:
    """Tags ``batch_size`` documents at a time; yields them in order, with the entities that the engine finds."""
    rest = iter(documents)
    while batch := list(islice(rest, batch_size)):
        texts, breaks = [document.text for document in batch], [document.breaks for document in batch]
        results = engine.tag_batch(texts, strategy, batch_size=len(batch), breaks=breaks)
        for document, result in zip(batch, results, strict=True):
            yield replace(document, entities=result.entities)
