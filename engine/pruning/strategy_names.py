"""Parses names of strategies and builds the strategies that they name.

A name is ``dense``, ``truncate-K``, ``KIND[+recovery][:POINT]``, e.g. ``entropy+recovery:fast``, or
``cascade[:POINT]``.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.recovery import Recovery
from engine.pruning.strategy import Strategy, Truncation

DENSE, CASCADE = "dense", "cascade"
RECOVERY = "+recovery"
OPERATING_POINTS = ("careful", "balanced", "fast")  # from the most cautious to the fastest
BALANCED, DEFAULT = "balanced", "default"  # operating points: if the name has none, and if the weights store none
# Name of a strategy → operating point → its settings.
Points = Mapping[str, Mapping[str, Strategy]]


@dataclass(frozen=True)
class StrategyName:
    """The parts of a strategy's name."""

    kind: str  # dense, truncate, cascade or the kind of a controller
    recovers: bool = False  # whether words may come back
    point: str = ""  # the operating point, if the name has one
    layer: int = 0  # the last one that truncate runs

    @property
    def without_point(self) -> str:
        """The name alone, e.g. ``entropy+recovery``, the key under which operating points are stored."""
        return self.kind + RECOVERY * self.recovers


def names() -> tuple[str, ...]:
    """The names of all strategies, without operating points."""
    return (DENSE, *CONTROLLERS, *(kind + RECOVERY for kind in CONTROLLERS), "truncate-k")


def current_point(point: str) -> str:
    """The name of an operating point; ``careful`` was ``exact`` in earlier versions."""
    return "careful" if point == "exact" else point


def parse(text: str) -> StrategyName:
    """Parses the name of a strategy; raises an `InputError` if no strategy has it."""
    if text == DENSE:
        return StrategyName(text)
    if match := re.fullmatch(r"truncate-([0-9]{1,9})", text):
        return StrategyName(Truncation.kind, layer=int(match[1]))
    match = re.fullmatch(r"([^:+]+)(\+recovery)?(?::(.+))?", text)
    if match and (match[1] in CONTROLLERS or (match[1] == CASCADE and not match[2])):
        return StrategyName(match[1], bool(match[2]), current_point(match[3] or ""))
    raise InputError(
        f"expected one of the strategies {list(names())}, perhaps with an operating point as in entropy:fast, got "
        f"{text[:40]!r}; check the name (k is a number)"
    )


def check_point(own: str, point: str | None) -> None:
    """Refuses an operating point that differs from a strategy's own."""
    if point and own and current_point(point) != own:
        raise InputError(f"expected one operating point, got {own!r} of the strategy and {point!r}; leave one out")


def resolve(text: str, layers: int, points: Points, point: str | None = None) -> Strategy:
    """Builds the strategy with this name, for an encoder of so many layers, from the points stored with its weights.

    ``point`` is the operating point if the name has none (default ``balanced`` or, if that is not stored, the first);
    strategies without operating points ignore it.

    Raises an `InputError` if the name or operating point is unknown, the name has another operating point than
    ``point``, or ``truncate-k`` exceeds the encoder's layers.
    """
    name = parse(text)
    check_point(name.point, point)
    point = current_point(name.point or point or "")
    if name.kind in (DENSE, Truncation.kind):
        if point not in ("", *OPERATING_POINTS, DEFAULT, *chain(*points.values())):
            raise InputError(f"expected one of the operating points {OPERATING_POINTS}, got {point!r}; leave it out")
        if name.kind == DENSE:
            return Strategy(text)
        if not 1 <= name.layer < layers:
            wanted = f"truncate-1 to truncate-{layers - 1}"
            raise InputError(f"expected {wanted}, got {text!r}; the encoder has {layers} layers")
        return Strategy(text, (name.layer,), Truncation())
    recovery = Recovery() if name.recovers else None
    stored = points_of(name, points)
    if not stored:
        if point not in ("", DEFAULT, BALANCED) or name.kind == CASCADE:
            raise InputError(f"expected weights with operating points for {point!r}, got none; leave it out")
        gates = range(max(1, layers // 3), max(2, layers // 3 * 2 + 1))  # one after each layer of the second third
        return Strategy(text, tuple(gates), CONTROLLERS[name.kind](), DEFAULT, recovery)
    point = point or default_point(stored)
    if point not in stored:
        wanted = f"one of the operating points {list(stored)} of {name.without_point}"
        raise InputError(f"expected {wanted}, got {point!r}; choose one")
    strategy = stored[point]
    return replace(strategy, name=text, point=point, recovery=strategy.recovery or recovery)


def points_of(name: StrategyName, points: Points) -> dict[str, Strategy]:
    """Maps each operating point of a strategy to its settings.

    With recovery, operating points that are not stored for it come from the strategy without recovery.
    """
    return {**points.get(name.kind, {}), **points.get(name.without_point, {})}


def default_point(stored: Collection[str]) -> str:
    """Returns ``balanced`` or, if that is not stored, the first operating point, which is the most cautious."""
    return BALANCED if BALANCED in stored else next(iter(stored))


def with_recovery(strategy: Strategy) -> Strategy:
    """Adds recovery to a strategy and its name, with default settings unless it already recovers."""
    name = parse(strategy.name)
    text = f"{name.kind}{RECOVERY}{f':{name.point}' if name.point else ''}"
    return replace(strategy, name=text, recovery=strategy.recovery or Recovery())


def without_recovery(strategy: Strategy) -> Strategy:
    """Removes recovery from a strategy, and from its name also the operating point, which may use other gates."""
    return replace(strategy, name=parse(strategy.name).kind, recovery=None)
