"""Reads documents from uploaded files, however broken these are; unreadable documents are left out and named.

Only Gradio deletes uploads, after a while: two users who upload the same file share one copy.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo.common.limits import MAX_CHARACTERS, MAX_DOCUMENTS, MAX_FILE_BYTES
from engine import Document, FormatError, InputError
from engine.formats import Ids, read_documents

LISTED_PROBLEMS = 20
TOO_LARGE = f"expected a file of at most {MAX_FILE_BYTES / 2**20:.0f} MB"
MAX_MESSAGE = 400  # characters: messages quote ids, which may be as long as the file
NOT_TEXT = {  # by the first bytes; compressed files could unpack to any size
    b"%PDF": "a PDF; save its text as a .txt file",
    b"PK\x03\x04": "a Word or ZIP file; save its text as a .txt file",
    b"\x89PNG": "an image; save its text as a .txt file",
    b"\xff\xd8\xff": "an image; save its text as a .txt file",
    b"GIF8": "an image; save its text as a .txt file",
    b"\x1f\x8b": "a compressed file; unpack it",
    b"PAR1": "Parquet; convert it to JSON lines",
}


@dataclass(frozen=True)
class Upload:
    """A document of an uploaded file.

    ``file``: the file's name. ``has_gold``: whether that has annotations.
    """

    document: Document
    file: str
    has_gold: bool


@dataclass
class Problems:
    """The problems of files: the first messages, and what is left out: documents, files, or the rest
    of broken files.

    ``limits``: whether a file or a document exceeds a limit of this page, which the commands do not have.
    """

    listed: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    limits: bool = False

    def add(self, message: str, what: str = "document", number: int = 1, *, limit: bool = False) -> None:
        """Counts what is left out and keeps the message if it is among the first."""
        self.left_out[what] += number
        self.limits |= limit
        if len(self.listed) < LISTED_PROBLEMS:
            self.listed.append(message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]}…")


def read_files(paths: Sequence[str]) -> tuple[list[Upload], Problems]:
    """Reads the documents of files, and what is wrong with those that are left out."""
    uploads: list[Upload] = []
    problems, ids = Problems(), Ids()
    for path in map(Path, paths):
        documents = list(_read_file(path, problems, ids))
        has_gold = any(document.entities for document in documents)
        uploads += [Upload(document, path.name, has_gold) for document in documents]
    if (more := len(uploads) - MAX_DOCUMENTS) > 0:
        message = f"expected at most {MAX_DOCUMENTS} documents, got {len(uploads)}; split them"
        problems.add(message, number=more, limit=True)
    return uploads[:MAX_DOCUMENTS], problems


def _read_file(path: Path, problems: Problems, ids: Ids) -> Iterator[Document]:
    """Yields a file's readable documents of fitting length, and adds what is wrong with the others to ``problems``.

    ``ids``: of documents read before. Messages name a file without its folder, which visitors need not know.
    """

    def on_error(error: FormatError) -> None:
        problems.add(str(FormatError(path.name, error.line, error.document, error.problem)))

    if refusal := _refusal(path):
        problems.add(f"{path.name}: {refusal}", "file", limit=TOO_LARGE in refusal)
        return
    try:
        for document in read_documents(path, on_error, ids=ids):
            if len(document.text) <= MAX_CHARACTERS:
                yield document
            else:
                problems.add(
                    f"{path.name}: document {document.id}: expected at most {MAX_CHARACTERS:,} characters, "
                    f"got {len(document.text):,}; split it",
                    limit=True,
                )
    except InputError as error:
        problems.add(str(error).replace(str(path), path.name), "broken file")
    except Exception as error:  # noqa: BLE001 - a file may hold anything, and visitors are told what happened
        problems.add(
            f"{path.name}: expected a file of a known format, got {type(error).__name__}; the rest is left out",
            "broken file",
        )
    ids.update({identifier: path.name for identifier, file in ids.items() if file == str(path)})


def _refusal(path: Path) -> str:
    """Why a file is not read at all; empty if it is."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
    except OSError:
        return "expected a file, got one that no longer exists; upload it again"
    if not start:
        return "expected text, got an empty file; choose another"
    if size > MAX_FILE_BYTES:
        return f"{TOO_LARGE}, got {size / 2**20:.1f} MB; split it"
    kind = next((kind for signature, kind in NOT_TEXT.items() if start.startswith(signature)), "")
    return f"expected text, got {kind}" if kind else ""
