"""Loads corpora with gold entities; files of named ones are downloaded if missing, and checked by SHA-256."""

import gzip
import hashlib
import logging
import os
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import pooch

from engine.corpora.hub_datasets import PREFIX, read_dataset
from engine.corpora.named import NAMED, File, occurrences
from engine.errors import FormatError, InputError, first_line
from engine.formats import read_documents
from engine.formats.checks import OnError
from engine.text.documents import Document

logger = logging.getLogger(__name__)

CACHE = Path(pooch.os_cache("bioner-token-pruning"))


def parse_name(text: str) -> tuple[str, str]:
    """What was typed for a corpus, ``NAME``, ``NAME:SPLIT`` or a file: its name, and its split, perhaps empty."""
    if Path(text).is_file():
        return text, ""
    prefix = PREFIX if text.startswith(PREFIX) else ""  # it contains a colon
    name, _, split = text.removeprefix(prefix).partition(":")
    return prefix + name, split


def sample_title(name: str, split: str) -> str:
    """A corpus's name and its split, unless that is ``all``, as of a file."""
    return name if split == "all" else f"{name} {split}"


@dataclass(frozen=True)
class Corpus:
    """Documents with gold entities, their entity types, and how many broken documents were skipped."""

    name: str
    split: str
    types: tuple[str, ...]
    documents: tuple[Document, ...]
    skipped: int = 0

    @property
    def title(self) -> str:
        """Its name and its split, if it has one."""
        return sample_title(self.name, self.split)

    @property
    def digest(self) -> str:
        """SHA-256 of texts and gold."""
        digest = hashlib.sha256()
        for document in self.documents:
            digest.update(repr((document.text, [entity.key for entity in document.entities])).encode())
        return digest.hexdigest()


def load_corpus(
    name: str | Path,
    split: str = "test",
    data_dir: str | Path | None = None,
    *,
    skip_bad: bool = False,
    limit: int | None = None,
) -> Corpus:
    """Loads a named corpus such as ``bc5cdr``, a Hugging Face dataset, or a file in a known format.

    Args:
        name: corpus name, path of a file, or ``hf:ID`` or ``hf:FOLDER`` of a dataset of tokens and tags.
        split: of a named corpus, one that `engine.corpora.named` declares and docs/formats.md describes; a dataset has
            its own. Ignored for a file.
        data_dir: folder searched first for a named corpus, before ``$BIONER_DATA``, the cache and a download.
        skip_bad: leave out broken documents with a warning instead of raising.
        limit: read only the first ``limit`` documents.

    Raises an `InputError` if the name or split is unknown, a file is neither found nor downloaded, or a document is
    broken.
    """
    name = str(name)
    named = NAMED.get(name)
    if named:
        if split not in named.splits:
            raise InputError(f"{name} has no split {split!r}, only {', '.join(named.splits)}.")
        skip_bad, read = named.skip_bad, partial(_read_split, name, split, data_dir)
    elif name.startswith(PREFIX):
        read = partial(read_dataset, name.removeprefix(PREFIX), split)
    elif Path(name).is_file():
        read, split = partial(read_documents, name), "all"
    else:
        known = ", ".join(sorted(NAMED))
        raise InputError(f"{name!r} is no file and no corpus. Give a path, hf:ID of a dataset, or one of {known}.")
    errors: list[FormatError] = []

    def on_error(error: FormatError) -> None:
        if not skip_bad or error.ends_file:
            raise error
        errors.append(error)
        if not error.repeats:
            logger.warning("%s (document left out)", error)

    if named:
        documents, types = tuple(islice(read(on_error), limit)), named.types
    else:  # with or without a limit, the types of a file are those of all its documents
        every = tuple(read(on_error))
        documents, types = every[:limit], tuple(sorted({entity.type for each in every for entity in each.entities}))
    return Corpus(name, split, types, documents, len(errors))


def only_types(document: Document, types: Collection[str]) -> Document:
    return replace(document, entities=tuple(entity for entity in document.entities if entity.type in types))


def _read_split(name: str, split: str, data_dir: str | Path | None, on_error: OnError) -> Iterator[Document]:
    corpus = NAMED[name]
    for part in corpus.splits[split]:
        for document in islice(read_documents(_find_file(name, part.file, data_dir), on_error), part.first, part.end):
            if part.occurring in (None, occurrences().get(document.id, "")):
                entities = tuple(replace(e, type=corpus.renamed.get(e.type, e.type)) for e in document.entities)
                yield only_types(replace(document, entities=entities), corpus.types)


def _find_file(corpus: str, file: File, data_dir: str | Path | None) -> Path:
    """Returns the path of a corpus file, which it downloads if no folder has it, nor a folder in that."""
    roots = [Path(root) for root in (data_dir, os.environ.get("BIONER_DATA"), CACHE) if root]
    places = (path for root in roots for path in (root / file.name, *sorted(root.glob(f"*/{file.name}"))))
    if path := next((place for place in places if place.is_file()), None):
        if (digest := pooch.file_hash(str(path))) != file.sha256:
            raise InputError(
                f"{path} has the SHA-256 {digest}, not {file.sha256} as published. Remove it, or fetch it again."
            )
        return path
    try:
        return Path(pooch.retrieve(file.url, file.sha256, file.name, CACHE / corpus, downloader=_download))
    except (OSError, EOFError, ValueError, zlib.error) as error:  # ValueError: wrong checksum
        raise InputError(
            f"{file.name} of {corpus} is neither in {' or '.join(map(str, roots))}, or a folder there, nor can it be "
            f"fetched from {file.url} ({first_line(error)}). Name its folder with --data-dir or BIONER_DATA."
        ) from error


def _download(url: str, output: str | Path, _: Any) -> None:
    """Downloads a file and unpacks it, because checksums are those of the unpacked content."""
    content = BytesIO()
    pooch.HTTPDownloader(timeout=60)(url, content, None)
    Path(output).write_bytes(gzip.decompress(content.getvalue()) if url.endswith(".gz") else content.getvalue())
