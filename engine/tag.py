"""Tags files: ``python -m engine.tag FILE… --strategy entropy --format pubtator > tagged.txt``.

Reads PubTator, BioC, CoNLL, JSON lines or plain text (by suffix or content; ``-``: standard input), writes as it goes.
A broken document is reported on standard error and left out; the others are tagged, and the exit status is 2. Ids have
to differ over all files.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from tqdm import tqdm

from engine.command import as_command, say
from engine.data.formats import WRITERS, Ids, read_documents
from engine.errors import FormatError, InputError
from engine.model.precision import DTYPES
from engine.pruning.knobs import parse_knob
from engine.tagger import load_engine
from engine.text.documents import Document


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.tag", description=__doc__)
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="PubTator, BioC, CoNLL, JSON lines or plain text; - is stdin"
    )
    parser.add_argument(
        "--strategy", default="entropy", help="dense, hf, rule, entropy, mlp, entropy+recovery, … (default entropy)"
    )
    parser.add_argument("--point", help="operating point of rule, entropy and mlp (default balanced)")
    parser.add_argument("--lambda", dest="lambda_", type=float, help="λ of rule")
    parser.add_argument("--min-keep-ratio", type=float, help="share of words that stay to the end at least")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KNOB=VALUE",
        help="any other setting, e.g. gates=1,2",
    )
    parser.add_argument("--format", default="pubtator", choices=list(WRITERS), help="of the output (default pubtator)")
    parser.add_argument("--model", help="folder or hub id; default: the shipped weights")
    parser.add_argument("--labels", metavar="FILE", help="what the model's labels mean: JSON, or one label a line")
    parser.add_argument("--batch-size", type=int, default=32, help="documents at a time (default 32)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument(
        "--dtype",
        default="float32",
        choices=DTYPES,
        help="auto: the fastest here, which it names",
    )
    return parser


def _documents(files: list[str], problems: list[InputError]) -> Iterator[Document]:
    def on_error(error: FormatError) -> None:
        say(str(error))
        problems.append(error)

    ids = Ids()
    for file in files:
        try:
            yield from read_documents(file, on_error, ids=ids)
        except InputError as error:
            say(str(error))
            problems.append(error)


def _knobs(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that ``--lambda``, ``--min-keep-ratio`` and ``--set`` give; ``None``: not given."""
    knobs = {"lambda_": arguments.lambda_, "min_keep_ratio": arguments.min_keep_ratio}
    for text in arguments.set:
        knob, equals, value = text.partition("=")
        if not (knob and equals):
            raise InputError(f"expected --set KNOB=VALUE, got {text!r}; write e.g. neighbours=2")
        knobs |= [parse_knob(knob, value)]
    return knobs


def tag_files(arguments: argparse.Namespace) -> int:
    """Tags the files to standard output.

    Returns:
        The exit status: 2 if a document or file was left out.
    """
    engine = load_engine(arguments.model, arguments.dtype, arguments.device, arguments.labels)
    if arguments.dtype == "auto":
        print(f"--dtype auto: {engine.dtype}, {engine.precision.why}", file=sys.stderr)
    strategy = engine.strategy(arguments.strategy, arguments.point, **_knobs(arguments))
    if arguments.batch_size < 1:
        raise InputError(f"expected --batch-size 1 or more, got {arguments.batch_size}; change it")
    writer = WRITERS[arguments.format]
    problems: list[InputError] = []
    sys.stdout.write(writer.head)
    documents = iter(tqdm(_documents(arguments.files, problems), unit=" documents", disable=None))
    while batch := list(islice(documents, arguments.batch_size)):
        results = engine.tag_batch([document.text for document in batch], strategy, batch_size=len(batch))
        for document, result in zip(batch, results, strict=True):
            sys.stdout.write(writer.document(replace(document, entities=result.entities)))
        sys.stdout.flush()
    sys.stdout.write(writer.foot)
    return 2 if problems else 0


@as_command
def main(argv: list[str] | None) -> int:
    """The command line; exit status 2 for bad input."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    return tag_files(_parser().parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
