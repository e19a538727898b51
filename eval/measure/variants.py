"""What is measured: our strategies and rivals alike are something with a name that tags texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from engine.errors import InputError
from engine.inspection.cost import Cost
from engine.inspection.trace import Latency
from engine.pruning.controllers import RandomController
from engine.pruning.strategy import PRUNING, Strategy
from engine.tagger import Engine
from engine.text.documents import Entity

RANDOM_SEEDS = 5


class Rival(Protocol):
    """Another way to run the same weights. ``settings``: those at which it is best, for the report."""

    @property
    def name(self) -> str:
        """Its name in tables."""

    @property
    def settings(self) -> Mapping[str, str]:
        """Name → value."""

    def tag(self, texts: Sequence[str]) -> tuple[Sequence[Sequence[Entity]], Latency]:
        """Tags texts in one call."""


@dataclass(frozen=True)
class Tagged:
    """What one call found and how long it took. ``costs()``, outside the clock: of each text, none for a rival."""

    entities: Sequence[Sequence[Entity]]
    latency: Latency
    costs: Callable[[], list[Cost]] = field(default=list)


@dataclass(frozen=True)
class Variant:
    """Something that is measured.

    ``strategy``: ``None`` for a rival; ``reseeded``: the same with other seeds, whose predictions count and whose times
    do not.
    """

    name: str
    tag: Callable[[Sequence[str]], Tagged]
    strategy: Strategy | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    reseeded: tuple[Variant, ...] = ()

    @property
    def prunes(self) -> bool:
        """Whether it is one of our pruning strategies."""
        return self.strategy is not None and self.strategy.base in PRUNING

    @property
    def replays(self) -> str | None:
        """The strategy whose counts it replays at random."""
        controller = self.strategy.controller if self.strategy else None
        return controller.replays.name if isinstance(controller, RandomController) else None


def check_names(variants: Sequence[Variant]) -> None:
    """Everything that is measured must have a name of its own, other seeds included.

    Raises:
        InputError: two have the same name.
    """
    counts = Counter(one.name for variant in variants for one in (variant, *variant.reseeded))
    if twice := [name for name, count in counts.items() if count > 1]:
        raise InputError(
            "expected different names of strategies, rivals and other models, got "
            f"{', '.join(map(repr, twice))} twice; leave one out, or rename it in --others"
        )


def of_strategy(engine: Engine, strategy: Strategy) -> Variant:
    """A strategy of the engine; ``random`` also with its other seeds."""

    def tag(texts: Sequence[str]) -> Tagged:
        results = engine.tag_batch(texts, strategy, batch_size=len(texts))
        entities = [result.entities for result in results]
        return Tagged(entities, results[0].latency, lambda: [result.cost for result in results])

    controller, others = strategy.controller, []
    if isinstance(controller, RandomController) and controller.seed == 0:
        for seed in range(1, RANDOM_SEEDS):
            other = replace(strategy, controller=replace(controller, seed=seed))
            others.append(replace(of_strategy(engine, other), name=f"{strategy.name}#{seed}"))
    return Variant(strategy.name, tag, strategy, reseeded=tuple(others))


def of_rival(rival: Rival) -> Variant:
    """A rival, run like a strategy."""
    return Variant(rival.name, lambda texts: Tagged(*rival.tag(texts)), settings=rival.settings)


def of_model(name: str, engine: Engine) -> Variant:
    """Another model, run densely, e.g. a student with fewer layers."""
    dense = of_strategy(engine, engine.strategy("dense"))
    settings = {"layers": str(engine.encoder.num_layers), "weights": engine.digest[:16]}
    return Variant(name, lambda texts: replace(dense.tag(texts), costs=list), settings=settings)
