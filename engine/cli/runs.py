"""A run: a folder of results that one process at a time writes, and that a restart continues under the same conditions.

The first start stores the conditions in a JSON file; a restart under other conditions is refused. If a process is
killed, each file is complete or absent, and a log lacks at most its last entry. The files of a run are trusted.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from filelock import FileLock, Timeout

from engine.errors import InputError, explained

LOCK = ".lock"
_PART_NAMES = f".{'[0-9a-f]' * 32}.part"  # names of files that are being written


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a folder for this process, even one that is killed, and creates it if missing.

    Removes half-written files at the start, and a new folder that is still empty at the end. Raises an `InputError` if
    another process holds the lock, or the folder cannot be written to.
    """
    lock = FileLock(folder / LOCK)
    try:
        new = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout as error:
        raise InputError(f"Another process writes to {folder}. Wait for it, or use another --out.") from error
    except OSError as error:
        raise InputError(f"Cannot write to the folder {folder}: {error.strerror}. Use another --out.") from error
    try:
        for part in folder.rglob(_PART_NAMES):
            part.unlink(missing_ok=True)
        yield
    finally:
        with suppress(OSError):  # the folder is not empty
            if new and [path.name for path in folder.iterdir()] == [LOCK]:
                (folder / LOCK).unlink()
                for path in new:
                    path.rmdir()
        lock.release()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path for a new file, which on success atomically replaces the file at ``path``.

    Syncs the new file to disk, and creates its folder if missing. Several processes may replace the same file at once.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield fresh
        with fresh.open("rb+") as file:
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        if error.filename in (None, str(fresh)):  # a full disk is reported without a name
            error.filename = str(path)
        raise
    finally:
        fresh.unlink(missing_ok=True)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes a JSON file, atomically replacing an older one; creates its folder if missing."""
    with replacing(path) as fresh:
        # ASCII preserves any string, even a file name that is not UTF-8.
        fresh.write_text(json.dumps(values, indent=2) + "\n", encoding="ascii")


def read_json(path: Path) -> dict[str, Any]:
    """Reads a file of `write_json`; raises an `InputError` if it cannot be read or is not JSON."""
    with explained(f"Cannot read {path}", "Restore the file, or use another --out"):
        return dict(json.loads(path.read_bytes()))


def append_line(path: Path, entry: Mapping[str, Any]) -> None:
    """Adds an entry to a log, one JSON object per line, and waits until it is on disk.

    Creates the log if missing, and drops a last line that a kill left half-written.
    """
    path.touch()
    with path.open("rb+") as file:
        file.truncate(sum(len(line) for line in file if line.endswith(b"\n")))
        file.seek(0, os.SEEK_END)
        file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def check_new(folder: Path) -> None:
    """Raises `InputError` if a folder contains files other than a lock, because results must not be mixed with them."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != LOCK)
    if folder.is_file() or any(not path.match(_PART_NAMES) for path in files):
        raise InputError(f"{folder} has other files in it. Use another --out.")


def continues(
    folder: Path, stored: str, conditions: Mapping[str, Any], *, resume: bool = True, free: Collection[str] = ()
) -> bool:
    """Returns whether a folder contains a run under the same conditions; ``False`` means it is new. Writes nothing.

    The conditions, compared as JSON, are everything that the results depend on. The caller begins a run by writing them
    to the file ``stored``; those in ``free`` may differ. Raises an `InputError` if the folder contains other files or a
    run that has other conditions or may not be resumed.
    """
    if not (folder / stored).is_file():
        check_new(folder)
        return False
    if not resume:
        raise InputError(f"{folder} has a run in it. Add --resume, or use another --out.")
    old, new = (
        _flatten({name: value for name, value in json.loads(json.dumps(values)).items() if name not in free})
        for values in (read_json(folder / stored), conditions)
    )
    if names := [name for name in old | new if old.get(name) != new.get(name)]:
        before, now = (", ".join(f"{name} {_shown(values.get(name))}" for name in names) for values in (old, new))
        raise InputError(f"The run in {folder} began with {before}, not {now}. Repeat that, or use another --out.")
    return True


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flattens nested objects, whose names are joined, as in ``strategy.gates``."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _shown(value: Any) -> str:
    text = "none" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


def texts_digest(texts: Iterable[str]) -> str:
    """SHA-256 of texts and their order."""
    return hashlib.sha256("\0".join(texts).encode(errors="surrogatepass")).hexdigest()


def code_digest(package: ModuleType) -> str:
    """Returns the SHA-256 of the sources of a package, so that results of different code are not mixed."""
    digest, root = hashlib.sha256(), Path(package.__path__[0])
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{package.__name__}/{path.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
