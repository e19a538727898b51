"""Values are declared once: checks and command lines follow from the declaration."""

import argparse
from dataclasses import MISSING, dataclass
from math import inf, nan

import numpy as np
import pytest

from engine.cli.options import add_options, config_of
from engine.errors import InputError
from engine.settings import check_settings, setting


@dataclass(frozen=True, kw_only=True)
class Config:
    out: str = setting(MISSING, "folder")
    minutes: float = setting(60.0, "time for everything", 0.5, 100, unit="minutes")
    limit: int | None = setting(None, "use only the first 100 % of N documents", 1, inf, unit="documents")
    sizes: tuple[int, ...] = setting((1, 32), "texts a call", 1, inf)
    types: tuple[str, ...] = setting((), "types that count")
    dtype: str = setting("auto", "what it computes in", choices=("int8", "auto"))
    changes: tuple[str, ...] = setting((), "any setting", separator="", metavar="NAME=VALUE")
    corpora: tuple[str, ...] = setting(("a",), "what to learn from", separator=" ")
    plain: bool = setting(False, "without gates")
    thresholds: float | tuple[float, ...] = setting(0.1, "one for all gates, or one for each")

    def __post_init__(self) -> None:
        check_settings(self)


def typed(*arguments: str) -> Config:
    parser = argparse.ArgumentParser()
    add_options(parser, Config)
    parser.add_argument("--other")
    return config_of(Config, parser.parse_args(["--out", "a", *arguments]))


def test_a_command_line_makes_the_instance_that_python_makes():
    assert typed() == Config(out="a")
    given = "--minutes 2 --limit 3 --sizes 1,8 --types A,B --dtype int8 --changes a=1,2 --changes b=2 --plain --other x"
    given += " --corpora b types=A,B --corpora c"
    changed = {"minutes": 2.0, "limit": 3, "sizes": (1, 8), "types": ("A", "B"), "dtype": "int8", "plain": True}
    assert typed(*given.split()) == Config(
        out="a", changes=("a=1,2", "b=2"), corpora=("b", "types=A,B", "c"), **changed
    )


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("--minutes 0", "--minutes must be a number, 0.5 to 100 minutes, not 0.0"),
        ("--minutes nan", "0.5 to 100 minutes, not nan"),
        ("--minutes soon", "not 'soon'"),
        ("--limit 0", "--limit must be a whole number, 1 or more documents, not 0"),
        ("--limit 1.5", "not '1.5'"),
        ("--sizes 1,0", r"--sizes must be a list, each a whole number, 1 or more, not \(1, 0\)"),
        ("--dtype fp4", "--dtype must be one of int8, auto, not 'fp4'"),
    ],
)
def test_what_a_setting_cannot_be_is_refused_by_the_name_of_its_option(given, reason):
    with pytest.raises(InputError, match=reason):
        typed(*given.split())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"minutes": None}, "minutes must be a number"),
        ({"minutes": nan}, "minutes must be a number"),
        ({"minutes": True}, "minutes must be a number"),
        ({"limit": 2.0}, "limit must be a whole number"),
        ({"sizes": ()}, "sizes must be a list, each a whole number"),
        ({"sizes": "1,32"}, "sizes must be a list, each a whole number"),
        ({"types": (1,)}, "types must be a list, each text"),
        ({"plain": 1}, "plain must be true or false"),
        ({"thresholds": (0.1, 2.0)}, "thresholds must be a number, 0 to 1"),
        ({"out": None}, "out must be text"),
    ],
)
def test_python_is_checked_alike(changes, reason):
    with pytest.raises(InputError, match=f"^{reason}"):
        Config(**{"out": "a"} | changes)


def test_lists_and_numbers_of_numpy_become_pythons():
    config = Config(out="a", sizes=[np.int64(2)], minutes=np.float32(1), thresholds=[0.5])
    assert (config.sizes, type(config.minutes), config.thresholds) == ((2,), float, (0.5,))


def test_help_has_the_range_the_unit_and_the_default():
    parser = argparse.ArgumentParser()
    add_options(parser, Config, positional=("out",))
    said = " ".join(parser.format_help().split())
    assert "--minutes X time for everything (0.5 to 100 minutes; default 60.0)" in said
    assert "--changes NAME=VALUE any setting" in said
    assert "--out" not in said
