"""Tags files: ``python -m engine.tag FILE… --strategy entropy --format pubtator > tagged.txt``.

Reads every format of ``docs/formats.md``, recognised by suffix or content, from files or standard input (``-``), and
writes results as they are made. A broken document is reported on standard error and left out; the exit status is then
2. Ids must be unique across all files.
"""

import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path

from engine.cli.command import as_command, new_parser, say
from engine.cli.options import add_options, config_of
from engine.cli.progress import progress
from engine.cli.tagging import EngineOptions, tag_documents
from engine.errors import FormatError, InputError
from engine.formats import WRITERS, Ids, lines_as_one, read_documents
from engine.formats.base import readable
from engine.settings import setting
from engine.text.documents import Document


@dataclass(frozen=True)
class TagOptions:
    """Settings of ``tag`` besides how texts are tagged."""

    format: str = setting("pubtator", "format of the output", choices=tuple(WRITERS))
    threads: int | None = setting(None, "threads; by default all", 1, inf)


def _size(file: str) -> int:
    """Size of a file in bytes, 0 for a pipe; raises an `InputError` for a folder or if it does not exist."""
    if Path(file).is_dir():
        raise InputError(f"{file} is a folder. Tag it with: bioner bulk {shlex.quote(file)} --out TAGGED")
    with readable(file):
        return 0 if file == "-" else Path(file).stat().st_size


@as_command
def main(argv: list[str] | None) -> int:
    """Tags files to standard output; the exit status is 2 for bad input, even if only a document was left out."""
    parser = new_parser("engine.tag", __doc__)
    files = "PubTator, BioC, CoNLL, JSON lines, PubMed, plain text…; - is stdin"
    parser.add_argument("files", nargs="+", metavar="FILE", help=files)
    add_options(parser, TagOptions)
    add_options(parser, EngineOptions)
    arguments = parser.parse_args(argv)
    here, options = config_of(TagOptions, arguments), config_of(EngineOptions, arguments)
    counts = Counter(problems=0)

    def on_error(error: InputError) -> None:
        counts.update(problems=1)
        if not (isinstance(error, FormatError) and error.repeats):
            say(str(error))

    sizes = {}
    for file in arguments.files:
        try:
            sizes[file] = _size(file)
        except InputError as error:
            on_error(error)
    if not sizes:
        return 2
    engine, strategy = options.load(here.threads or 0)
    total = sum(sizes.values()) if all(sizes.values()) else None  # bytes, else documents are counted
    in_the_way = sys.stdout.isatty() or None  # of what is tagged
    bar = progress(total=total, unit="B" if total else " documents", unit_scale=True, disable=in_the_way)

    def documents() -> Iterator[Document]:
        ids, on_read = Ids(), bar.update if total else None
        for file in sizes:
            try:
                for document in read_documents(file, on_error, lines_are_texts=options.lines, ids=ids, on_read=on_read):
                    if understood := lines_as_one(file, document):
                        say(understood)
                    yield document
                    if total is None:
                        bar.update()
            except InputError as error:
                on_error(error)

    with bar:
        for part in WRITERS[here.format].write(tag_documents(engine, strategy, documents(), options.batch_size)):
            sys.stdout.write(part)
            sys.stdout.flush()
    return 2 if counts["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
