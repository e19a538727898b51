"""Measures the time of each component of a call: ``python -m eval.profile --strategies dense,entropy``.

`eval.measure.components` says what the components are.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from engine.command import as_command
from eval.measure.components import COMPONENTS, profile
from eval.measure.setup import load_engines
from eval.options import add_inputs, load_named_corpus, parse_dtypes, parse_names

BATCH_SIZES = (1, 32)


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.profile", description=__doc__)
    add_inputs(parser, corpus="bc5cdr", split="calib")
    parser.add_argument("--strategies", default="dense,entropy", help="comma-separated (default %(default)s)")
    parser.add_argument("--point", help="operating point of strategies that name none (default balanced)")
    parser.add_argument("--dtype", default="float32", help="comma-separated: float32 (default), bfloat16, int8, auto")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the figures to this CSV file")
    arguments = parser.parse_args(argv)
    engines = load_engines(arguments.model, parse_dtypes(arguments.dtype))
    texts = [document.text for document in load_named_corpus(arguments).documents]
    names = dict.fromkeys(parse_names(arguments.strategies))
    strategies = {engine: [engine.strategy(name, arguments.point) for name in names] for engine in engines}
    table = pd.DataFrame(
        {"dtype": engine.dtype, **row}
        for size in BATCH_SIZES
        for engine, of_engine in strategies.items()
        for row in profile(engine, texts, of_engine, size)
    )
    for value in ("ms_per_document", "share"):
        index = ["batch_size", "strategy", "dtype"]
        wide = table.pivot_table(index=index, columns="component", values=value)[list(COMPONENTS)]
        print(f"{value}\n{wide.round(3).to_string()}\n")
    if arguments.out:
        table.to_csv(arguments.out, index=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
