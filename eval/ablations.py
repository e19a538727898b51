"""Measures how each setting alone changes F1 and cost: ``python -m eval.ablations``. Nothing is timed.

A larger λ must lower the share of token-layers. Each recovery trigger must change predictions, cost or where words
exit, compared with no recovery; every other setting must do so for at least one value. Otherwise the command writes
everything, names the settings that fail and exits with status 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from engine.command import as_command, say
from engine.errors import InputError
from engine.runs import locked
from engine.tagger import load_engine
from eval.measure.ablations import ablate
from eval.options import AtLeast, add_inputs, check_types, load_named_corpus
from eval.render.report import render_ablations


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 1 if a setting fails its check, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.ablations", description=__doc__)
    add_inputs(parser, corpus="bc5cdr", split="calib")
    parser.add_argument(
        "--plain-model", help="also compare with these weights, which have gates but were not trained for pruning"
    )
    parser.add_argument(
        "--seed", type=int, action=AtLeast, const=0, default=0, help="seed of the bootstrap (default 0)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results/ablations"), help="folder for the results (default %(default)s)"
    )
    parser.add_argument(
        "--render-only",
        action="store_true",
        help="make the page in --out again from its files; its title names --corpus and --split",
    )
    arguments = parser.parse_args(argv)
    out, title = arguments.out, f"Ablations: {arguments.corpus} {arguments.split}"
    if arguments.render_only and not (out / "ablations.csv").is_file():
        raise InputError(f"expected ablations.csv in {out}, got none; run it without --render-only first")
    with locked(out):
        if not arguments.render_only:
            engine, corpus = load_engine(arguments.model), load_named_corpus(arguments)
            check_types(corpus.types, engine.labels.types)
            plain = load_engine(arguments.plain_model) if arguments.plain_model else None
            ablate(engine, corpus, out, plain, arguments.seed)
            title = f"Ablations: {corpus.name} {corpus.split}"
        failed = render_ablations(out, title)
    for failure in failed:
        say(failure)
    print("\n".join(str(out / name) for name in ("ablations.csv", "ablations.png", "ablations.md")))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
