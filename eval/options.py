"""Options that several commands share, and parsers of their lists. Imports no model."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.errors import InputError, extra
from engine.formats.corpora import Corpus, load_corpus
from engine.pruning.strategy_names import StrategyName
from eval.schema import RANDOM

SMALL = "small"  # names the small model of a cascade among the strategies
SAMPLE = Path(__file__).resolve().parent / "sample" / "sample.pubtator.txt"


class _AtLeast(argparse.Action):
    """Stores a number that must be at least ``const``."""

    def __call__(self, _: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, name: Any = None) -> None:
        if value < self.const:
            raise InputError(f"expected {name} {self.const} or more, got {value}; change it")
        setattr(namespace, self.dest, value)


def add_number(parser: argparse.ArgumentParser, option: str, least: int, **options: Any) -> None:
    """Adds an option for a number that must be ``least`` or more."""
    parser.add_argument(option, type=int, action=_AtLeast, const=least, **options)


def add_inputs(parser: argparse.ArgumentParser, *, corpus: str | None, split: str) -> None:
    """Adds ``--corpus``, ``--split``, ``--data-dir``, ``--model`` and ``--limit`` with the given defaults."""
    default = "the sample corpus" if corpus is None else corpus
    parser.add_argument("--corpus", default=corpus, help=f"bc5cdr, ncbi-disease, a file or hf:ID (default {default})")
    parser.add_argument("--split", default=split, help=f"train, dev, test; bc5cdr also fit, calib (default {split})")
    parser.add_argument("--data-dir", help="where to look for named corpora first")
    parser.add_argument("--model", help="folder or hub id (default: the shipped weights)")
    add_number(parser, "--limit", 1, help="use only the first N documents")


def load_named_corpus(arguments: argparse.Namespace, **options: bool) -> Corpus:
    """Loads the corpus that the options of `add_inputs` name, or the sample; ``options`` are those of `load_corpus`."""
    name = arguments.corpus or str(SAMPLE)
    corpus = load_corpus(name, arguments.split, arguments.data_dir, limit=arguments.limit, **options)
    if not corpus.documents:
        raise InputError(f"expected documents in {corpus.name}, got none; choose another file")
    return corpus if arguments.corpus else replace(corpus, name="sample")


def load_scored_corpus(arguments: argparse.Namespace) -> Corpus:
    """Loads the corpus of ``eval.report`` with the scored types as its types, and checks what can be without a model.

    Raises:
        InputError: if the corpus or an option cannot be used.
    """
    parse_batch_sizes(arguments.batch_size)
    parse_dtypes(arguments.dtype)
    parse_others(arguments.others)
    for name in parse_names(arguments.strategies):
        if name != SMALL:
            StrategyName.parse(name.removeprefix(f"{RANDOM}@"))
    _check_most("--threads", arguments.threads, os.cpu_count() or 1, "the number of processors")
    corpus = load_named_corpus(arguments, skip_bad=arguments.skip_bad)
    _check_most("--timed", arguments.timed, len(corpus.documents), f"the number of documents in {corpus.name}")
    types = tuple(dict.fromkeys(parse_names(arguments.types))) if arguments.types else corpus.types
    if not types:
        raise InputError(f"expected gold entities in {corpus.name}, got none; choose a file with gold, or name --types")
    return replace(corpus, types=types)


def _check_most(option: str, value: int | None, most: int, what: str) -> None:
    if value is not None and value > most:
        raise InputError(f"expected {option} up to {most}, {what}, got {value}; lower it")


def check_types(types: Sequence[str], known: Sequence[str]) -> None:
    """Raises `InputError` if the model knows none of the types to be scored."""
    if not types:
        raise InputError("expected documents with gold entities, got none; choose another file")
    if not set(types) & set(known):
        raise InputError(
            f"expected types that the model finds, {list(known)}, got {list(types)}; "
            "rename those of the corpus, or choose another model"
        )


def parse_names(text: str) -> list[str]:
    """Splits a comma-separated list of names."""
    return [part for part in map(str.strip, text.split(",")) if part]


def parse_dtypes(text: str) -> list[str]:
    """Splits the comma-separated dtypes of ``--dtype``; the engine checks that they exist."""
    dtypes = parse_names(text)
    if not dtypes or len(set(dtypes)) < len(dtypes):
        raise InputError(f"expected different dtypes after --dtype, got {text!r}; write e.g. float32,int8")
    return dtypes


def parse_batch_sizes(text: str) -> list[int]:
    """Parses the comma-separated numbers of ``--batch-size``."""
    sizes = [int(part) if part.isdecimal() else 0 for part in parse_names(text)]
    if not sizes or 0 in sizes or len(set(sizes)) < len(sizes):
        raise InputError(f"expected different numbers of 1 or more after --batch-size, got {text!r}; write e.g. 1,32")
    return sizes


def parse_others(text: str) -> list[tuple[str, str, str]]:
    """Parses ``--others``, e.g. ``small=FOLDER,base=FOLDER@entropy:fast``, into names, folders and strategies."""
    models = []
    for part in parse_names(text):
        name, _, rest = part.partition("=")
        folder, at, strategy = rest.partition("@")
        models.append((name.strip(), folder.strip(), strategy.strip() if at else "dense"))
    if not all(map(all, models)) or len({name for name, *_ in models}) < len(models):
        raise InputError(
            f"expected different names and folders after --others, got {text!r}; write e.g. small=FOLDER or "
            "small=FOLDER@entropy:fast"
        )
    return models


def package(name: str) -> Any:
    """Imports a package that only a baseline needs."""
    with extra("baselines"):
        return import_module(name)
