"""Settings of controllers and of recovery, each declared once with its range and a description."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

import numpy as np

from engine.errors import InputError

P = TypeVar("P")


@dataclass(frozen=True)
class Setting:
    """A setting that users may change.

    Args:
        name: name of the dataclass field.
        description: one sentence for users.
        low, high: range of its values, both included.
        kind: ``number``, ``whole`` number, ``flag``, ``per gate`` (a number, or one for each gate; the last one
            applies to further gates) or ``choice`` (one of ``choices``).
        choices: the values that a ``choice`` allows.
        on_page: whether the app offers it; thresholds are always offered.
        number: whether a formula computes with it, so that changing it changes no graph.
    """

    name: str
    description: str
    low: float = 0.0
    high: float = 1.0
    kind: Literal["number", "whole", "flag", "per gate", "choice"] = "number"
    choices: tuple[str, ...] = ()
    on_page: bool = False
    number: bool = False

    @property
    def label(self) -> str:
        """The name that users see."""
        return label_of(self.name)

    def check(self, value: object) -> None:
        """Raises an `InputError` unless the value is of this kind and in range."""
        name = self.name.rstrip("_")
        if self.kind == "flag":
            if not isinstance(value, bool):
                raise InputError(f"expected {name} as true or false, got {value!r}; choose one of them")
        elif self.kind == "choice":
            if value not in self.choices:
                raise InputError(f"expected {name} as one of {list(self.choices)}, got {value!r}; choose one of them")
        elif self.kind == "per gate" and isinstance(value, tuple) and value:
            for one in value:
                self._check_number(name, one)
        else:
            self._check_number(name, value)

    def _check_number(self, name: str, value: object) -> None:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high
        if not fits or (self.kind == "whole" and not isinstance(value, int)):
            kind = "a whole number" if self.kind == "whole" else "a number"
            raise InputError(
                f"expected {name} as {kind} between {self.low:g} and {self.high:g}, got {value!r}; choose such a value"
            )


def label_of(name: str) -> str:
    """The name of a setting that users see."""
    return "λ" if name == "lambda_" else name.replace("_", " ")


def setting(
    default: Any, description: str, low: float = 0.0, high: float = 1.0, *, kw_only: bool = False, **settings: Any
) -> Any:
    """Declares a dataclass field as a setting; see `Setting` for the arguments."""
    declared = Setting("", description, low, high, **settings)
    return dataclasses.field(default=default, kw_only=kw_only, metadata={"setting": declared})


def settings_of(part: type) -> tuple[Setting, ...]:
    """The settings among the fields of a dataclass, in order, those that are given by keyword last."""
    own = sorted((f for f in fields(part) if "setting" in f.metadata), key=lambda f: bool(f.kw_only))
    return tuple(dataclasses.replace(f.metadata["setting"], name=f.name) for f in own)


def check_settings(part: Any) -> None:
    """Converts lists to tuples and NumPy numbers to Python's; raises an `InputError` if a setting is out of range."""
    for one in settings_of(type(part)):
        given = getattr(part, one.name)
        value = tuple(map(_to_python, given)) if isinstance(given, list | tuple) else _to_python(given)
        object.__setattr__(part, one.name, value)
        one.check(value)


def _to_python(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def values_of(part: Any) -> dict[str, Any]:
    """Maps the name of each setting of an instance to its value."""
    return {one.name: getattr(part, one.name) for one in settings_of(type(part))}


def to_values(part: Any) -> dict[str, Any]:
    """Maps the name in JSON of each setting of an instance to its value: Python's, but ``lambda`` for ``lambda_``."""
    return {name.rstrip("_"): value for name, value in values_of(part).items()}


def from_values(part: type[P], kind: str, settings: Mapping[str, Any]) -> P:
    """Builds an instance from settings as stored in JSON; raises an `InputError` if one is unknown or out of range."""
    names = {one.name.rstrip("_"): one.name for one in settings_of(part)}
    if unknown := set(settings) - set(names):
        raise InputError(f"expected only the settings {sorted(names)} of {kind}, got {sorted(unknown)}; remove them")
    return part(**{names[name]: value for name, value in settings.items()})


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return float(text)  # .5, 1. and +1 are not JSON


def parse_setting(name: str, text: str) -> tuple[str, Any]:
    """Parses a typed setting, e.g. ``gates`` and ``1,2``, into a name and value for `Strategy.with_settings`.

    Raises:
        InputError: if the text is not a value, or the name is another argument of `Engine.strategy`.
    """
    if name in ("self", "name", "point"):
        raise InputError(f"expected a setting, got {name!r}; write --point or e.g. entropy:fast for an operating point")
    listed = name == "gates" or "," in text
    try:
        value = [_parse_value(part) for part in text.split(",")] if listed else _parse_value(text.lower())
    except (ValueError, RecursionError):
        value = text  # a word, such as a trigger
    if value is None or (listed and isinstance(value, str)):
        raise InputError(f"expected a number, true, false, a word or numbers with commas, got {text!r}; fix {name}")
    return "lambda_" if name == "lambda" else name, value
