"""A worker: an engine that tags one file at a time, here or on another machine."""

import errno
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import engine as package
from engine import Document, FormatError, InputError
from engine.bulk.inputs import InputFile
from engine.bulk.results import Results, Row, sha256
from engine.cli.runs import code_digest
from engine.cli.tagging import EngineOptions, tag_documents
from engine.errors import first_line
from engine.formats import read_documents

OnProgress = Callable[[int], object]  # called with input bytes that were read
BAD_NAME_ERRORS = errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR  # affect only this result


class OutputError(InputError):
    """No result can be written, neither this one nor any other."""


class Worker:
    """Loads an engine and tags files; with ``threads`` 0 the engine chooses their number."""

    def __init__(self, options: EngineOptions, results: Results, threads: int = 0) -> None:
        self.engine, self.strategy = options.load(threads)
        self.results, self.threads = results, threads
        self.options = replace(options, dtype=self.engine.dtype)  # that of all its copies on other machines

    def conditions(self) -> dict[str, Any]:
        """Everything that the results depend on, the same for all results in a folder."""
        engine, options = self.engine, self.options
        values: dict[str, Any] = {"strategy": self.strategy.to_json(), "dtype": engine.dtype, "device": options.device}
        values |= {"batch size": options.batch_size, "format": self.results.format.name, "lines": options.lines}
        versions = {name: version(name) for name in ("onnxruntime", "tokenizers", "numpy")}
        return values | engine.fingerprint | {"code": code_digest(package), "versions": versions}

    def tag(self, file: InputFile, on_progress: OnProgress) -> Row | InputError:
        """Tags a file; returns what went wrong, an `OutputError` if it concerns more than this file."""
        try:
            return self._tag(file, on_progress)
        except InputError as error:
            return error
        except OSError as error:
            place, problem = error.filename or self.results.result(file.name), error.strerror or first_line(error)
            if error.errno in BAD_NAME_ERRORS:
                return InputError(f"Cannot write {place}: {problem}. Rename {file.path}.")
            remedy = "Free some space and start again; finished files are kept."
            return OutputError(f"Cannot write {place}: {problem}. {remedy}")
        except Exception as error:  # noqa: BLE001  # one file must not stop the others
            problem = f"{type(error).__name__}: {first_line(error)}"
            return InputError(f"Cannot tag {file.path}: {problem}. Leave the file out, and report this.")

    def _tag(self, file: InputFile, on_progress: OnProgress) -> Row:
        self.results.record(file.name).unlink(missing_ok=True)  # until it is tagged anew, the file is not finished
        begun, counts = sha256(file.path), Counter(documents=0, entities=0)
        rejected, deleted = list[dict[str, Any]](), list[dict[str, Any]]()

        def on_error(error: FormatError) -> None:
            if error.ends_file:
                raise error
            place = {"file": error.file, "line": error.line, "document": error.document}
            rejected.append(place | {"reason": error.problem})

        def on_deleted(identifier: str, version: int) -> None:
            deleted.append({"file": file.path, "id": identifier, "version": version})

        def tagged_documents() -> Iterator[Document]:
            documents = read_documents(
                file.path, on_error, lines_are_texts=self.options.lines, on_deleted=on_deleted, on_read=on_progress
            )
            for document in tag_documents(self.engine, self.strategy, documents, self.options.batch_size):
                counts.update(documents=1, entities=len(document.entities))
                yield document
            if rejected and not counts["documents"]:
                raise InputError(f"All documents in {file.path} are broken. The first: {rejected[0]['reason']}")
            if sha256(file.path) != begun:
                raise InputError(f"{file.path} changed while it was tagged. Start again once it is complete.")

        self.results.write_result(file.name, tagged_documents())
        return self.results.finish(file, begun, **counts, rejected=rejected, deleted=deleted)
