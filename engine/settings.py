"""Values that users set, each declared once: on a field of a frozen dataclass, whose type says what is allowed.

    @dataclass(frozen=True, kw_only=True)
    class Config:
        out: str = setting(MISSING, "folder for the results")
        epochs: int = setting(12, "maximum number of passes", 1, 10_000)
        limit: int | None = setting(None, "use only the first N documents", 1, math.inf)
        sizes: tuple[int, ...] = setting((1, 32), "texts a call", 1, math.inf)
        dtype: str = setting("auto", "what it computes in", choices=("float32", "int8", "auto"))

        def __post_init__(self) -> None:
            check_settings(self)

`engine.cli.options` makes the command line of such a class (`add_options`) and an instance of what was typed
(`config_of`); the app makes sliders, and strategies are stored in JSON, from the same declarations.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from engine.errors import InputError

P = TypeVar("P")
Kind = Literal["number", "whole", "flag", "text", "choice", "per gate"]
KINDS: Mapping[type, Kind] = {float: "number", int: "whole", bool: "flag", str: "text"}
NOUNS = {"number": "a number", "per gate": "a number", "whole": "a whole number", "flag": "true or false"}
NOUNS |= {"text": "text", "choice": ""}


@dataclass(frozen=True)
class Setting:
    """A declared value.

    Kinds are ``number``, ``whole`` number, ``flag``, ``text``, ``choice`` and ``per gate`` (a number, or one for each
    gate; the last one applies to further gates).
    """

    name: str  # of the dataclass field
    description: str  # a phrase for users
    default: Any  # MISSING if users must give one
    low: float = 0.0  # lowest and highest number, both included
    high: float = 1.0
    unit: str = ""  # of the number, in the plural
    choices: tuple[str, ...] = ()  # values of a choice
    kind: Kind = "number"
    is_list: bool = False  # a tuple of such values
    separator: str = ","  # of a list on a command line: a comma, a space, or none if each has an option of its own
    is_optional: bool = False  # None stands for no value
    metavar: str = ""  # placeholder of the value in ``--help``
    on_page: bool = False  # whether the app offers it; thresholds are always offered

    @property
    def is_number(self) -> bool:
        """Whether a formula computes with it, so that changing it changes no graph."""
        return self.kind in ("number", "per gate")

    @property
    def range(self) -> str:
        """Returns the allowed values as a phrase; empty for any text, true or false."""
        if self.kind == "choice":
            return f"one of {', '.join(self.choices)}"
        if self.kind in ("flag", "text"):
            return ""
        numbers = f"{self.low:.10g} {f'to {self.high:.10g}' if self.high < math.inf else 'or more'}"
        return f"{numbers} {self.unit}".strip()

    def check(self, value: object, called: str = "") -> None:
        """Raises an `InputError` that names the value unless it is of this kind and in range."""
        if value is None and self.is_optional:
            return
        several = self.is_list or (self.kind == "per gate" and isinstance(value, tuple))
        values = value if several else (value,)
        if not isinstance(values, tuple) or values == () != self.default or not all(map(self._fits, values)):
            allowed = "a list, each " * self.is_list + ", ".join(filter(None, (NOUNS[self.kind], self.range)))
            raise InputError(f"{called or self.name.rstrip('_')} must be {allowed}, not {value!r}.")

    def _fits(self, value: object) -> bool:
        if self.kind in ("flag", "text"):
            return isinstance(value, bool if self.kind == "flag" else str)
        if self.kind == "choice":
            return value in self.choices
        types = int if self.kind == "whole" else int | float
        return isinstance(value, types) and not isinstance(value, bool) and self.low <= value <= self.high

    def parse(self, text: str, called: str) -> Any:
        """Reads a value from a command line; raises an `InputError` that names it if it is invalid."""
        parts = map(str.strip, text.split(",")) if self.is_list and self.separator == "," else [text]
        values = tuple(map(self._parse_one, parts))
        value = values if self.is_list else values[0]
        self.check(value, called)
        return value

    def _parse_one(self, text: str) -> Any:
        try:
            return {"number": float, "whole": int}.get(self.kind, str)(text)
        except ValueError:
            return text  # which the check refuses


def label_of(name: str) -> str:
    """The name of a setting that users see."""
    return "λ" if name == "lambda_" else name.replace("_", " ")


def setting(
    default: Any, description: str, low: float = 0.0, high: float = 1.0, *, kw_only: Any = MISSING, **facts: Any
) -> Any:
    """Declares a dataclass field as a setting; see `Setting` for the arguments."""
    declared = Setting("", description, default, low, high, **facts)
    return dataclasses.field(default=default, kw_only=kw_only, metadata={"setting": declared})


def _settings_of(part: Any) -> tuple[Setting, ...]:
    """The settings among the fields of a dataclass, in order, those that are given by keyword last."""
    types = get_type_hints(part)
    declared = sorted((f for f in fields(part) if "setting" in f.metadata), key=lambda f: bool(f.kw_only))
    return tuple(_typed(dataclasses.replace(f.metadata["setting"], name=f.name), types[f.name]) for f in declared)


settings_of: Callable[[Any], tuple[Setting, ...]] = cache(_settings_of)  # cached, the type checker takes no class


def _typed(declared: Setting, of: Any) -> Setting:
    """Adds what a field's type says: one of `KINDS`, a tuple of one, either or ``None``; or a number or a tuple."""
    options = get_args(of) if get_origin(of) in (UnionType, Union) else (of,)
    first, *others = (option for option in options if option is not NoneType)
    is_list = get_origin(first) is tuple
    kind = KINDS[get_args(first)[0] if is_list else first]
    return dataclasses.replace(
        declared,
        kind="per gate" if others else "choice" if declared.choices else kind,
        is_list=is_list,
        is_optional=NoneType in options,
    )


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
        raise InputError(f"{kind} has no setting {', '.join(sorted(unknown))}, only {', '.join(sorted(names))}.")
    return part(**{names[name]: value for name, value in settings.items()})
