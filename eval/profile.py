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
from eval.measure.strategies import load_engines
from eval.options import add_inputs, corpus_of, dtypes, names


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.profile", description=__doc__)
    add_inputs(parser, corpus="bc5cdr", split="calib")
    parser.add_argument("--strategies", default="dense,entropy", help="comma-separated")
    parser.add_argument("--point", help="operating point (default balanced)")
    parser.add_argument("--dtype", default="float32", help="comma-separated: float32 (default), bfloat16, int8, auto")
    parser.add_argument("--out", type=Path, help="CSV file to write as well")
    arguments = parser.parse_args(argv)
    engines = load_engines(arguments.model, dtypes(arguments.dtype))
    corpus = corpus_of(arguments)
    wanted = list(dict.fromkeys(names(arguments.strategies)))
    chosen = {engine: [engine.strategy(name, arguments.point) for name in wanted] for engine in engines}
    texts = [document.text for document in corpus.documents]
    table = pd.DataFrame(
        {"dtype": engine.dtype, **row}
        for size in (1, 32)
        for engine, strategies in chosen.items()
        for row in profile(engine, texts, strategies, size)
    )
    for value in ("ms_per_document", "share"):
        keys = ["batch_size", "strategy", "dtype"]
        wide = table.pivot_table(index=keys, columns="component", values=value)[list(COMPONENTS)]
        print(f"{value}\n{wide.round(3).to_string()}\n")
    if arguments.out:
        table.to_csv(arguments.out, index=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
