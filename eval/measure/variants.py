"""What is measured: strategies, baselines and other models alike are something with a name that tags texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.errors import InputError
from engine.inspection.cost import Cost
from engine.inspection.trace import Latency
from engine.pruning.resolve import StrategyName, parse
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from engine.text.documents import Entity
from eval.measure.baselines import Baseline
from eval.schema import BASELINE, HF, MODEL, RANDOM, RANDOM_SEEDS, TRUNCATE


@dataclass(frozen=True)
class Tagged:
    """What one call found and how long it took. ``costs()``, outside the clock: of each text, if they are known."""

    entities: Sequence[Sequence[Entity]]
    latency: Latency
    costs: Callable[[], list[Cost]] = field(default=list)


@dataclass(frozen=True)
class Variant:
    """Something that is measured.

    Args:
        name: in tables.
        kind: see `eval.schema.Result`.
        tag: tags texts in one call.
        strategy: ``None`` for baselines and other models.
        settings: of those, for the report.
        reseeded: of ``random``: the same with other seeds, whose predictions count and whose times do not.
    """

    name: str
    kind: str
    tag: Callable[[Sequence[str]], Tagged]
    strategy: Strategy | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    reseeded: tuple[Variant, ...] = ()

    @property
    def prunes(self) -> bool:
        """Whether it is a strategy whose controller chooses words."""
        return self.strategy is not None and self.strategy.prunes

    @property
    def replays(self) -> str:
        """The strategy whose counts it replays at random, ``""`` for all but ``random``."""
        return self.strategy.replays.name if self.strategy and self.strategy.replays else ""

    @property
    def family(self) -> str:
        """What its operating points, or the depths of ``truncate``, have in common."""
        if self.strategy is None or self.kind == TRUNCATE:
            return self.kind if self.strategy else self.name
        if self.strategy.replays:
            return f"{self.kind}@{parse(self.replays).stored}"
        return parse(self.strategy.name).stored

    def is_compared_with(self, other: Variant) -> bool:
        """Whether a pruning variant must beat another one: any baseline, its own random replay, no recovery."""
        if other.kind in (BASELINE, MODEL, HF, TRUNCATE) or other.replays == self.name:
            return True
        own, others = self._parts, other._parts
        return own is not None and own.recovers and replace(own, text="", recovers=False) == others

    @property
    def _parts(self) -> StrategyName | None:
        return replace(parse(self.strategy.name), text="") if self.strategy and self.strategy.prunes else None


def check_names(variants: Sequence[Variant]) -> None:
    """Everything that is measured must have a name of its own, other seeds included.

    Raises:
        InputError: two have the same name.
    """
    counts = Counter(one.name for variant in variants for one in (variant, *variant.reseeded))
    if twice := [name for name, count in counts.items() if count > 1]:
        raise InputError(
            "expected different names of strategies, baselines and other models, got "
            f"{', '.join(map(repr, twice))} twice; leave one out, or rename it in --others"
        )


def of_strategy(engine: Engine, strategy: Strategy) -> Variant:
    """A strategy of the engine; ``random`` also with its other seeds."""

    def tag(texts: Sequence[str]) -> Tagged:
        results = engine.tag_batch(texts, strategy, batch_size=len(texts))
        entities = [result.entities for result in results]
        return Tagged(entities, results[0].latency, lambda: [result.cost for result in results])

    seeds = range(1, RANDOM_SEEDS) if strategy.kind == RANDOM and strategy.seed == 0 else ()
    others = [replace(of_strategy(engine, replace(strategy, seed=s)), name=f"{strategy.name}#{s}") for s in seeds]
    return Variant(strategy.name, strategy.kind, tag, strategy, reseeded=tuple(others))


def of_baseline(baseline: Baseline) -> Variant:
    """A baseline, run like a strategy."""
    return Variant(baseline.name, BASELINE, lambda texts: Tagged(*baseline.tag(texts)), settings=baseline.settings)


def of_model(name: str, engine: Engine) -> Variant:
    """Another model, run densely, e.g. a student with fewer layers."""
    dense = of_strategy(engine, engine.strategy("dense"))
    settings = {"layers": str(engine.encoder.num_layers), "weights": engine.digest[:16]}
    return Variant(name, MODEL, lambda texts: replace(dense.tag(texts), costs=list), settings=settings)
