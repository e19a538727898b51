"""Measures every strategy's F1 and latency on a corpus: ``python -m eval.report``.

Without arguments it measures the shipped weights on the small sample corpus that comes with the project. An interrupted
run continues when it is started again with the same ``--out``. ``--render-only`` makes the report of a finished run
again from its files.
"""

import argparse
import logging
import shlex
import sys
from pathlib import Path

from engine.cli.command import as_command, program, say
from engine.cli.runs import locked
from engine.errors import InputError, extra
from eval.options import add_inputs, add_number, load_scored_corpus


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program("eval.report"), description=__doc__)
    add_inputs(parser, corpus=None, split="test")
    parser.add_argument(
        "--strategies",
        default="",
        help="comma-separated: dense,rule,entropy,entropy:fast,mlp,entropy+recovery,random@entropy,truncate-3,…, "
        "for a cascade also cascade:fast,small; dense always runs "
        "(default: that of the model; for a cascade its operating points and its small model)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STRATEGY.SETTING=VALUE",
        help="change a setting, e.g. rule.lambda=1; may be repeated",
    )
    parser.add_argument("--batch-size", default="1,32", help="texts per call, comma-separated (default %(default)s)")
    parser.add_argument("--types", help="entity types to score, comma-separated (default: those in the corpus)")
    parser.add_argument("--skip-bad", action="store_true", help="leave out broken documents with a warning")
    add_number(parser, "--threads", 1, help="processor threads (default: torch's)")
    parser.add_argument("--labels", metavar="FILE", help="what the model's labels mean, one a line")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    parser.add_argument(
        "--dtype",
        default="auto",
        help="comma-separated: float32, bfloat16, int8, auto (default %(default)s); dense also runs in float32, with "
        "which all is compared",
    )
    add_number(parser, "--timed", 1, metavar="N", help="measure times on N documents, drawn at random, and F1 on all")
    parser.add_argument(
        "--baselines",
        default="hf-pipeline",
        help="comma-separated: hf-pipeline,onnx-float32,onnx-int8,openvino-int8, which run the same weights, or those "
        "of another model (onnx-int8@NAME of --others), whole or cut after a layer (onnx-int8=truncate-3); "
        "spacy=FOLDER, made by eval.train_spacy; or none (default %(default)s)",
    )
    parser.add_argument(
        "--others",
        metavar="NAME=FOLDER",
        default="",
        help="other models in the same run, comma-separated; each runs dense, or the strategy in NAME=FOLDER@STRATEGY",
    )
    parser.add_argument("--out", default="results", help="folder for the results (default %(default)s)")
    parser.add_argument("--render-only", action="store_true", help="make the report in --out again from its files")
    parser.add_argument("--html", action="store_true", help="also write the report as report.html, beside its plots")
    return parser


@as_command
def main(argv: list[str] | None) -> int:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments = make_parser().parse_args(argv)
    out = Path(arguments.out)
    if arguments.render_only:
        if not out.is_dir():
            raise InputError(f"expected a finished run in {out}, got no such folder; run it first")
        with locked(out), extra("eval"):
            say(_render(out, html=arguments.html))
        return 0
    corpus = load_scored_corpus(arguments)
    sizes = " and ".join(arguments.batch_size.split(","))
    say(f"{len(corpus.documents)} documents of {corpus.name}, {sizes} a call, into {out}.")
    with locked(out), extra("eval"):
        from eval.measure.run import report  # needs torch, which takes seconds to import

        command = shlex.join(["python", "-m", "eval.report", *(sys.argv[1:] if argv is None else argv)])
        progress = report(arguments, corpus, command)
        # After the sample comes the real thing, and then the app, which shows reports in ``docs``.
        real = "python -m eval.report --corpus bc5cdr --out results/bc5cdr-test"
        app = shlex.join(["python", "app.py", *(["--model", arguments.model] if arguments.model else [])])
        progress.finish(_render(out, html=arguments.html), app if arguments.corpus else real)
    return 0


def _render(out: Path, *, html: bool) -> str:
    """Writes the pages of a finished run and prints its results; returns its headline."""
    from eval.render import ReportFolder, headline
    from eval.render.report import render

    print(render(out, html=html), flush=True)
    return f"{headline(ReportFolder(out))} The report is {out / 'report.md'}."


if __name__ == "__main__":
    sys.exit(main())
