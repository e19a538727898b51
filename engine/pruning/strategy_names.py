"""Names of strategies, as users type them.

A name is ``dense``, ``truncate-K``, ``KIND[+recovery][:POINT]``, e.g. ``entropy+recovery:fast``, or
``cascade[:POINT]``.
"""

import re
from dataclasses import dataclass
from typing import Self

from engine.errors import InputError
from engine.pruning.controllers import CONTROLLERS
from engine.pruning.policies import TRUNCATE

DENSE, CASCADE = "dense", "cascade"
RECOVERY = "+recovery"
OPERATING_POINTS = ("careful", "balanced", "fast")  # from the most cautious to the fastest


@dataclass(frozen=True)
class StrategyName:
    """The name of a strategy, perhaps with an operating point."""

    kind: str  # dense, truncate, cascade or the kind of a controller
    recovers: bool = False  # whether words may come back
    layer: int = 0  # the last one that truncate runs
    point: str = ""  # the operating point, if there is one

    @classmethod
    def parse(cls, text: str, point: str | None = None) -> Self:
        """Reads what was typed; ``point`` is the operating point if the text has none.

        Raises an `InputError` if no strategy has this name, or the text has another operating point.
        """
        point = point or ""
        if text == DENSE:
            return cls(text, point=point)
        if match := re.fullmatch(rf"{TRUNCATE}-([0-9]{{1,9}})", text):
            return cls(TRUNCATE, layer=int(match[1]), point=point)
        match = re.fullmatch(r"([^:+]+)(\+recovery)?(?::(.+))?", text)
        if not match or not (match[1] in CONTROLLERS or (match[1] == CASCADE and not match[2])):
            raise InputError(
                f"There is no strategy {text[:40]!r}. Strategies are {', '.join(names())} (k is a number); a colon and "
                "an operating point may follow, as in entropy:fast."
            )
        if match[3] and point and match[3] != point:
            raise InputError(f"{text!r} names the operating point {match[3]!r}, not {point!r}. Leave one out.")
        return cls(match[1], bool(match[2]), point=match[3] or point)

    @property
    def without_point(self) -> str:
        """The name alone, e.g. ``entropy+recovery``, the key under which operating points are stored."""
        return f"{self.kind}-{self.layer}" if self.kind == TRUNCATE else self.kind + RECOVERY * self.recovers

    def __str__(self) -> str:
        return f"{self.without_point}:{self.point}" if self.point else self.without_point


def names() -> tuple[str, ...]:
    """The names of all strategies that one model can run, without operating points."""
    return (DENSE, *CONTROLLERS, *(kind + RECOVERY for kind in CONTROLLERS), f"{TRUNCATE}-k")
