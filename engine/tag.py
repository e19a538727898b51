"""Tags files: ``python -m engine.tag FILE… --strategy entropy --format pubtator > tagged.txt``.

Reads every format of ``docs/formats.md``, recognised by suffix or content, from files or standard input (``-``), and
writes results as they are made. A broken document is reported on standard error and left out; the exit status is then
2. Ids must be unique across all files.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm

from engine.cli.command import as_command, say
from engine.cli.options import EngineOptions, tag_documents
from engine.errors import InputError
from engine.formats import WRITERS, Ids, read_documents
from engine.formats.source import readable
from engine.text.documents import Document


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.tag", description=__doc__)
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="PubTator, BioC, CoNLL, JSON lines, PubMed, plain text…; - is stdin")
    add("--format", default="pubtator", choices=list(WRITERS), help="format of the output (default pubtator)")
    EngineOptions.add_to(parser)
    return parser


def _exists(file: str, on_error: Callable[[InputError], None]) -> bool:
    try:
        with readable(file):
            return file == "-" or bool(Path(file).stat())
    except InputError as error:
        on_error(error)
        return False


def _read_files(files: list[str], on_error: Callable[[InputError], None]) -> Iterator[Document]:
    ids = Ids()
    for file in files:
        try:
            yield from read_documents(file, on_error, ids=ids)
        except InputError as error:
            on_error(error)


@as_command
def main(argv: list[str] | None) -> int:
    """Tags files to standard output; the exit status is 2 for bad input, even if only a document was left out."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments = _parser().parse_args(argv)
    options = EngineOptions.of(arguments)
    problems = 0

    def on_error(error: InputError) -> None:
        nonlocal problems
        problems += 1
        say(str(error))

    files = [file for file in arguments.files if _exists(file, on_error)]
    if not files:
        return 2
    engine, strategy = options.load()
    options.say_dtype(engine)
    documents = tqdm(_read_files(files, on_error), unit=" documents", disable=None)
    tagged = tag_documents(engine, strategy, documents, options.batch_size)
    for part in WRITERS[arguments.format].write(tagged):
        sys.stdout.write(part)
        sys.stdout.flush()
    return 2 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
