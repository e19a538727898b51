"""Variants to measure: strategies, baselines and other models, each a name and a function that tags texts."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import torch

from engine.errors import InputError
from engine.inspection.cost import Cost
from engine.inspection.trace import State, WordTrace
from engine.latency import Latency
from engine.pruning.strategy import Strategy
from engine.pruning.strategy_names import StrategyName, parse
from engine.tagger import Engine, Result
from engine.text.documents import Entity
from eval.measure.baselines.base import Baseline
from eval.measure.controls import RandomExits, padded_costs, plain_model
from eval.schema import BASELINE, DENSE, HF, MODEL, RANDOM, RANDOM_SEEDS, TRUNCATE

STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class Tagged:
    """The predictions and times of one call.

    ``costs()`` returns the cost of each text, ``exits()`` a string for each text with one character per word that
    stands for its layer and `State`. Neither is timed, and only variants that our engine runs have them.
    """

    entities: Sequence[Sequence[Entity]]
    latency: Latency
    costs: Callable[[], list[Cost]] = field(default=list)
    exits: Callable[[], list[str]] = field(default=list)


@dataclass(frozen=True)
class Variant:
    """A strategy, baseline or other model to measure.

    Args:
        name: as typed; two variants with one name differ in dtype.
        kind: see `eval.schema.Result`.
        dtype: number format that it runs in.
        device: torch device that it runs on.
        tag: tags texts in one call.
        results: tags texts in one call, with traces; ``None`` if our engine does not run it.
        engine: runs the strategy or replay.
        strategy: ``None`` for controls, baselines and other models.
        replays: for ``random``, the strategy whose numbers of exiting words it replays.
        conditions: facts that must not change while a run is interrupted.
        settings: settings of baselines and other models, for the report.
        reseeded: for ``random``, the same variant with other seeds; only their predictions are used, not their times.
        threads: number of torch threads during its calls.
    """

    name: str
    kind: str
    dtype: str
    device: str
    tag: Callable[[Sequence[str]], Tagged]
    results: Callable[[Sequence[str]], list[Result]] | None = None
    engine: Engine | None = None
    strategy: Strategy | None = None
    replays: str = ""
    conditions: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    reseeded: tuple[Variant, ...] = ()
    threads: int = field(default_factory=torch.get_num_threads)

    @property
    def key(self) -> str:
        """Identifies it within a run."""
        return f"{self.name} {self.dtype}"

    @property
    def prunes(self) -> bool:
        """Whether it is a strategy whose controller chooses words."""
        return self.strategy is not None and self.strategy.prunes

    @property
    def family(self) -> str:
        """The name that its operating points, or depths of ``truncate``, share."""
        if self.replays:
            return f"{self.kind}@{parse(self.replays).without_point}"
        if self.strategy is None or self.kind == TRUNCATE:
            return self.kind if self.strategy else self.name
        return parse(self.strategy.name).without_point

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


def exit_mark(word: WordTrace) -> str:
    """A character that stands for a word's layer and state; `recovered` reads the state."""
    return chr(ord("0") + len(STATES) * word.layer + STATES.index(word.state))


def recovered(exits: str) -> int:
    """Number of a text's recovered words, from their marks."""
    return sum((ord(mark) - ord("0")) % len(STATES) == STATES.index("recovered") for mark in exits)


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


def _of_engine(
    name: str, kind: str, engine: Engine, results: Callable[[Sequence[str]], list[Result]], **more: Any
) -> Variant:
    """A variant whose calls return the engine's results."""

    def tag(texts: Sequence[str]) -> Tagged:
        found = results(texts)
        return Tagged(
            [one.entities for one in found],
            found[0].latency,
            lambda: [one.cost for one in found],
            lambda: ["".join(map(exit_mark, one.trace.words)) for one in found],
        )

    return Variant(name, kind, engine.dtype, str(engine.device), tag, results, engine, **more)


def of_strategy(engine: Engine, strategy: Strategy) -> Variant:
    """A strategy of the engine."""

    def results(texts: Sequence[str]) -> list[Result]:
        return engine.tag_batch(texts, strategy, batch_size=len(texts))

    return _of_engine(strategy.name, strategy.kind, engine, results, strategy=strategy, conditions=strategy.to_json())


def of_random(engine: Engine, control: RandomExits) -> Variant:
    """``random`` with its first seed, and with the others beside it."""

    def seeded(seed: int) -> Variant:
        own = replace(control, seed=seed)
        return _of_engine(
            f"{control.name}#{seed}" if seed else control.name,
            RANDOM,
            engine,
            lambda texts: own.tag_batch(engine, texts),
            replays=control.replays.name,
            conditions=own.to_json(),
        )

    return replace(seeded(0), reseeded=tuple(map(seeded, range(1, RANDOM_SEEDS))))


def of_plain_model(engine: Engine) -> Variant:
    """``hf``."""
    run = plain_model(engine)

    def tag(texts: Sequence[str]) -> Tagged:
        begin = time.perf_counter()
        entities, encoder_s = run(texts, {})
        latency = Latency((time.perf_counter() - begin) * 1e3, encoder_s * 1e3, len(texts))
        return Tagged(entities, latency, lambda: padded_costs(engine, texts))

    return Variant(HF, HF, huggingface_dtype(engine), str(engine.device), tag, conditions={"name": HF})


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
        conditions={baseline.name: dict(baseline.settings)},
        settings=baseline.settings,
        threads=baseline.threads,
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
        results=None,
        engine=None,
        strategy=None,
        conditions={name: settings},
        settings=settings,
    )
