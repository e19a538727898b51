"""Command-line options that every evaluation has."""

from __future__ import annotations

import argparse


def add_inputs(parser: argparse.ArgumentParser, *, corpus: str | None, split: str) -> None:
    """Adds ``--corpus``, ``--split``, ``--data-dir``, ``--model`` and ``--limit`` with the given defaults."""
    default = "the sample corpus" if corpus is None else corpus
    parser.add_argument("--corpus", default=corpus, help=f"bc5cdr, ncbi-disease, a file or hf:ID (default {default})")
    parser.add_argument("--split", default=split, help=f"train, dev, test; bc5cdr also fit, calib (default {split})")
    parser.add_argument("--data-dir", help="where to look for named corpora first")
    parser.add_argument("--model", help="folder or hub id; default: the shipped weights")
    parser.add_argument("--limit", type=int, help="first N documents only")
