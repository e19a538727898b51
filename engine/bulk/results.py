"""The folder of a run: a result and a record for each input file, and summaries of the records.

``run.json`` stores the conditions, ``tagged/`` the results, ``units/`` a JSON record of each finished file, which is
written last. ``manifest.jsonl``, ``rejected.jsonl`` and ``deleted.jsonl`` summarise the records. Files are whole.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import Document, InputError
from engine.bulk.inputs import InputFile
from engine.cli.runs import replacing, write_json
from engine.formats import WRITERS

RUN = "run.json"
DETAILS = ("rejected", "deleted")  # lists in a record, each with a summary of its own; the manifest counts them


@dataclass(frozen=True)
class Finished:
    """The outcome of an input file that was tagged."""

    name: str
    input: str
    input_sha256: str
    output: str  # path of the result in the folder
    sha256: str
    documents: int
    entities: int
    rejected: int  # broken records, which are left out
    deleted: int  # citations that the file deletes


class Results:
    """Reads and writes the folder of a run."""

    def __init__(self, out: Path, format_: str) -> None:
        self.out, self.format = out, WRITERS[format_]

    def result(self, name: str) -> Path:
        return self.out / "tagged" / f"{name}{self.format.suffix}"

    def record(self, name: str) -> Path:
        return self.out / "units" / f"{name}.json"

    def write_result(self, name: str, documents: Iterable[Document]) -> None:
        with replacing(self.result(name)) as fresh, fresh.open("wb") as file:
            for piece in self.format.write(documents):
                file.write(piece.encode("utf-8", "replace"))

    def finish(self, file: InputFile, **values: Any) -> Finished:
        """Writes the record of a file whose result is complete, with the rest of its `Finished` and `DETAILS`."""
        result = self.result(file.name)
        output = {"output": str(result.relative_to(self.out)), "sha256": sha256(result)}
        record = {"name": file.name, "input": file.path, **output, **values}
        write_json(self.record(file.name), record)
        return _finished(record)

    def finished(self, files: Sequence[InputFile]) -> set[str]:
        """Returns the names of files whose results are complete; raises an `InputError` if a file has changed since."""
        names = set()
        for file in files:
            record = _read(self.record(file.name))
            if record is None or sha256(self.out / record["output"]) != record["sha256"]:
                continue
            before = _finished(record)
            if before.input != file.path or sha256(file.path) not in (None, before.input_sha256):
                change = "has changed" if before.input == file.path else f"was tagged, not {file.path}"
                raise InputError(f"{before.input} {change}. Use another --out for the new file.")
            names.add(file.name)
        return names

    def summarise(self) -> None:
        """Writes the summaries of all finished files, in the order of their names."""
        paths = sorted((self.out / "units").rglob("*.json"), key=lambda path: str(path.with_suffix("")))
        records = [record for record in map(_read, paths) if record]
        self._write_lines("manifest", [vars(_finished(record)) for record in records])
        for detail in DETAILS:
            self._write_lines(detail, [row for record in records for row in record[detail]])

    def _write_lines(self, name: str, rows: Iterable[dict[str, Any]]) -> None:
        with replacing(self.out / f"{name}.jsonl") as fresh, fresh.open("wb") as file:
            for row in rows:
                file.write((json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "replace"))


def sha256(path: str | Path) -> str | None:
    """The digest of a file, or ``None`` if it cannot be read."""
    with suppress(OSError), Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return None


def _finished(record: dict[str, Any]) -> Finished:
    return Finished(**record | {detail: len(record[detail]) for detail in DETAILS})


def _read(path: Path) -> dict[str, Any] | None:
    """A record, or ``None`` if there is none or it is cut, as after a crash of the machine."""
    with suppress(OSError, ValueError):
        record: dict[str, Any] = json.loads(path.read_bytes())
        return record
    return None
