"""A worker: an engine that tags one unit at a time, the same here as on other machines."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import fsspec
import torch

import engine as package
from engine import Document, FormatError, InputError
from engine.bulk.folder import Outcome, RunFolder
from engine.bulk.inputs import Unit
from engine.bulk.results import write_result
from engine.data.formats import read_stream
from engine.errors import first_line
from engine.options import EngineOptions, tag_documents

OnProgress = Callable[[int, int], None]  # documents, bytes of the input


class OutputError(InputError):
    """A result cannot be written, so no other result could be either."""


@dataclass(frozen=True)
class Job:
    """What a worker needs to know.

    ``out``: folder of the run.
    ``format``: of the results, one of `engine.bulk.results.FORMATS`.
    ``columns``: of Parquet inputs: those of ids and texts.
    ``threads``: of torch; ``None``: its default.
    """

    options: EngineOptions
    out: str
    format: str
    columns: tuple[str, str]
    threads: int | None = None


class Worker:
    """Tags units.

    Raises:
        InputError: the engine cannot be loaded.
    """

    def __init__(self, job: Job) -> None:
        if job.threads is not None:
            torch.set_num_threads(job.threads)
        self.job = job
        self.folder = RunFolder(Path(job.out))
        self.engine, self.strategy = job.options.load()

    def fingerprint(self) -> dict[str, Any]:
        """Everything that determines the results; a folder holds those of one fingerprint."""
        options = self.job.options
        found = {
            "strategy": self.strategy.to_json(),
            "dtype": self.engine.dtype,
            "device": options.device,
            "batch size": options.batch_size,
            "format": self.job.format,
            "columns": list(self.job.columns),
            "weights": self.engine.digest,
            "labels": list(self.engine.labels.names),
            "code": _code_digest(),
            "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy")},
        }
        return dict(json.loads(json.dumps(found)))  # as it is read back

    def tag(self, unit: Unit, on_progress: OnProgress) -> Outcome:
        """Tags a unit and writes its result.

        Args:
            unit: the input file.
            on_progress: called with the documents and bytes read since the last call.

        Raises:
            OutputError: the result cannot be written.
            InputError: the input cannot be read to its end.
        """
        reading = Reading(unit, self.job.columns, on_progress)
        path = self.folder.result_of(unit, self.job.format)
        entities = without_text = 0

        def tagged() -> Iterator[Document]:
            nonlocal entities, without_text
            for document in tag_documents(self.engine, self.strategy, reading.documents(), self.job.options.batch_size):
                entities += len(document.entities)
                without_text += not document.text.strip()
                yield document

        try:
            digest = write_result(path, self.job.format, tagged())
            outcome = Outcome(
                name=unit.name,
                input=unit.url,
                input_bytes=unit.size,
                output=str(path.relative_to(self.folder.out)),
                output_bytes=path.stat().st_size,
                sha256=digest,
                documents=reading.count,
                without_text=without_text,
                entities=entities,
                rejected=reading.rejected,
                deleted=reading.deleted,
            )
            self.folder.finish(outcome)
        except OSError as error:
            place, problem = error.filename or path, error.strerror or first_line(error)
            raise OutputError(
                f"expected to write {place}, got {problem}; make room and start again: what is finished stays"
            ) from error
        return outcome


class Reading:
    """Reads the documents of a unit and keeps count."""

    def __init__(self, unit: Unit, columns: tuple[str, str], on_progress: OnProgress) -> None:
        self.unit, self.columns, self.on_progress = unit, columns, on_progress
        self.count = 0
        self.rejected: list[dict[str, Any]] = []
        self.deleted: list[dict[str, Any]] = []

    def documents(self) -> Iterator[Document]:
        """Yields the documents as they are read."""
        read = 0
        with _opened(self.unit.url) as file:
            for document in read_stream(
                file, self.unit.url, self._on_error, columns=self.columns, on_deleted=self._on_deleted
            ):
                self.count += 1
                position = max(read, min(file.tell(), self.unit.size))
                self.on_progress(1, position - read)
                read = position
                yield document
        self.on_progress(0, self.unit.size - read)

    def _on_error(self, error: FormatError) -> None:
        if error.ends_file:
            raise error
        self.rejected.append(
            {"file": error.file, "line": error.line, "document": error.document, "reason": error.problem}
        )

    def _on_deleted(self, identifier: str, version: int) -> None:
        self.deleted.append({"file": self.unit.url, "id": identifier, "version": version})


@contextmanager
def _opened(url: str) -> Iterator[IO[bytes]]:
    try:
        file = fsspec.open(url, "rb").open()
    except Exception as error:  # libraries for remote files raise many types
        raise InputError(f"expected a readable file, got {url}: {first_line(error)}; check the path") from error
    with io.BufferedReader(file) as buffered:  # fsspec's remote files read only whole lines, however long
        yield buffered


def _code_digest() -> str:
    digest = hashlib.sha256()
    root = Path(package.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()
