"""The folder of a run: which run it is, what is finished, and the summaries.

``run.json``: settings, weights and code. ``tagged/``: a result per input file. ``units/``: a record of each finished
one, written last, which marks it as finished. ``manifest.jsonl``, ``rejected.jsonl`` and ``deleted.jsonl`` are compiled
from them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine import InputError
from engine.bulk.inputs import Unit
from engine.bulk.results import PART, RECORD, complete, suffix_of
from engine.runs import LOCK


@dataclass(frozen=True)
class Outcome:
    """What became of a unit.

    ``output``: the result's path in the folder; ``sha256``, ``output_bytes``: of the result.
    ``without_text``: documents without a word to tag.
    ``rejected``: file, line, document and reason of each broken record, which is left out.
    ``deleted``: file, PMID and version of each citation that the file deletes.
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
    rejected: list[dict[str, Any]] = field(default_factory=list)
    deleted: list[dict[str, Any]] = field(default_factory=list)


class RunFolder:
    """See the module."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._run = out / "run.json"

    def claim(self, fingerprint: dict[str, Any]) -> None:
        """Starts a run here, or continues it.

        Raises:
            InputError: the folder is not empty and of no run, or of a run with another fingerprint.
        """
        if self._run.is_file():
            self.check(fingerprint)
        elif any(path.name != LOCK and not path.match(f".*{PART}") for path in self.out.iterdir()):
            raise InputError(f"expected an empty folder or one of an earlier run, got {self.out}; choose another")
        else:
            self._write(self._run, json.dumps(fingerprint, indent=2) + "\n")
        for part in self.out.rglob(f".*{PART}"):
            part.unlink(missing_ok=True)

    def check(self, fingerprint: dict[str, Any]) -> None:
        """Compares the folder's fingerprint.

        Raises:
            InputError: none there, or another.
        """
        try:
            found = json.loads(self._run.read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(
                f"expected {self._run}, got {error}; every machine needs the folder at the same path"
            ) from error
        for key in {**found, **fingerprint}:
            there, here = found.get(key), fingerprint.get(key)
            if there != here:
                raise InputError(
                    f"expected the {key} of the run in {self.out}, {json.dumps(there)}, got {json.dumps(here)}; "
                    "go on with the same, or choose another folder"
                )

    def result_of(self, unit: Unit, format_: str) -> Path:
        """Where the unit's result goes."""
        return self.out / "tagged" / f"{unit.name}{suffix_of(format_)}"

    def finish(self, outcome: Outcome) -> None:
        """Marks a unit as finished, once its result is there."""
        # In ASCII, so names survive unchanged, even those that are not UTF-8.
        self._write(self._path(outcome.name), json.dumps(asdict(outcome)) + "\n")

    def finished(self, units: Sequence[Unit]) -> dict[str, Outcome]:
        """The units whose results are there.

        Raises:
            InputError: a finished unit's input has changed since.
        """
        found: dict[str, Outcome] = {}
        for unit in units:
            if not self._path(unit.name).is_file():
                continue
            outcome = self._outcome(unit.name)
            if (outcome.input, outcome.input_bytes) != (unit.url, unit.size):
                raise InputError(
                    f"expected {outcome.input} as it was tagged, {outcome.input_bytes} bytes, got {unit.url}, "
                    f"{unit.size} bytes; choose another folder for the new file"
                )
            result = self.out / outcome.output
            if result.is_file() and result.stat().st_size == outcome.output_bytes:
                found[unit.name] = outcome
        return found

    def summarise(self) -> None:
        """Writes the summaries of everything finished, in the order of the names."""
        records = [path for path in (self.out / "units").rglob(f"*{RECORD}") if path.is_file()]
        names = sorted(str(path.relative_to(self.out / "units")).removesuffix(RECORD) for path in records)
        with (
            complete(self.out / "manifest.jsonl") as manifest,
            complete(self.out / "rejected.jsonl") as rejected,
            complete(self.out / "deleted.jsonl") as deleted,
        ):
            for name in names:
                record = asdict(self._outcome(name))
                rejected.writelines(map(_line, record["rejected"]))
                deleted.writelines(map(_line, record["deleted"]))
                counts = {key: len(record[key]) for key in ("rejected", "deleted")}
                manifest.write(_line(record | counts))

    def _path(self, name: str) -> Path:
        return self.out / "units" / f"{name}{RECORD}"

    def _outcome(self, name: str) -> Outcome:
        try:
            return Outcome(**json.loads(self._path(name).read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"expected a record of a unit in {self._path(name)}, got {error}; remove it") from error

    @staticmethod
    def _write(path: Path, text: str) -> None:
        with complete(path) as file:
            file.write(text.encode("utf-8", "replace"))


def _line(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "replace")
