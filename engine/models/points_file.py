"""Operating points of a model folder: ``operating_points.json``, and ``cascade.json`` in that of a cascade.

Both hold settings by the name of a strategy or of an operating point and, under ``int8``, whether ``dense`` in 8 bits
agrees with float32: true, false, or an object that describes how it was found, whose ``agrees`` is one of them (true if
it is missing). Under ``weights`` operating points name the digest of what they were chosen for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.cascade import Cascade
from engine.errors import InputError, explained
from engine.pruning.strategy import Points, Strategy
from engine.pruning.strategy_names import CASCADE, StrategyName

POINTS, CASCADES = "operating_points.json", "cascade.json"
WEIGHTS, INT8 = "weights", "int8"  # entries that are no strategies


@dataclass(frozen=True)
class StoredPoints:
    """What the files say."""

    points: Points
    belongs_to: str  # digest of what they were chosen for; empty if that is not known
    int8: bool | None  # whether dense in 8 bits was found to agree with float32; None if that is not known
    is_cascade: bool


def read_points(folder: Path) -> StoredPoints:
    """Reads both files, which may be missing; raises an `InputError` if one is damaged."""
    stored, cascades = (_read_json(folder / name) for name in (POINTS, CASCADES))
    belongs_to, int8 = stored.pop(WEIGHTS, ""), _take_agreement(stored, folder / POINTS)
    points = _parsed(stored, folder / POINTS, Strategy, "calibrate")
    if cascades:
        int8 = _take_agreement(cascades, folder / CASCADES)
        points |= _parsed({CASCADE: cascades}, folder / CASCADES, Cascade, "cascade")
    return StoredPoints(points, belongs_to, int8, bool(cascades))


def _read_json(path: Path) -> dict[str, Any]:
    """Reads an object; an empty one if there is no file."""
    with explained(f"Cannot read {path}", "Restore the file"):
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _take_agreement(stored: dict[str, Any], path: Path) -> bool | None:
    """Takes out whether 8 bits were found to agree; raises an `InputError` unless that is as the module says."""
    int8 = stored.pop(INT8, None)
    agrees = int8.get("agrees", True) if isinstance(int8, dict) else int8
    if agrees not in (True, False, None):
        raise InputError(f"{INT8} in {path} must be true, false or an object, not {int8!r}.")
    return None if agrees is None else bool(agrees)


def _parsed(stored: Mapping[str, Any], path: Path, of: type[Strategy], command: str) -> dict[str, dict[str, Strategy]]:
    """The operating points that a file holds; raises an `InputError` if it is damaged."""
    points: dict[str, dict[str, Strategy]] = {}
    remedy = f"Restore the file, or delete it and make it again with bioner {command}"
    with explained(f"Cannot read the operating points in {path}", remedy):
        for name, by_point in stored.items():
            points[name] = {point: of.from_json(settings | {"point": point}) for point, settings in by_point.items()}
            for strategy in points[name].values():
                if strategy.kind != StrategyName.parse(name).kind:
                    raise ValueError(f"{name} has settings of {strategy.kind}")
    return points
