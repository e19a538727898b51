"""The folder of a run: a result and a record for each input file, and summaries of the records.

``run.json`` stores the conditions, ``tagged/`` the results, ``units/`` a JSON record of each finished file, which is
written last. ``manifest.jsonl``, ``rejected.jsonl`` and ``deleted.jsonl`` summarise the records. Files are whole.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine import Document, InputError
from engine.bulk.inputs import InputFile
from engine.cli.runs import replacing, write_json
from engine.formats import WRITERS

RUN = "run.json"
DETAILS = ("rejected", "deleted")  # lists in a record, each with a summary of its own; the manifest counts them
Row = dict[str, Any]  # of a summary; of the manifest, the outcome of an input file that was tagged


class Results:
    """Reads and writes the folder of a run."""

    def __init__(self, out: Path, format_: str) -> None:
        self.out, self.format = out, WRITERS[format_]

    def result(self, name: str) -> Path:
        return self.out / "tagged" / f"{name}{self.format.suffix}"

    def record(self, name: str) -> Path:
        return self.out / "units" / f"{name}.json"

    def write_result(self, name: str, documents: Iterable[Document]) -> None:
        _write(self.result(name), self.format.write(documents))

    def finish(self, file: InputFile, input_sha256: str | None, **values: Any) -> Row:
        """Writes the record of a file whose result is complete, with its counts and `DETAILS`."""
        result = self.result(file.name)
        record = {"name": file.name, "input": file.path, "input_sha256": input_sha256}
        record |= {"output": str(result.relative_to(self.out)), "sha256": sha256(result), **values}
        write_json(self.record(file.name), record)
        return _in_manifest(record)

    def finished(self, files: Sequence[InputFile]) -> set[str]:
        """Returns the names of files whose results are complete; raises an `InputError` if a file has changed since."""
        names = set()
        for file in files:
            record = _read(self.record(file.name))
            if record is None or sha256(self.out / record["output"]) != record["sha256"]:
                continue
            same = record["input"] == file.path
            if not same or sha256(file.path) not in (None, record["input_sha256"]):
                change = "has changed" if same else f"was tagged, not {file.path}"
                remedy = f"Use another --out, or remove {self.record(file.name)} to tag it anew"
                raise InputError(f"{record['input']} {change}, so no file is tagged; results stay. {remedy}.")
            names.add(file.name)
        return names

    def summarise(self) -> None:
        """Writes the summaries of all finished files, in the order of their names."""
        paths = sorted((self.out / "units").rglob("*.json"), key=lambda path: str(path.with_suffix("")))
        records = [record for record in map(_read, paths) if record]
        summaries = {detail: [row for record in records for row in record[detail]] for detail in DETAILS}
        for name, rows in {"manifest": map(_in_manifest, records), **summaries}.items():
            _write(self.out / f"{name}.jsonl", (json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def sha256(path: str | Path) -> str | None:
    """The digest of a file, or ``None`` if it cannot be read."""
    with suppress(OSError), Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return None


def _in_manifest(record: Row) -> Row:
    return record | {detail: len(record[detail]) for detail in DETAILS}


def _write(path: Path, pieces: Iterable[str]) -> None:
    with replacing(path) as fresh, fresh.open("w", encoding="utf-8", errors="replace", newline="") as file:
        file.writelines(pieces)


def _read(path: Path) -> Row | None:
    """A record, or ``None`` if there is none or it is cut, as after a crash of the machine."""
    with suppress(OSError, ValueError):
        return dict(json.loads(path.read_bytes()))
    return None
