"""Measures how each setting alone changes F1 and cost: ``python -m eval.ablations``. Nothing is timed.

Each setting takes several values while all others stay as stored. A larger λ must lower the share of token-layers, and
every setting must change predictions, cost or where words exit for at least one value. Otherwise the command writes
everything, names the settings that fail and exits with status 1.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from engine.base import DTYPES
from engine.cli.command import as_command, new_parser, say
from engine.cli.options import add_options, config_of
from engine.cli.runs import locked
from engine.errors import extra
from engine.models.shipped import MODEL_HELP
from engine.settings import setting
from eval.config import CorpusConfig


@dataclass(frozen=True, kw_only=True)
class AblationConfig(CorpusConfig):
    """What is measured."""

    corpus: str = setting("bc5cdr", "bc5cdr, ncbi-disease, a file or hf:ID")
    split: str = setting("calib", "train, dev, test; bc5cdr also fit, calib")
    model: str | None = setting(None, MODEL_HELP)
    dtype: str = setting("auto", "dtype to measure in", choices=DTYPES)
    out: str = setting("results/ablations", "folder for the results")


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 1 if a setting fails its check, 2 for bad input."""
    parser = new_parser("eval.ablations", __doc__)
    add_options(parser, AblationConfig)
    config = config_of(AblationConfig, parser.parse_args(argv))
    with extra("eval", "pandas", "torch"):  # before anything is read
        out, corpus = Path(config.out), config.load()
    say(f"{len(corpus.documents)} documents of {corpus.name}, into {out}; loading the model.")
    with locked(out), extra("eval"):
        from eval.measure.ablations import measure  # needs torch and matplotlib, which take seconds to import

        failed = measure(config.model, config.dtype, corpus, out)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
