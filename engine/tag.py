"""Tags files: ``python -m engine.tag FILE… --strategy entropy --format pubtator > tagged.txt``.

Reads every format of ``docs/formats.md``, recognised by suffix or content, from files or standard input (``-``), and
writes results as they are made. A broken document is reported on standard error and left out; the exit status is then
2. Ids must be unique across all files.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.cli.command import as_command, program, say
from engine.cli.options import add_options, config_of
from engine.cli.progress import Progress
from engine.cli.tagging import EngineOptions, tag_documents
from engine.errors import InputError
from engine.formats import WRITERS, Ids, read_documents
from engine.formats.base import readable
from engine.text.documents import Document


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program("engine.tag"), description=__doc__)
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="PubTator, BioC, CoNLL, JSON lines, PubMed, plain text…; - is stdin")
    add("--format", default="pubtator", choices=list(WRITERS), help="format of the output (default pubtator)")
    add_options(parser, EngineOptions)
    return parser


def _size(file: str) -> int:
    """Size of a file in bytes, 0 for a pipe; raises an `InputError` if it does not exist."""
    with readable(file):
        return 0 if file == "-" else Path(file).stat().st_size


def _read_files(files: list[str], progress: Progress, on_error: Callable[[InputError], None]) -> Iterator[Document]:
    ids = Ids()
    on_read = progress.advance if progress.total else None
    for file in files:
        try:
            for document in read_documents(file, on_error, ids=ids, on_read=on_read):
                yield document
                progress.advance(0 if progress.total else 1)
        except InputError as error:
            on_error(error)


@as_command
def main(argv: list[str] | None) -> int:
    """Tags files to standard output; the exit status is 2 for bad input, even if only a document was left out."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments = _parser().parse_args(argv)
    options = config_of(EngineOptions, arguments)
    tagged = problems = 0

    def on_error(error: InputError) -> None:
        nonlocal problems
        problems += 1
        say(str(error))

    sizes = {}
    for file in arguments.files:
        try:
            sizes[file] = _size(file)
        except InputError as error:
            on_error(error)
    if not sizes:
        return 2
    engine, strategy = options.load()

    def tagged_documents() -> Iterator[Document]:
        nonlocal tagged
        for document in tag_documents(
            engine, strategy, _read_files(list(sizes), progress, on_error), options.batch_size
        ):
            tagged += 1
            yield document

    with Progress(total=sum(sizes.values()) if all(sizes.values()) else 0) as progress:
        for part in WRITERS[arguments.format].write(tagged_documents()):
            sys.stdout.write(part)
            sys.stdout.flush()
        progress.finish(f"{tagged:,} documents tagged, {problems:,} problems reported above.")
    return 2 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
