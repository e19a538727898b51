"""The folder of a run: results, what is finished, and the summaries.

``run.json``: what the results depend on. ``tagged/``: a result for each input file. ``units/``: a record of each
finished file, written last, which marks it as finished: JSON lines, each with what was rejected or deleted, then with
the counts. ``manifest.jsonl``, ``rejected.jsonl`` and ``deleted.jsonl`` are compiled from them.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import Document, InputError
from engine.bulk.inputs import InputFile
from engine.data.formats import WRITERS
from engine.data.formats.parquet import EntityTable
from engine.runs import replacing

PARQUET = "parquet"
FORMATS = (*WRITERS, PARQUET)
RUN = "run.json"
RECORD = ".jsonl"
SUMMARIES = {"finished": "manifest.jsonl", "rejected": "rejected.jsonl", "deleted": "deleted.jsonl"}


@dataclass(frozen=True)
class Finished:
    """What became of an input file.

    ``output``: the result's path in the folder; ``sha256``, ``output_bytes``: of the result.
    ``without_text``: documents without a word to tag.
    ``rejected``: broken records, which are left out; ``deleted``: citations that the file deletes.
    """

    name: str
    input: str
    input_bytes: int
    output: str
    output_bytes: int
    sha256: str
    documents: int
    without_text: int
    entities: int
    rejected: int
    deleted: int


class RunFolder:
    """See the module. ``format``: of the results, one of `FORMATS`."""

    def __init__(self, out: Path, format_: str) -> None:
        self.out, self.format = out, format_

    def result(self, name: str) -> Path:
        """Where the result of an input file of this name goes."""
        return self.out / "tagged" / f"{name}{'.parquet' if self.format == PARQUET else WRITERS[self.format].suffix}"

    def record(self, name: str) -> Path:
        """Where its record goes."""
        return self.out / "units" / f"{name}{RECORD}"

    def write_result(self, name: str, documents: Iterable[Document]) -> str:
        """Writes documents as they come; the result is there once it is complete.

        Returns:
            Its SHA-256.

        Raises:
            OSError: it cannot be written.
        """
        with replacing(self.result(name)) as fresh:
            with fresh.open("wb") as file:
                if self.format == PARQUET:
                    with EntityTable(file) as table:
                        for document in documents:
                            table.write(document)
                else:
                    for piece in WRITERS[self.format].write(documents):
                        file.write(piece.encode("utf-8", "replace"))
            with fresh.open("rb") as written:
                return hashlib.file_digest(written, "sha256").hexdigest()

    def finished(self, files: Sequence[InputFile]) -> set[str]:
        """The names of the files whose results are there.

        Raises:
            InputError: a finished file has changed since.
        """
        found = set()
        for file in files:
            try:
                ((_, last),) = deque(_read(self.record(file.name)), maxlen=1)
            except OSError:  # there is none, or its name is too long, which is reported when it is to be tagged
                continue
            before = Finished(**last)
            if (before.input, before.input_bytes) != (file.url, file.size):
                now = "one that has changed to" if before.input == file.url else f"{file.url},"
                raise InputError(
                    f"expected {before.input} as it was tagged, {before.input_bytes} bytes, got {now} {file.size} "
                    "bytes; use another --out for the new file"
                )
            result = self.out / before.output
            if result.is_file() and result.stat().st_size == before.output_bytes:
                found.add(file.name)
        return found

    def summarise(self) -> None:
        """Writes the summaries of everything finished, in the order of the names."""
        records = [path for path in (self.out / "units").rglob(f"*{RECORD}") if path.is_file()]
        with ExitStack() as stack:
            paths = {kind: stack.enter_context(replacing(self.out / name)) for kind, name in SUMMARIES.items()}
            into = {kind: stack.enter_context(path.open("wb")) for kind, path in paths.items()}
            for path in sorted(records, key=lambda path: str(path).removesuffix(RECORD)):
                for kind, values in _read(path):
                    into[kind].write((json.dumps(values, ensure_ascii=False) + "\n").encode("utf-8", "replace"))


def line(kind: str, values: Mapping[str, Any]) -> str:
    """A line of a record, in ASCII, so that names survive unchanged, even those that are not UTF-8."""
    return json.dumps({kind: values}) + "\n"


def _read(record: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Kind and values of each line of a record."""
    with record.open("rb") as file:
        for one in map(json.loads, file):
            yield from one.items()
