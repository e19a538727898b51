"""Measures every strategy's F1 and latency on a corpus: ``python -m eval.report``.

Without arguments it measures the shipped weights on the small sample corpus that comes with the project. An interrupted
run continues when it is started again with the same ``--out``. ``--render-only`` makes the report of a finished run
again from its files. The Python function is ``eval.report.report``.
"""

import argparse
import logging
import shlex
import sys
from pathlib import Path

from engine.cli.command import as_command, program, say
from engine.cli.options import add_options, config_of
from engine.cli.runs import locked
from engine.errors import extra
from eval.config import ReportConfig


def report(config: ReportConfig, command: str = "") -> Path:
    """Measures what is asked for, or continues to, writes the report, prints its results and returns its folder.

    ``command``: how the report says that it was made; by default by this call.

    Raises an `InputError` if something cannot be measured, or the folder contains another run.
    """
    corpus, out = config.load(), Path(config.out)
    sizes = " and ".join(map(str, config.batch_size))
    say(f"{len(corpus.documents)} documents of {corpus.name}, {sizes} a call, into {out}.")
    with locked(out), extra("eval"):
        from eval.measure.run import measure  # needs torch, which takes seconds to import

        progress = measure(config, corpus, command or f"report({config!r})")
        progress.finish(_render(out, html=config.html), _next(config))
    return out


@as_command
def main(argv: list[str] | None) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog=program("eval.report"), description=__doc__)
    add_options(parser, ReportConfig)
    parser.add_argument("--render-only", action="store_true", help="make the report in --out again from its files")
    arguments = parser.parse_args(argv)
    config = config_of(ReportConfig, arguments)
    if not arguments.render_only:
        report(config, shlex.join(["python", "-m", "eval.report", *argv]))
        return 0
    with locked(Path(config.out)), extra("eval"):
        say(_render(Path(config.out), html=config.html))
    return 0


def _next(config: ReportConfig) -> str:
    """After the sample comes the real thing, and then the app, which shows reports in ``docs``."""
    own = [f"--{name}={value}" for name in ("model", "labels") if (value := getattr(config, name))]
    corpus = "FILE" if own else "bc5cdr"
    real = ["-m", "eval.report", *own, f"--corpus={corpus}", f"--out=results/{corpus.lower()}-test"]
    return shlex.join(["python", *(["app.py", *own] if config.corpus else real)])


def _render(out: Path, *, html: bool) -> str:
    """Writes the pages of a finished run and prints its results; returns its headline."""
    from eval.render import ReportFolder, headline
    from eval.render.report import render

    print(render(out, html=html), flush=True)
    return f"{headline(ReportFolder(out))} The report is {out / 'report.md'}."


if __name__ == "__main__":
    sys.exit(main())
