"""Measures every strategy's F1 and latency on a corpus: ``python -m eval.report``.

Without arguments: the shipped weights on the small sample corpus that comes with the project. A killed run resumes if
started again with the same ``--out``; ``--render-only`` makes the report from the files of a finished run.
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
from pathlib import Path
from typing import NoReturn

from engine.command import as_command
from engine.data.formats import WRITERS
from engine.errors import InputError
from engine.runs import locked
from eval.options import AtLeast, add_inputs
from eval.render.report import failed_ablations, render

SAMPLE = Path(__file__).resolve().parent / "sample" / "sample.pubtator.txt"


class _Renamed(argparse.Action):
    """An option that has been renamed."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        parser.error(f"{self.option_strings[0]} is called {self.const} now")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m eval.report", description=__doc__)
    add_inputs(parser, corpus=None, split="test")
    parser.add_argument(
        "--strategies",
        help="comma-separated: dense,hf,rule,entropy,entropy:fast,mlp,entropy+recovery,random,random@rule,"
        "truncate-3,…; dense always runs",
    )
    parser.add_argument("--point", help="operating point of those without one of their own (default balanced)")
    parser.add_argument("--lambda", dest="lambda_", type=float, help="λ of rule")
    parser.add_argument("--min-keep-ratio", type=float, help="share of words that stay to the end at least")
    parser.add_argument(
        "--set", action="append", default=[], metavar="STRATEGY.SETTING=VALUE", help="any other setting"
    )
    parser.add_argument("--batch-size", help="texts per call, comma-separated (default 1,32; 1 for the sample)")
    parser.add_argument("--types", help="entity types to score, comma-separated; default: those the corpus annotates")
    parser.add_argument("--skip-bad", action="store_true", help="leave out broken documents with a warning")
    parser.add_argument("--threads", type=int, action=AtLeast, const=1, help="processor threads (default: torch's)")
    parser.add_argument("--labels", metavar="FILE", help="what the model's labels mean: JSON, or one label a line")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument(
        "--dtype", default="float32", help="float32 (default), bfloat16, int8 or auto; several: float32,int8"
    )
    parser.add_argument(
        "--timed",
        type=int,
        action=AtLeast,
        const=1,
        metavar="N",
        help="take times on N documents, drawn at random; F1 on all",
    )
    parser.add_argument("--seed", type=int, action=AtLeast, const=0, default=0, help="of the bootstrap and of --timed")
    parser.add_argument(
        "--baselines",
        default="",
        help="comma-separated: hf-pipeline,onnx,onnx-int8,ctranslate2,ctranslate2-int8,openvino,openvino-int8, which "
        "run the same weights, openvino-int8=truncate-3, cut after a layer, and spacy=FOLDER, made by eval.train_spacy",
    )
    parser.add_argument("--rivals", action=_Renamed, const="--baselines", help=argparse.SUPPRESS)
    parser.add_argument(
        "--others",
        metavar="NAME=FOLDER",
        default="",
        help="other models in the same run, comma-separated; dense, or as NAME=FOLDER@STRATEGY says",
    )
    parser.add_argument(
        "--ablations", action="store_true", help="also what every setting does; fails if one does nothing"
    )
    parser.add_argument("--plain-model", help="weights with gates, not trained for pruning, to compare in --ablations")
    parser.add_argument("--predictions", metavar="DIR", help="write the predictions of all variants to this folder")
    parser.add_argument(
        "--format", default="pubtator", choices=tuple(WRITERS), help="of --predictions (default pubtator)"
    )
    parser.add_argument("--out", default="results", help="folder for the results, and to continue in (default results)")
    parser.add_argument("--render-only", action="store_true", help="make the report of --out again, running nothing")
    return parser


def measure(arguments: argparse.Namespace, command: str) -> None:
    """Measures and analyses; writes all tables and facts to ``--out``."""
    # Rendering needs none of these, and torch and transformers take seconds to import.
    from engine.tagger import load_engine
    from eval.measure import ablations
    from eval.measure.analyses import analyse, training_documents
    from eval.measure.run import measure, set_up

    out = Path(arguments.out)
    if arguments.plain_model and not arguments.ablations:
        raise InputError("expected --ablations beside --plain-model, got none; add it")
    run = set_up(arguments, SAMPLE)
    plain = load_engine(arguments.plain_model, run.engine.dtype, arguments.device) if arguments.plain_model else None
    if arguments.ablations:
        ablations.settings(run.engine, plain)  # fails before anything is timed if the weights cannot run them
    training, missing = None, []
    try:
        training = training_documents(run.corpus, arguments.data_dir)
    except InputError as error:
        missing.append(f"Groups by training mentions are left out: {error}")
    facts = measure(run, arguments, command)
    analyse(run.ours, run.corpus, out, training, run.seed)
    if arguments.ablations:
        ablations.write_ablations(run.engine, run.corpus, out, plain, run.seed)
    facts["notes"] += missing
    # List only this run's ablations: the folder may contain a file of another run.
    (out / "results.json").write_text(json.dumps(facts | ({"ablations": []} if arguments.ablations else {})))


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 1 if a setting fails its ablation, 2 for bad input."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments = _parser().parse_args(argv)
    command = shlex.join(["python", "-m", "eval.report", *(sys.argv[1:] if argv is None else argv)])
    out = Path(arguments.out)
    if arguments.render_only and not out.is_dir():
        raise InputError(f"expected a finished run in {out}, got no such folder; run it first")
    with locked(out):
        if not arguments.render_only:
            measure(arguments, command)
        print(render(out))
        failed = failed_ablations(out)
    for failure in failed:
        print(failure, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
