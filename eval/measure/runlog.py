"""The log of a long run: JSON lines that survive a kill at any moment; it refuses to resume under other conditions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.errors import InputError

NAME = "run.jsonl"


class RunLog:
    """Records of finished units in ``NAME`` of a folder; the first line states the conditions they were made under.

    A line is complete once its newline is on disk; opening drops a line that a kill left half-written.

    Args:
        folder: created if missing.
        conditions: what must be the same for all records; values are compared as JSON.

    Raises:
        InputError: the folder holds the records of a run under other conditions, or a file of another kind.
    """

    def __init__(self, folder: Path, conditions: Mapping[str, Any]) -> None:
        self.path = folder / NAME
        folder.mkdir(parents=True, exist_ok=True)
        size = _whole_lines(self.path) if self.path.is_file() else 0
        if size:
            self._check(conditions)
        if size:
            os.truncate(self.path, size)
        else:
            self.path.write_bytes(b"")
            self.append({"conditions": conditions})

    def _check(self, conditions: Mapping[str, Any]) -> None:
        remedy = f"choose another --out, or remove {self.path} to begin anew"
        with self.path.open("rb") as file:
            try:
                known = dict(json.loads(file.readline())["conditions"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise InputError(f"expected {self.path} to be a run's log, got something else; {remedy}") from error
        wanted = json.loads(json.dumps(conditions))
        other = [name for name in {**known, **wanted} if known.get(name) != wanted.get(name)]
        if other:
            parts = "; ".join(f"{name} {_short(known.get(name))}, got {_short(wanted.get(name))}" for name in other)
            raise InputError(f"expected to continue {self.path} with the same {parts}; {remedy}")

    def append(self, record: Mapping[str, Any]) -> None:
        """Writes one record; it is on disk when this returns."""
        with self.path.open("ab") as file:
            file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yields the line number and content of each record, in the order written."""
        with self.path.open("rb") as file:
            file.readline()
            for number, line in enumerate(file, 2):
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError):
                    record = None
                if not isinstance(record, dict):
                    raise self.refusal(number, "a record", repr(line[:40])) from None
                yield number, record

    def refusal(self, number: int, expected: str, got: str) -> InputError:
        """The error for an invalid line."""
        return InputError(
            f"expected {expected} in {self.path}:{number}, got {got}; "
            "remove that line and those after it, or the file to begin anew"
        )


def _whole_lines(path: Path) -> int:
    """Bytes of a file up to the end of its last whole line."""
    size = 0
    with path.open("rb") as file:
        for line in file:
            size += len(line) if line.endswith(b"\n") else 0
    return size


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"
