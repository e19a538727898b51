"""A worker: an engine that tags one file at a time, on this machine or another one."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import engine as package
from engine import Document, FormatError, InputError
from engine.bulk.folder import Finished, RunFolder, record_line
from engine.bulk.inputs import InputFile
from engine.cli.options import EngineOptions, tag_documents
from engine.cli.runs import code_digest, replacing
from engine.errors import first_line
from engine.formats import read_source
from engine.formats.source import Source, readable
from engine.threads import set_threads

OnProgress = Callable[[int], object]  # called with input bytes that were read
OnLoss = Callable[[str, dict[str, Any]], object]  # called with "rejected" or "deleted", and details

# Errors that concern only the name of one result.
BAD_NAME_ERRORS = errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR


class OutputError(InputError):
    """A result cannot be written, and neither could any other."""


@dataclass(frozen=True)
class Job:
    """The configuration of a worker.

    ``out`` is the folder of the run, and ``format`` the name of the format of its results. If ``threads`` is ``None``,
    the engine chooses their number.
    """

    options: EngineOptions
    out: str
    format: str
    threads: int | None = None


class Worker:
    """Tags files; raises an `InputError` if the engine cannot be loaded."""

    def __init__(self, job: Job) -> None:
        if job.threads is not None:
            set_threads(job.threads)
        self.job = job
        self.folder = RunFolder(Path(job.out), job.format)
        self.engine, self.strategy = job.options.load()

    def conditions(self) -> dict[str, Any]:
        """Returns everything that determines the results; all results in a folder have the same conditions."""
        options = self.job.options
        return {
            "strategy": self.strategy.to_json(),
            "dtype": self.engine.dtype,
            "device": options.device,
            "batch size": options.batch_size,
            "format": self.job.format,
            **self.engine.fingerprint,
            "code": code_digest(package),
            "versions": {name: version(name) for name in ("torch", "tokenizers", "numpy")},
        }

    def tag(self, file: InputFile, on_progress: OnProgress) -> Finished | InputError:
        """Tags a file and writes its result; returns an error if it concerns this file alone.

        Raises an `OutputError` if no result can be written.
        """
        try:
            return self._tag(file, on_progress)
        except InputError as error:
            return error
        except OSError as error:
            place, problem = error.filename or self.folder.result(file.name), error.strerror or first_line(error)
            if error.errno in BAD_NAME_ERRORS:
                return InputError(f"expected to write {place}, got {problem}; rename {file.path}")
            raise OutputError(
                f"expected to write {place}, got {problem}; free some space and start again; finished files are kept"
            ) from error
        except Exception as error:  # noqa: BLE001  # one file must not stop the others
            problem = f"{type(error).__name__}: {first_line(error)}"
            return InputError(f"expected to tag {file.path}, got {problem}; leave the file out, and report this")

    def _tag(self, file: InputFile, on_progress: OnProgress) -> Finished:
        path, first_reason = self.folder.result(file.name), ""
        counts = Counter(documents=0, entities=0, rejected=0, deleted=0)
        with replacing(self.folder.record(file.name)) as fresh, fresh.open("w", encoding="ascii") as record:

            def on_loss(kind: str, values: dict[str, Any]) -> None:
                nonlocal first_reason
                first_reason = first_reason or values.get("reason", "")
                counts[kind] += 1
                record.write(record_line(kind, values))

            def tagged_documents() -> Iterator[Document]:
                documents = _read_file(file, on_progress, on_loss)
                for one in tag_documents(self.engine, self.strategy, documents, self.job.options.batch_size):
                    counts.update(documents=1, entities=len(one.entities))
                    yield one
                if first_reason and not counts["documents"]:
                    raise InputError(
                        f"expected documents in {file.path}, got only broken ones; the first: {first_reason}"
                    )

            finished = Finished(
                name=file.name,
                input=file.path,
                input_bytes=file.size,
                output=str(path.relative_to(self.folder.out)),
                sha256=self.folder.write_result(file.name, tagged_documents()),
                output_bytes=path.stat().st_size,
                **counts,
            )
            record.write(record_line("finished", asdict(finished)))
        return finished


def _read_file(file: InputFile, on_progress: OnProgress, on_loss: OnLoss) -> Iterator[Document]:
    """Yields the documents of a file; raises an `InputError` if it is not readable to its end, or has changed."""
    size, read = file.size, 0

    def on_error(error: FormatError) -> None:
        if error.ends_file:
            raise error
        place = {"file": error.file, "line": error.line, "document": error.document}
        on_loss("rejected", place | {"reason": error.problem})

    def on_deleted(identifier: str, version: int) -> None:
        on_loss("deleted", {"file": file.path, "id": identifier, "version": version})

    with readable(file.path):
        with Path(file.path).open("rb") as raw:
            for document in read_source(Source(raw, file.path, None, on_deleted), on_error):
                position = max(read, min(raw.tell(), size))
                on_progress(position - read)
                read = position
                yield document
        if (now := Path(file.path).stat().st_size) != size:
            raise InputError(
                f"expected {file.path} to stay as it was found, {size} bytes, got {now} bytes; start again once it is "
                "complete"
            )
    on_progress(size - read)
