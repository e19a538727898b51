"""Measures how each setting alone changes F1 and cost: ``python -m eval.ablations``. Nothing is timed.

Raising λ must strictly lower the share of token-layers. Each recovery trigger must change predictions, cost or where
words leave, compared with no recovery; every other setting must do so for at least one value.
Otherwise the run names those that fail and exits with status 1, after writing everything.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from engine.command import as_command
from engine.runs import locked
from engine.tagger import load_engine
from eval.measure.ablations import write_ablations
from eval.options import AtLeast, add_inputs, check_types, corpus_of
from eval.render.ablations import ablations_parts, failures
from eval.render.files import read_table
from eval.render.html import Report, Section, write_pages
from eval.render.plots import plot_ablations, save_png


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 1 if a setting fails its check, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m eval.ablations", description=__doc__)
    add_inputs(parser, corpus="bc5cdr", split="calib")
    parser.add_argument("--plain-model", help="weights that were not trained for pruning, with gates, to compare")
    parser.add_argument("--seed", type=int, action=AtLeast, const=0, default=0, help="of the bootstrap")
    parser.add_argument(
        "--out", type=Path, default=Path("results/ablations"), help="folder for the results (default %(default)s)"
    )
    arguments = parser.parse_args(argv)
    engine = load_engine(arguments.model)
    corpus = corpus_of(arguments)
    check_types(corpus.types, engine.labels.types)
    plain = load_engine(arguments.plain_model) if arguments.plain_model else None
    with locked(arguments.out):
        write_ablations(engine, corpus, arguments.out, plain, arguments.seed)
    table = read_table(arguments.out, "ablations")
    save_png(plot_ablations(table), arguments.out / "ablations.png")
    report = Report(
        f"Ablations: {corpus.name} {corpus.split}", [Section("One setting at a time", ablations_parts(table))]
    )
    write_pages(report, arguments.out, "ablations")
    failed = failures(table)
    for failure in failed:
        print(failure, file=sys.stderr)
    print("\n".join(str(arguments.out / name) for name in ("ablations.csv", "ablations.png", "ablations.md")))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
