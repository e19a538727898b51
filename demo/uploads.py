"""Reads documents from uploaded files, damaged ones included; problems are reported in one line per file.

Only Gradio deletes uploads, after a while: two users who upload the same file share one copy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.launch import MAX_FILE_BYTES
from demo.run import MAX_CHARACTERS
from engine import Document, FormatError, InputError
from engine.formats import Ids, read_documents

MAX_DOCUMENTS = 500
MAX_MESSAGE = 300  # characters: messages quote ids, which may be as long as the file
NOT_TEXT = {  # by the first bytes; compressed files could unpack to any size
    b"%PDF": "a PDF; save its text as a .txt file",
    b"PK\x03\x04": "an Office or ZIP file; save it as CSV or .txt",
    b"\xd0\xcf\x11\xe0": "an old Office file; save it as CSV or .txt",
    **dict.fromkeys((b"\x89PNG", b"\xff\xd8\xff", b"GIF8"), "an image; save its text as a .txt file"),
    b"\x1f\x8b": "a compressed file; unpack it",
    b"PAR1": "Parquet; convert it to JSON lines",
}


@dataclass(frozen=True)
class Upload:
    """A document of an uploaded file, and the file's name."""

    document: Document
    file: str


def read_files(paths: Sequence[str]) -> tuple[list[Upload], list[str]]:
    """Reads the documents of files; also returns one line for each file that could not be read as a whole."""
    uploads: list[Upload] = []
    lines: list[str] = []
    ids = Ids()
    for path in map(Path, paths):
        documents, problems = _read_file(path, ids)
        uploads += [Upload(document, path.name) for document in documents]
        if problems:
            others = f" (and {len(problems) - 1} more like it)" if len(problems) > 1 else ""
            lines.append(f"{problems[0][:MAX_MESSAGE]}{others}")
    if len(uploads) > MAX_DOCUMENTS:
        others = f"{len(uploads) - MAX_DOCUMENTS} more are left out. bioner bulk has no limit."
        lines.append(f"Only the first {MAX_DOCUMENTS} documents were tagged; {others}")
    return uploads[:MAX_DOCUMENTS], lines


def _read_file(path: Path, ids: Ids) -> tuple[list[Document], list[str]]:
    """A file's readable documents of fitting length, and what is wrong with the others.

    ``ids``: of documents read before. Messages name a file without its folder, which visitors need not know.
    """
    documents: list[Document] = []
    problems: list[str] = []

    def on_error(error: FormatError) -> None:
        if not error.repeats:
            problems.append(str(FormatError(path.name, error.line, error.document, error.problem)))

    if refusal := _refusal(path):
        return [], [f"{path.name}: {refusal}"]
    try:
        for document in read_documents(path, on_error, ids=ids):
            if len(document.text) <= MAX_CHARACTERS:
                documents.append(document)
            else:
                size = f"{len(document.text):,} characters, and the limit is {MAX_CHARACTERS:,}"
                problems.append(f"{path.name}: document {document.id} has {size}; split it")
    except InputError as error:
        problems.append(str(error).replace(str(path), path.name))
    except Exception as error:  # noqa: BLE001 - a file may hold anything, and visitors are told what happened
        problems.append(f"{path.name}: not a known format ({type(error).__name__}); the rest of it is left out")
    ids.update({identifier: path.name for identifier, file in ids.items() if file == str(path)})
    return documents, problems


def _refusal(path: Path) -> str:
    """Why a file is not read at all; empty if it is."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip() or file.read(1)
    except OSError:
        return "it is gone; upload it again"
    if not start:
        return "it is empty"
    if size > MAX_FILE_BYTES:
        return f"{size / 2**20:.1f} MB, and the limit is {MAX_FILE_BYTES / 2**20:.0f} MB; split it, or use bioner tag"
    kind = next((kind for signature, kind in NOT_TEXT.items() if start.startswith(signature)), "")
    return f"it is {kind}" if kind else ""
