"""The folder of a run: results, records of finished files, and summaries.

``run.json`` stores the conditions that the results depend on. ``tagged/`` has a result for each input file. ``units/``
has a record of each finished file, which is written last: JSON lines with each rejected or deleted record, then a line
with the counts of documents and entities. ``manifest.jsonl``, ``rejected.jsonl`` and ``deleted.jsonl`` summarise them.
"""

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from engine import Document, InputError
from engine.bulk.inputs import InputFile
from engine.cli.runs import replacing
from engine.formats import WRITERS

RUN = "run.json"
RECORD = ".jsonl"
SUMMARIES = {"finished": "manifest.jsonl", "rejected": "rejected.jsonl", "deleted": "deleted.jsonl"}


@dataclass(frozen=True)
class Finished:
    """The outcome of an input file that was tagged.

    ``output`` is the path of the result in the folder; ``sha256`` and ``output_bytes`` describe the result.
    ``rejected`` counts broken records, which are left out, and ``deleted`` citations that the file deletes.
    """

    name: str
    input: str
    input_bytes: int
    output: str
    output_bytes: int
    sha256: str
    documents: int
    entities: int
    rejected: int
    deleted: int


class Results:
    """Reads and writes the folder of a run, whose results have the format of this name."""

    def __init__(self, out: Path, format_: str) -> None:
        self.out, self.format = out, WRITERS[format_]

    def result(self, name: str) -> Path:
        return self.out / "tagged" / f"{name}{self.format.suffix}"

    def record(self, name: str) -> Path:
        return self.out / "units" / f"{name}{RECORD}"

    def write_result(self, name: str, documents: Iterable[Document]) -> str:
        """Writes documents as they come, and returns the SHA-256 of the result, which appears once it is complete."""
        with replacing(self.result(name)) as fresh, fresh.open("wb") as file:
            for piece in self.format.write(documents):
                file.write(piece.encode("utf-8", "replace"))
        return _sha256(self.result(name))

    def finished(self, files: Sequence[InputFile]) -> set[str]:
        """Returns the names of files whose results are complete; raises an `InputError` if a file has changed since."""
        names = set()
        for file in files:
            try:
                lines = deque(_read_record(self.record(file.name)), maxlen=1)
            except OSError:  # no record, or a name too long, which is reported when the file is tagged
                continue
            if not lines:  # emptied when the machine broke down
                continue
            before = Finished(**lines[0][1])
            if (before.input, before.input_bytes) != (file.path, file.size):
                now = "one that has changed to" if before.input == file.path else f"{file.path},"
                raise InputError(
                    f"expected {before.input} as it was tagged, {before.input_bytes} bytes, got {now} {file.size} "
                    "bytes; use another --out for the new file"
                )
            result = self.out / before.output
            if result.is_file() and result.stat().st_size == before.output_bytes and _sha256(result) == before.sha256:
                names.add(file.name)
        return names

    def summarise(self) -> None:
        """Writes the summaries of all finished files, in the order of their names."""
        records = [path for path in (self.out / "units").rglob(f"*{RECORD}") if path.is_file()]
        records.sort(key=lambda path: str(path).removesuffix(RECORD))
        for wanted, name in SUMMARIES.items():
            with replacing(self.out / name) as fresh, fresh.open("wb") as file:
                for kind, values in chain.from_iterable(map(_read_record, records)):
                    if kind == wanted:
                        file.write((json.dumps(values, ensure_ascii=False) + "\n").encode("utf-8", "replace"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_record(record: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields kind and values of each line of a record."""
    with record.open("rb") as file:
        for entry in map(json.loads, file):
            yield from entry.items()
