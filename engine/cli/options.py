"""Command-line options made from declared settings."""

import argparse
import ast
from collections.abc import Collection
from dataclasses import MISSING
from typing import Any, TypeVar

from engine.errors import InputError
from engine.settings import Setting, settings_of

C = TypeVar("C")


class _Parsed(argparse.Action):
    """Stores what the setting ``const`` reads; raises an `InputError` if it is out of range."""

    const: Setting

    def __call__(self, _: Any, namespace: argparse.Namespace, typed: Any, option: str | None = None) -> None:
        before = getattr(namespace, self.dest)
        for text in typed if isinstance(typed, list) else [typed]:
            value = self.const.parse(text, option or self.dest)
            joins = self.const.is_list and self.const.separator != "," and before is not self.default
            before = (*before, *value) if joins else value
        setattr(namespace, self.dest, before)


def add_options(parser: argparse.ArgumentParser, config: type, positional: Collection[str] = ()) -> None:
    """Adds an option, or a positional argument, for each setting of a dataclass; see `engine.settings`."""
    for declared in settings_of(config):
        name, default = f"--{declared.name.rstrip('_').replace('_', '-')}", declared.default
        required: dict[str, Any] = {"required": default is MISSING}
        if declared.name in positional:
            name, required = declared.name, {}
        if declared.kind == "flag":
            parser.add_argument(name, action="store_true", help=declared.description)
            continue
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
        facts = "; ".join(filter(None, (declared.range, "" if shown in (MISSING, None, "") else f"default {shown}")))
        parser.add_argument(
            name,
            action=_Parsed,
            const=declared,
            nargs="+" if declared.is_list and declared.separator == " " else None,
            default=default,
            **required,
            metavar=declared.metavar or {"whole": "N", "number": "X"}.get(declared.kind),
            help=f"{declared.description}{f' ({facts})' if facts else ''}".replace("%", "%%"),
        )


def add_texts(parser: argparse.ArgumentParser, description: str, *, required: bool = True) -> None:
    """Adds ``--texts`` and ``--lines``, which `read_texts` takes."""
    parser.add_argument("--texts", nargs="+", default=[], required=required, metavar="FILE", help=description)
    parser.add_argument("--lines", action="store_true", help="each line of plain text is one text; otherwise a file is")


def config_of(config: type[C], arguments: argparse.Namespace) -> C:
    """Makes a dataclass from parsed arguments, which may include others."""
    given = vars(arguments)
    return config(**{declared.name: given[declared.name] for declared in settings_of(config)})


def parse_setting(name: str, text: str) -> tuple[str, Any]:
    """Parses a setting of a strategy as typed, e.g. ``gates`` and ``1,2``, for `Strategy.with_settings`.

    Raises an `InputError` for text that is not a value, and for names of other arguments of `Engine.strategy`.
    """
    if name in ("self", "name", "point"):
        raise InputError(f"{name!r} is not a setting. Choose an operating point with --point or e.g. entropy:fast.")
    try:
        value = ast.literal_eval(text.capitalize() if text.lower() in ("true", "false") else text.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        value = text  # a word, such as a trigger
    if not isinstance(value, int | float | str | list | tuple):
        raise InputError(f"{name} must be a number, true, false, a word or numbers with commas, not {text!r}.")
    return "lambda_" if name == "lambda" else name, value
