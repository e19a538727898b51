"""What is measured: strategies, baselines and other models, all as something with a name that tags texts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.errors import InputError
from engine.inspection.cost import Cost
from engine.latency import Latency
from engine.pruning.resolve import StrategyName, parse
from engine.pruning.strategy import Strategy
from engine.tagger import Engine
from engine.text.documents import Entity
from eval.measure.baselines.base import Baseline
from eval.schema import BASELINE, DENSE, HF, MODEL, RANDOM, RANDOM_SEEDS, TRUNCATE


@dataclass(frozen=True)
class Tagged:
    """What one call found and how long it took. ``costs()``, not timed: of each text, if known."""

    entities: Sequence[Sequence[Entity]]
    latency: Latency
    costs: Callable[[], list[Cost]] = field(default=list)


@dataclass(frozen=True)
class Variant:
    """Something that is measured.

    Args:
        name: as typed; two variants with one name differ in dtype.
        kind: see `eval.schema.Result`.
        dtype: the number format that it runs in.
        device: where it runs.
        tag: tags texts in one call.
        engine: runs the strategy.
        strategy: ``None`` for baselines and other models.
        settings: of those, for the report.
        reseeded: for ``random``: the same with other seeds; their predictions count, their times do not.
        speed_only: its weights are random, its predictions meaningless.
    """

    name: str
    kind: str
    dtype: str
    device: str
    tag: Callable[[Sequence[str]], Tagged]
    engine: Engine | None = None
    strategy: Strategy | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    reseeded: tuple[Variant, ...] = ()
    speed_only: bool = False

    @property
    def key(self) -> str:
        """Identifies it within a run."""
        return f"{self.name} {self.dtype}"

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
        """The name that its operating points, or depths of ``truncate``, share."""
        if self.strategy is None or self.kind == TRUNCATE:
            return self.kind if self.strategy else self.name
        if self.strategy.replays:
            return f"{self.kind}@{parse(self.replays).stored}"
        return parse(self.strategy.name).stored

    def is_compared_with(self, other: Variant) -> bool:
        """Whether a pruning variant must beat another: any baseline; in its own dtype also other models, early
        stopping, its random replay and itself without recovery."""
        if other.kind in (BASELINE, HF):
            return True
        if other.dtype != self.dtype:
            return False
        if other.kind in (MODEL, TRUNCATE) or other.replays == self.name:
            return True
        own, others = self._parts, other._parts
        return own is not None and own.recovers and replace(own, text="", recovers=False) == others

    @property
    def _parts(self) -> StrategyName | None:
        return replace(parse(self.strategy.name), text="") if self.strategy and self.strategy.prunes else None


def check_names(variants: Sequence[Variant]) -> None:
    """Checks that everything measured in a dtype has its own name, including other seeds.

    Raises:
        InputError: two have the same name.
    """
    counts = Counter((one.name, one.dtype) for variant in variants for one in (variant, *variant.reseeded))
    if twice := [name for (name, _), count in counts.items() if count > 1]:
        raise InputError(
            "expected different names of strategies, baselines and other models, got "
            f"{', '.join(map(repr, twice))} twice; leave one out, or rename it in --others"
        )


def huggingface_dtype(engine: Engine) -> str:
    """The dtype that the plain Hugging Face model runs in: its layers are not quantised."""
    return str(engine.precision.torch_dtype).removeprefix("torch.")


def of_strategy(engine: Engine, strategy: Strategy) -> Variant:
    """A strategy of the engine; ``random`` also with its other seeds."""

    def tag(texts: Sequence[str]) -> Tagged:
        results = engine.tag_batch(texts, strategy, batch_size=len(texts))
        entities = [result.entities for result in results]
        return Tagged(entities, results[0].latency, lambda: [result.cost for result in results])

    dtype = huggingface_dtype(engine) if strategy.kind == HF else engine.dtype
    seeds = range(1, RANDOM_SEEDS) if strategy.kind == RANDOM and strategy.seed == 0 else ()
    others = [replace(of_strategy(engine, replace(strategy, seed=s)), name=f"{strategy.name}#{s}") for s in seeds]
    device = str(engine.device)
    return Variant(strategy.name, strategy.kind, dtype, device, tag, engine, strategy, reseeded=tuple(others))


def of_baseline(baseline: Baseline) -> Variant:
    """A baseline, run like a strategy."""

    def tag(texts: Sequence[str]) -> Tagged:
        return Tagged(*baseline.tag(texts))

    return Variant(
        baseline.name,
        BASELINE,
        baseline.dtype,
        baseline.device,
        tag,
        settings=baseline.settings,
        speed_only=baseline.speed_only,
    )


def of_model(name: str, engine: Engine, strategy: Strategy) -> Variant:
    """Another model, e.g. a student with fewer layers; its costs are not compared with the first one's."""
    own = of_strategy(engine, strategy)
    settings = {"layers": str(engine.encoder.num_layers), "weights": engine.digest[:16]}
    if own.kind != DENSE:
        settings["strategy"] = json.dumps(strategy.to_json())
    return replace(
        own,
        name=name,
        kind=MODEL,
        tag=lambda texts: replace(own.tag(texts), costs=list),
        engine=None,
        strategy=None,
        settings=settings,
        reseeded=(),
    )
