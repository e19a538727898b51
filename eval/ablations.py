"""Measures how each setting alone changes F1 and cost: ``python -m eval.ablations``. Nothing is timed.

Each setting takes several values while all others stay as stored. A larger λ must lower the share of token-layers, and
every setting must change predictions, cost or where words exit for at least one value. Otherwise the command writes
everything, names the settings that fail and exits with status 1.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from engine.cli.command import as_command, program, say
from engine.cli.runs import locked
from engine.errors import extra
from eval.options import add_inputs, check_types, load_named_corpus
from eval.schema import DENSE


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 1 if a setting fails its check, 2 for bad input."""
    parser = argparse.ArgumentParser(prog=program("eval.ablations"), description=__doc__)
    add_inputs(parser, corpus="bc5cdr", split="calib")
    parser.add_argument("--dtype", default="auto", help="float32, int8 or auto (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/ablations"), help="default %(default)s")
    arguments = parser.parse_args(argv)
    out, corpus = arguments.out, load_named_corpus(arguments)
    say(f"{len(corpus.documents)} documents of {corpus.name}, into {out}; loading the model.")
    with locked(out), extra("eval"):
        # These need torch and matplotlib, which take seconds to import.
        from engine.tagger import load_engine
        from eval.measure.ablations import BATCH, NAME, ablate, render, series_of
        from eval.measure.run import open_log, progress_of, run
        from eval.measure.setup import Setup
        from eval.measure.variants import of_strategy
        from eval.record import Plan, Record

        engine = load_engine(arguments.model, arguments.dtype)
        check_types(corpus.types, engine.labels.types)
        engine.strategy("entropy")  # refuses a model without gates
        series = list(series_of(engine))
        names = {engine.strategy(DENSE): DENSE}
        for one in series:
            for value, strategy in one.values.items():  # under its first name, if it has several
                names.setdefault(strategy, f"{one.strategy} {one.setting} {value}")
        taggers = [of_strategy(engine, strategy) for strategy in names]
        variants = [replace(t.variant, title=name) for t, name in zip(taggers, names.values(), strict=True)]
        setup = Setup([engine], Plan(corpus, variants, [BATCH], []), taggers)
        record = Record(setup.plan, open_log(out, setup))
        with progress_of(setup, record) as progress:
            run(setup, record, progress)
            progress.note = "intervals"
            table = ablate(record, series, names)
            table.to_csv(out / f"{NAME}.csv", index=False)
        failed = render(table, out, f"Ablations: {corpus.name} {corpus.split}, {engine.dtype}")
    for failure in failed:
        say(failure)
    progress.finish(f"{len(failed)} of {len(series)} checks failed. The page is {out / NAME}.md.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
