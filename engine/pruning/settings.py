"""Settings of controllers and of recovery, each declared once with its range and a description."""

import ast
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

import numpy as np

from engine.errors import InputError

P = TypeVar("P")


@dataclass(frozen=True)
class Setting:
    """A setting that users may change.

    Kinds are ``number``, ``whole`` number, ``flag``, ``per gate`` (a number, or one for each gate; the last one applies
    to further gates) and ``choice``.
    """

    name: str  # of the dataclass field
    description: str  # one sentence for users
    low: float = 0.0  # lowest and highest value, both included
    high: float = 1.0
    kind: Literal["number", "whole", "flag", "per gate", "choice"] = "number"
    choices: tuple[str, ...] = ()  # values of a choice
    on_page: bool = False  # whether the app offers it; thresholds are always offered

    @property
    def is_number(self) -> bool:
        """Whether a formula computes with it, so that changing it changes no graph."""
        return self.kind in ("number", "per gate")

    def check(self, value: object) -> None:
        """Raises an `InputError` unless the value is of this kind and in range."""
        if self.kind == "flag":
            fits, wanted = isinstance(value, bool), "true or false"
        elif self.kind == "choice":
            fits, wanted = value in self.choices, f"one of {list(self.choices)}"
        else:
            numbers = value if self.kind == "per gate" and isinstance(value, tuple) else (value,)
            fits = numbers != () and all(map(self._fits, numbers))
            wanted = f"a {'whole ' * (self.kind == 'whole')}number between {self.low:g} and {self.high:g}"
        if not fits:
            raise InputError(f"expected {self.name.rstrip('_')} as {wanted}, got {value!r}; choose such a value")

    def _fits(self, value: object) -> bool:
        types = int if self.kind == "whole" else int | float
        return isinstance(value, types) and not isinstance(value, bool) and self.low <= value <= self.high


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
    for declared in settings_of(type(part)):
        given = getattr(part, declared.name)
        value = tuple(map(_to_python, given)) if isinstance(given, list | tuple) else _to_python(given)
        object.__setattr__(part, declared.name, value)
        declared.check(value)


def _to_python(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def values_of(part: Any) -> dict[str, Any]:
    """Maps the name of each setting of an instance to its value."""
    return {declared.name: getattr(part, declared.name) for declared in settings_of(type(part))}


def to_values(part: Any) -> dict[str, Any]:
    """Maps the name in JSON of each setting of an instance to its value: Python's, but ``lambda`` for ``lambda_``."""
    return {name.rstrip("_"): value for name, value in values_of(part).items()}


def from_values(part: type[P], kind: str, settings: Mapping[str, Any]) -> P:
    """Builds an instance from settings as stored in JSON; raises an `InputError` if one is unknown or out of range."""
    names = {declared.name.rstrip("_"): declared.name for declared in settings_of(part)}
    if unknown := set(settings) - set(names):
        raise InputError(f"expected only the settings {sorted(names)} of {kind}, got {sorted(unknown)}; remove them")
    return part(**{names[name]: value for name, value in settings.items()})


def parse_setting(name: str, text: str) -> tuple[str, Any]:
    """Parses a typed setting, e.g. ``gates`` and ``1,2``, into a name and value for `Strategy.with_settings`.

    Raises an `InputError` if the text is not a value, or the name is another argument of `Engine.strategy`.
    """
    if name in ("self", "name", "point"):
        raise InputError(f"expected a setting, got {name!r}; write --point or e.g. entropy:fast for an operating point")
    try:
        value = ast.literal_eval(text.capitalize() if text.lower() in ("true", "false") else text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = text  # a word, such as a trigger
    if not isinstance(value, int | float | str | list | tuple):
        raise InputError(f"expected a number, true, false, a word or numbers with commas, got {text!r}; fix {name}")
    return "lambda_" if name == "lambda" else name, value
