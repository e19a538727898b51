"""Options that all tagging commands share: engine, strategy and batch size."""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from typing import Any, Self

from engine.cli.command import say
from engine.errors import InputError
from engine.pruning.settings import parse_setting
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import check_point, parse
from engine.tagger import DTYPES, Engine, load_engine
from engine.text.documents import Document


@dataclass(frozen=True)
class EngineOptions:
    """How texts are tagged, as `add_to` describes."""

    model: str | None = None
    labels: str | None = None
    strategy: str | None = None
    point: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    dtype: str = "auto"
    device: str = "cpu"
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise InputError(f"expected --batch-size 1 or more, got {self.batch_size}; change it")
        if self.strategy is not None:
            check_point(parse(self.strategy).point, self.point)

    @classmethod
    def add_to(cls, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("--strategy", help="dense, rule, mlp, … (default: cascade, entropy or dense, what the model has first)")
        add("--point", help="operating point, of the default strategy, too (default: balanced, else the most cautious)")
        add("--set", action="append", default=[], metavar="SETTING=VALUE", help="any setting, e.g. gates=1,2")
        add("--model", help="folder or hub id; default: the shipped weights")
        add("--labels", metavar="FILE", help="what the model's labels mean, one a line")
        add("--batch-size", type=int, default=cls.batch_size, help="documents at a time (default 32)")
        add("--device", default=cls.device, help="cpu or cuda")
        add("--dtype", default=cls.dtype, choices=DTYPES, help="default auto: the fastest here, which it names")

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Self:
        """Makes the options from parsed arguments; raises an `InputError` if a setting is not ``SETTING=VALUE``."""
        settings: dict[str, Any] = {}
        for text in arguments.set:
            setting, equals, value = text.partition("=")
            if not (setting and equals):
                raise InputError(f"expected --set SETTING=VALUE, got {text!r}; write e.g. neighbours=2")
            settings |= [parse_setting(setting, value)]
        others = {option.name: getattr(arguments, option.name) for option in fields(cls) if option.name != "settings"}
        return cls(settings=settings, **others)

    def load(self) -> tuple[Engine, Strategy]:
        """Loads the engine and the strategy; says which dtype ``auto`` chose, and why.

        Raises an `InputError` if they or the machine do not support an option.
        """
        engine = load_engine(self.model, self.dtype, self.device, self.labels)
        strategy = engine.strategy(self.strategy, self.point, **self.settings)
        if self.dtype == "auto":
            say(f"dtype {engine.dtype}: {engine.why}")
        return engine, strategy


def tag_documents(
    engine: Engine, strategy: Strategy, documents: Iterable[Document], batch_size: int
) -> Iterator[Document]:
    """Tags ``batch_size`` documents at a time; yields them in order, with the entities that the engine finds."""
    rest = iter(documents)
    while batch := list(islice(rest, batch_size)):
        results = engine.tag_batch([document.text for document in batch], strategy, batch_size=len(batch))
        for document, result in zip(batch, results, strict=True):
            yield replace(document, entities=result.entities)
